"""`training.determinism: strict`: what it sets, what it costs, and how it says no.

`best` seeds every random source, which is enough on a CPU, and on a GPU up to kernels that add up
in the order in which their threads come. `strict` allows kernels alone that do not.
"""

import contextlib
import logging
import os
from collections.abc import Iterator

from tenyson.config import JobConfig
from tenyson.errors import ConfigError, Problem

LOG = logging.getLogger("tenyson.jobs")
COST = (
    "training.determinism is strict: deterministic kernels alone, which are slower on a GPU, and "
    "vLLM without CUDA graphs; an operation that has no such kernel ends the run"
)
_ENVIRONMENT = {
    "CUBLAS_WORKSPACE_CONFIG": ":4096:8",  # cuBLAS reads it when the GPU is first used
    "FLASH_ATTENTION_DETERMINISTIC": "1",
}
_NO_KERNEL = "does not have a deterministic implementation"
_NO_CUBLAS = "Deterministic behavior was enabled with either"


def with_strict_engine(config: JobConfig) -> JobConfig:
    """Returns the configuration, vLLM's CUDA graphs left out where it asks for strictness."""
    if config.training.determinism != "strict":
        return config
    eager = config.vllm.model_copy(update={"enforce_eager": True})
    return config.model_copy(update={"vllm": eager})


@contextlib.contextmanager
def determinism(config: JobConfig) -> Iterator[None]:
    """Allows deterministic kernels alone in the block, where the configuration asks for it.

    Raises:
        ConfigError: An operation has no such kernel; names it.
    """
    if config.training.determinism != "strict":
        yield
        return
    LOG.info(COST)
    os.environ.update({name: os.environ.get(name, value) for name, value in _ENVIRONMENT.items()})
    import torch

    before = torch.are_deterministic_algorithms_enabled()
    cudnn = torch.backends.cudnn.deterministic, torch.backends.cudnn.benchmark
    torch.use_deterministic_algorithms(True)
    torch.backends.cudnn.deterministic, torch.backends.cudnn.benchmark = True, False
    try:
        yield
    except Exception as error:
        if (refusal := as_refusal(error)) is not None:
            raise refusal from error
        raise
    finally:
        torch.use_deterministic_algorithms(before)
        torch.backends.cudnn.deterministic, torch.backends.cudnn.benchmark = cudnn


def as_refusal(error: BaseException) -> ConfigError | None:
    """Returns what to tell the user where torch has no deterministic kernel for something.

    Args:
        error: What ended the run, in whose causes torch's own words are.
    """
    cause: BaseException | None = error
    while cause is not None:
        if (what := _refused(str(cause))) is not None:
            return ConfigError(
                [Problem("training.determinism", f"strict, but {what}")],
                hint="Set training.determinism: best, or do without that operation (another "
                "model.attn_implementation, rl.top_p: 1).",
            )
        cause = cause.__cause__ or cause.__context__
    return None


def _refused(text: str) -> str | None:
    if _NO_KERNEL in text:
        operation = text.partition(_NO_KERNEL)[0].split()[-1]
        return f"{operation} has no deterministic kernel on this device"
    if _NO_CUBLAS in text:
        return "cuBLAS was set up before the run began, without CUBLAS_WORKSPACE_CONFIG=:4096:8"
    return None
