"""Stories of jobs that wait: for another job, a queue, a pod, a retry's time."""

from typing import Final

from hack.states.results import failed, success
from hack.states.stage import Stage

_NEVER: Final = {"backoffSeconds": 3600, "backoffMaxSeconds": 3600}


def dependency(stage: Stage) -> None:
    """A job that starts from another one's adapter."""
    stage.apply("wordle-rl", "RL", adapterFrom={"job": "wordle-sft"})
    stage.until("wordle-rl", "Pending", "DependencyNotFound")
    stage.show("dependency-not-found", "wordle-rl", "Running")
    stage.apply("wordle-sft")
    stage.until("wordle-rl", "Pending", "WaitingForDependency")
    stage.run("wordle-sft-a0")
    stage.until("wordle-sft", "Running")
    stage.show("waiting-for-dependency", "wordle-rl", "Running", others=("wordle-sft",))


def backoff(stage: Stage) -> None:
    """A job whose first attempt failed, and whose second waits for its time."""
    stage.apply("wordle-sft", retry=_NEVER)
    (pod,) = stage.run("wordle-sft-a0")
    stage.until("wordle-sft", "Running")
    stage.end(pod, failed(RuntimeError("CUDA error: unspecified launch failure"), step=0))
    stage.until("wordle-sft", "Pending", "BackingOff")
    stage.show("backing-off", "wordle-sft", "Running", "Attempts", "Retries", "Next Attempt Time")


def queue(stage: Stage) -> None:
    """A job in a queue of Kueue, admitted and taken back."""
    stage.apply("wordle-sft", queueName="gpu-queue")
    stage.until("wordle-sft", "Queued")
    stage.show("queued", "wordle-sft", "Admitted", "Running")
    stage.set_queue("wordle-sft-a0", admitted=True)
    stage.run("wordle-sft-a0")
    stage.until("wordle-sft", "Running")
    stage.show("admitted", "wordle-sft", "Admitted", "Running")


def image(stage: Stage) -> None:
    """A pod whose image cannot be pulled."""
    stage.apply("wordle-sft", image="ghcr.io/example/runner:1.0")
    (pod,) = stage.pods("wordle-sft-a0")
    stage.kubelet.wait(
        pod,
        "ImagePullBackOff",
        'Back-off pulling image "ghcr.io/example/runner:1.0": ErrImagePull: failed to pull and '
        'unpack image "ghcr.io/example/runner:1.0": ghcr.io/example/runner:1.0: not found',
    )
    stage.until("wordle-sft", "Starting", "PodWaiting")
    stage.show("image-not-pulled", "wordle-sft", "Running")


def scheduling(stage: Stage) -> None:
    """A pod that fits on no node."""
    stage.apply("wordle-sft", resources={"gpus": 64})
    stage.until("wordle-sft", "Starting", "PodWaiting")
    stage.show("unschedulable", "wordle-sft", "Running")


def quota(stage: Stage) -> None:
    """A namespace whose quota has no room for the pod."""
    hard = {"requests.nvidia.com/gpu": "0"}
    stage.make("v1", "ResourceQuota", "gpus", spec={"hard": hard})
    stage.wait_for_quota("gpus")
    stage.apply("wordle-sft")
    stage.until("wordle-sft", "Starting", "PodMissing")
    stage.show("quota", "wordle-sft", "Running")


def pod_security(stage: Stage) -> None:
    """A runtime that asks for more than the namespace's Pod Security allows."""
    enforce = {"pod-security.kubernetes.io/enforce": "restricted"}
    stage.label_namespace(enforce)
    as_root = {"securityContext": {"runAsNonRoot": False, "runAsUser": 0}}
    stage.make("tenyson.dev/v1alpha1", "TenysonRuntime", "as-root", spec={"pod": as_root})
    stage.settle()
    stage.apply("wordle-sft", runtimeRef={"kind": "TenysonRuntime", "name": "as-root"})
    stage.until("wordle-sft", "Starting", "PodMissing")
    stage.show("pod-security", "wordle-sft", "Running")


def refused_child(stage: Stage) -> None:
    """A namespace whose quota has no room for the child Job itself."""
    stage.make("v1", "ResourceQuota", "jobs", spec={"hard": {"count/jobs.batch": "0"}})
    stage.wait_for_quota("jobs")
    stage.apply("wordle-sft")
    stage.until("wordle-sft", "Pending", "ChildRefused")
    stage.show("child-refused", "wordle-sft", "Running")


def starting(stage: Stage) -> None:
    """A job whose pod has not been looked at yet, and which then runs to its end."""
    stage.apply("wordle-sft", budget={"pricePerHour": 2.5})
    stage.until("wordle-sft", "Starting", "Starting")
    (pod,) = stage.run("wordle-sft-a0")
    stage.until("wordle-sft", "Running")
    stage.report(pod, 120, loss=0.4127, learning_rate=0.0005)
    stage.report(pod, 180, loss=0.3981, learning_rate=0.0005, checkpoint_step=160)
    stage.until_it(
        "wordle-sft", "to show step 180", lambda s: s.get("progress", {}).get("step") == 180
    )
    stage.show("running", "wordle-sft")
    stage.end(pod, success())
    stage.until("wordle-sft", "Succeeded")
    stage.show(
        "succeeded", "wordle-sft", "Complete", "Running", "CheckpointAvailable",
        "Result", "Attempts", "Completion Time",
    )  # fmt: skip


STORIES: Final = (
    dependency, backoff, queue, image, scheduling, quota, pod_security, refused_child,
    starting,
)  # fmt: skip
