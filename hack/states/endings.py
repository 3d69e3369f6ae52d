"""Stories of jobs that come to an end that asks for a word, mostly by failing."""

from typing import Final

from hack.states.results import failed, stopped, success
from hack.states.stage import Stage
from tenyson.config import parse_config
from tenyson.contract import JobType
from tenyson.errors import ConfigError, DivergedError, OutOfMemoryError, RewardError

_AT_ONCE: Final = {"backoffSeconds": 0, "backoffMaxSeconds": 0}


def config(stage: Stage) -> None:
    """A runner of another version that refuses what the controller took."""
    stage.apply("wordle-sft")
    (pod,) = stage.run("wordle-sft-a0")
    try:
        parse_config({"training": {"max_steps": 300, "warmup": 10}}, JobType.SFT)
    except ConfigError as error:
        stage.end(pod, failed(error))
    stage.until("wordle-sft", "Failed")
    stage.show("config-refused", "wordle-sft", "Failed", "Result")


def task(stage: Stage) -> None:
    """A task whose reward returns what is no reward."""
    stage.apply("wordle-rl", "RL")
    (pod,) = stage.run("wordle-rl-a0")
    error = RewardError(
        "Reward 'guess_reward' returned nan for row 3, prompt 'Guess the word: _ r a _ e'",
        hint="Return a finite number, or None where the reward does not apply.",
    )
    stage.end(pod, failed(error, step=12))
    stage.until("wordle-rl", "Failed")
    stage.show("task-refused", "wordle-rl", "Failed")


def retries(stage: Stage) -> None:
    """A job that runs out of memory as often as it may."""
    stage.apply("wordle-sft", retry={"maxRetries": 1, **_AT_ONCE})
    error = OutOfMemoryError(
        "Out of memory: CUDA out of memory. Tried to allocate 2.37 GiB.",
        hint="Lower per_device_train_batch_size (and raise gradient_accumulation_steps), "
        "max_length or max_completion_length, or use a bigger GPU.",
    )
    for child in ("wordle-sft-a0", "wordle-sft-a1"):
        (pod,) = stage.run(child)
        stage.end(pod, failed(error, step=0))
    stage.until("wordle-sft", "Failed")
    stage.show("retries-exhausted", "wordle-sft", "Failed", "Running", "Attempts", "Retries")


def divergence(stage: Stage) -> None:
    """A run whose loss is no number any more."""
    stage.apply("wordle-sft")
    (pod,) = stage.run("wordle-sft-a0")
    error = DivergedError(
        "The loss of step 87 is nan; training stopped before it reached the weights.",
        hint="Lower training.learning_rate, add warmup_steps, or look for bad rows near that "
        "step; the last checkpoint is still good.",
    )
    stage.end(pod, failed(error, step=86))
    stage.until("wordle-sft", "Failed")
    stage.show("diverged", "wordle-sft", "Failed")


def deadline(stage: Stage) -> None:
    """A run that runs for longer than it may."""
    stage.apply("wordle-sft", activeDeadlineSeconds=3)
    (pod,) = stage.run("wordle-sft-a0")
    stage.until("wordle-sft", "Stopping", "ActiveTooLong")
    stage.removal(pod)
    stage.end(pod, stopped(124))
    stage.kubelet.remove(pod)
    stage.until("wordle-sft", "Failed")
    stage.show("deadline-exceeded", "wordle-sft", "Failed")


def pending_deadline(stage: Stage) -> None:
    """A pod that fits on no node for longer than the job may wait."""
    stage.apply("wordle-sft", resources={"gpus": 64}, pendingDeadlineSeconds=6)
    stage.until("wordle-sft", "Starting", "PodWaiting")
    stage.until("wordle-sft", "Failed")
    stage.show("pending-deadline-exceeded", "wordle-sft", "Failed")


def dependency(stage: Stage) -> None:
    """A job whose parent failed."""
    stage.apply("wordle-sft", retry={"maxRetries": 0})
    stage.apply("wordle-rl", "RL", adapterFrom={"job": "wordle-sft"})
    (pod,) = stage.run("wordle-sft-a0")
    stage.end(pod, failed(RuntimeError("CUDA error: device-side assert triggered"), step=0))
    stage.until("wordle-rl", "Failed")
    stage.show("dependency-failed", "wordle-rl", "Failed", "Running", others=("wordle-sft",))


def in_git(stage: Stage) -> None:
    """A finished job whose time is over, and which Git would bring back."""
    stage.apply("wordle-sft", ttlSecondsAfterFinished=1)
    stage.track("wordle-sft", **{"kustomize.toolkit.fluxcd.io/name": "training"})
    (pod,) = stage.run("wordle-sft-a0")
    stage.end(pod, success())
    stage.until_it(
        "wordle-sft", "to be Expired",
        lambda s: any(c["type"] == "Expired" for c in s.get("conditions", ())),
    )  # fmt: skip
    stage.show("expired", "wordle-sft", "Complete", "Expired")


STORIES: Final = (
    config, task, retries, divergence, deadline, pending_deadline, dependency, in_git,
)  # fmt: skip
