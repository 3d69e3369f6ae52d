"""Stories of jobs that cannot start until a person has acted."""

from typing import Final

from hack.states.results import success
from hack.states.stage import SPECS, Stage


def config(stage: Stage) -> None:
    """Batches that do not divide into groups, which the API server cannot see."""
    base = SPECS["RL"]["config"]
    wrong = {**base, "training": {"max_steps": 300, "per_device_train_batch_size": 6}}
    stage.apply("wordle-rl", "RL", config=wrong)
    stage.until("wordle-rl", "Pending", "InvalidConfig")
    stage.show("invalid-config", "wordle-rl", "Accepted", "Running", "Stalled")


def config_map(stage: Stage) -> None:
    """A ConfigMap with several mistakes."""
    text = "training:\n  max_stepz: 300\n  learning_rate: fast\n  seed: 42\n"
    stage.make("v1", "ConfigMap", "wordle", data={"sft.yaml": text})
    source = {"configMapKeyRef": {"name": "wordle", "key": "sft.yaml"}}
    stage.apply("wordle-sft", config={"model": {"name": "Qwen/Qwen3-0.6B"}}, configFrom=source)
    stage.until("wordle-sft", "Pending", "InvalidConfig")
    stage.show("invalid-config-map", "wordle-sft", "Accepted")


def secret(stage: Stage) -> None:
    """A Secret that is not there."""
    stage.apply("wordle-sft", telemetry={"databaseSecretRef": {"name": "telemetry", "key": "url"}})
    stage.until("wordle-sft", "Pending", "SecretNotFound")
    stage.show("secret-not-found", "wordle-sft", "Accepted")


def runtime(stage: Stage) -> None:
    """A runtime that is not there."""
    stage.apply("wordle-sft", runtimeRef={"name": "h100"})
    stage.until("wordle-sft", "Pending", "RuntimeNotFound")
    stage.show("runtime-not-found", "wordle-sft", "Accepted")


def cycle(stage: Stage) -> None:
    """Two jobs that wait for each other."""
    stage.apply("wordle-sft", dependsOn=[{"job": "wordle-eval"}])
    stage.apply("wordle-eval", "Eval", adapterFrom={"job": "wordle-sft"})
    stage.until("wordle-sft", "Pending", "DependencyCycle")
    stage.until("wordle-eval", "Pending", "DependencyCycle")
    stage.show("dependency-cycle", "wordle-sft", "Accepted", others=("wordle-eval",))


def backend(stage: Stage) -> None:
    """A backend that this version does not have."""
    stage.apply("wordle-sft", backend="Modal")
    stage.until("wordle-sft", "Pending", "BackendNotSupported")
    stage.show("backend-not-supported", "wordle-sft", "Accepted")


def adapter(stage: Stage) -> None:
    """A parent that kept no adapter."""
    stage.apply("wordle-sft", output={})
    (pod,) = stage.run("wordle-sft-a0")
    stage.end(pod, success())
    stage.until("wordle-sft", "Succeeded")
    stage.apply("wordle-rl", "RL", adapterFrom={"job": "wordle-sft"})
    stage.until("wordle-rl", "Pending", "AdapterUnavailable")
    stage.show("adapter-unavailable", "wordle-rl", "Accepted")


def name(stage: Stage) -> None:
    """Somebody else's Job that has the child's name."""
    container = {"name": "main", "image": "busybox"}
    pod = {"restartPolicy": "Never", "containers": [container]}
    stage.make("batch/v1", "Job", "wordle-sft-a0", spec={"template": {"spec": pod}})
    stage.apply("wordle-sft")
    stage.until("wordle-sft", "Pending", "NameTaken")
    stage.show("name-taken", "wordle-sft", "Stalled")


STORIES: Final = (config, config_map, secret, runtime, cycle, backend, adapter, name)
