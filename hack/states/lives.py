"""Stories of jobs that run: on several nodes, stopped, resumed, hanging, taken off a node."""

from typing import Final

from hack.states.kubelet import NODES
from hack.states.results import stopped, success
from hack.states.stage import Stage
from tenyson.contract import ExitCode
from tenyson.controller import names

_SOON: Final = {"backoffSeconds": 1, "backoffMaxSeconds": 1}


def nodes(stage: Stage) -> None:
    """A job on two nodes, of which one is not there yet."""
    stage.apply("wordle-sft", nodes=2, resources={"gpus": 4})
    first, _ = stage.pods("wordle-sft-a0", 2)
    stage.kubelet.run(first)
    stage.until("wordle-sft", "Starting", "RunningPartly")
    stage.show("running-partly", "wordle-sft", "Running")
    _, second = stage.run("wordle-sft-a0", 2)
    stage.until("wordle-sft", "Running")
    stage.kubelet.evict(second)
    stage.until("wordle-sft", "Stopping", "PodLost")
    stage.show("pod-lost", "wordle-sft", "Running")


def suspend(stage: Stage) -> None:
    """A job that is suspended and goes on."""
    stage.apply("wordle-sft")
    (pod,) = stage.run("wordle-sft-a0")
    stage.until("wordle-sft", "Running")
    stage.report(pod, 120, loss=0.4127)
    stage.edit("wordle-sft", suspend=True)
    stage.removal(pod)
    stage.until("wordle-sft", "Stopping", "Suspending")
    stage.show("suspending", "wordle-sft", "Running", "Suspended")
    stage.end(pod, stopped(124))
    stage.kubelet.remove(pod)
    stage.until("wordle-sft", "Suspended")
    stage.show("suspended", "wordle-sft", "Suspended", "CheckpointAvailable")
    stage.edit("wordle-sft", suspend=False)
    stage.run("wordle-sft-a1")
    stage.until("wordle-sft", "Running", attempt=1)
    stage.show("resumed", "wordle-sft", "Running", "Attempts")


def stop(stage: Stage) -> None:
    """A job that is stopped for good."""
    stage.apply("wordle-sft")
    (pod,) = stage.run("wordle-sft-a0")
    stage.until("wordle-sft", "Running")
    stage.edit("wordle-sft", stop=True)
    stage.removal(pod)
    stage.until("wordle-sft", "Stopping", "Stopping")
    stage.show("stopping", "wordle-sft", "Running")
    stage.end(pod, stopped(124))
    stage.kubelet.remove(pod)
    stage.until("wordle-sft", "Stopped")
    stage.show("stopped", "wordle-sft", "Failed", "Result")


def runtime(stage: Stage) -> None:
    """A job that runs with what a runtime brings."""
    spec = {
        "image": "ghcr.io/example/tenyson-runner:0.1.0-cuda12.8",
        "env": [{"name": "NCCL_DEBUG", "value": "WARN"}],
        "retry": {"maxRetries": 3},
        "pod": {
            "nodeSelector": {"kubernetes.io/hostname": NODES[0]},
            "terminationGracePeriodSeconds": 300,
        },
    }
    stage.make(names.API_VERSION, names.RUNTIME_KIND, "h100", spec=spec)
    stage.settle()
    stage.apply("wordle-sft", runtimeRef={"kind": "TenysonRuntime", "name": "h100"})
    stage.run("wordle-sft-a0")
    stage.until("wordle-sft", "Running")
    stage.show("pinned", "wordle-sft", "Child", "Pinned")


def hang(stage: Stage) -> None:
    """An attempt that does no step for too long."""
    stage.apply("wordle-sft", progressDeadlineSeconds=3, retry=_SOON)
    (pod,) = stage.run("wordle-sft-a0")
    stage.until("wordle-sft", "Running")
    stage.report(pod, 40, loss=0.61)
    stage.until("wordle-sft", "Stopping", "Hanging")
    stage.removal(pod)
    stage.show("hanging", "wordle-sft", "Running", "ProgressDeadlineExceeded")
    stage.kubelet.end(pod, 137, "")
    stage.kubelet.remove(pod)
    (pod,) = stage.run("wordle-sft-a1")
    stage.until("wordle-sft", "Running", attempt=1)
    stage.show("hang-retried", "wordle-sft", "Running", "Attempts", "Retries")


def preemption(stage: Stage) -> None:
    """A job whose node is drained, and whose next node is lost."""
    on_the_first = {"nodeSelector": {"kubernetes.io/hostname": NODES[0]}}
    stage.apply("wordle-sft", retry=_SOON, placement=on_the_first)
    (pod,) = stage.run("wordle-sft-a0")
    stage.until("wordle-sft", "Running")
    stage.report(pod, 120, loss=0.4127)
    stage.kubelet.evict(pod)
    stage.removal(pod)
    stage.until("wordle-sft", "Stopping", "PodLeaving")
    stage.show("pod-leaving", "wordle-sft", "Running")
    stage.end(pod, stopped(124))
    stage.kubelet.remove(pod)
    (pod,) = stage.run("wordle-sft-a1")
    stage.until("wordle-sft", "Running", attempt=1)
    stage.kubelet.end(pod, 137, "")
    (pod,) = stage.run("wordle-sft-a2")
    stage.until("wordle-sft", "Running", attempt=2)
    stage.show("preempted", "wordle-sft", "Running", "Attempts", "Retries")


def budget(stage: Stage) -> None:
    """A job that has cost as much as it may."""
    stage.apply("wordle-sft", budget={"maxCost": 0.01, "pricePerHour": 12})
    (pod,) = stage.run("wordle-sft-a0")
    stage.until("wordle-sft", "Stopping", "BudgetSpent")
    stage.removal(pod)
    stage.show("budget-spent", "wordle-sft", "Running")
    result = success(140)
    result.exit_code = ExitCode.STOPPED
    result.status = "stopped"
    stage.end(pod, result)
    stage.kubelet.remove(pod)
    stage.until("wordle-sft", "Succeeded")
    stage.show("budget-reached", "wordle-sft", "Complete", "Result")


STORIES: Final = (nodes, suspend, stop, runtime, hang, preemption, budget)
