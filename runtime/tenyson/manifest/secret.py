"""What must not be written down: passwords in a configuration, tokens in the environment."""

import os
import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from tenyson.contract import Env
from tenyson.hiding import (
    HIDDEN,
    SECRET_NAMES,
    hide_password,
    is_secret_name,
    is_url,
    passwords_of,
)

__all__ = ["HIDDEN", "hide_password"]

_SECRET_ARGUMENT = re.compile(rf"^(.*?(?:^|[._=-]){SECRET_NAMES}=).+", re.DOTALL | re.IGNORECASE)
RECORDED_VARIABLES = (
    *("CUDA_VISIBLE_DEVICES", "CUDA_DEVICE_ORDER", "NVIDIA_VISIBLE_DEVICES"),
    *("CUBLAS_WORKSPACE_CONFIG", "NVIDIA_TF32_OVERRIDE", "PYTORCH_ALLOC_CONF"),
    *("PYTORCH_CUDA_ALLOC_CONF", "NCCL_DEBUG", "NCCL_P2P_DISABLE", "NCCL_SOCKET_IFNAME"),
    *("OMP_NUM_THREADS", "MKL_NUM_THREADS", "PYTHONHASHSEED", "TOKENIZERS_PARALLELISM"),
    *("HF_HOME", "HF_HUB_OFFLINE", "HF_HUB_CACHE", "HF_DATASETS_OFFLINE", "TRANSFORMERS_OFFLINE"),
    *("WORLD_SIZE", "LOCAL_WORLD_SIZE", "PET_NNODES", "PET_NPROC_PER_NODE"),
    *("VLLM_USE_V1", "VLLM_ATTENTION_BACKEND", "VLLM_CPU_KVCACHE_SPACE"),
    *(Env.OUTPUT_DIR, Env.OUTPUT_URI, Env.ADAPTER_PATH, Env.ADAPTER_SHA256, Env.HUB_REPO),
    *(Env.IMAGE_DIGEST, Env.GIT_SHA, Env.CACHE_DIR),
)
"""The environment's variables that change what a run does, and never hold a secret."""


def recorded_environment(env: Mapping[str, str] = os.environ) -> dict[str, str]:
    """Returns the variables that a manifest may hold, those that are set, without passwords."""
    return {name: hide_password(env[name]) for name in RECORDED_VARIABLES if env.get(name)}


def without_secrets(config: dict[str, Any]) -> dict[str, Any]:
    """Returns the configuration with its secrets replaced by `***`, whichever field holds them.

    Those are the passwords of URLs, and texts under a name such as `judge_api_key`. A hash of it
    stays the same when a password changes.
    """
    return {name: _without_secrets(name, value) for name, value in config.items()}


def _without_secrets(name: str, value: Any) -> Any:
    if isinstance(value, Mapping):
        return {inner: _without_secrets(str(inner), v) for inner, v in value.items()}
    if isinstance(value, list | tuple):
        return [_without_secrets(name, v) for v in value]
    if not isinstance(value, str) or not value:
        return value
    if is_secret_name(name):
        return HIDDEN
    if is_url(value):
        return hide_password(value)
    # A text, such as a prompt: only what looks like a URL's password is taken out of it.
    return re.sub(r"\S+", lambda word: hide_password(word[0]), value)


def secrets_in(config: Mapping[str, Any]) -> Iterator[str]:
    """Yields the values that `without_secrets` would replace whole, and the passwords of URLs."""
    for name, value in config.items():
        yield from _secrets_in(str(name), value)


def _secrets_in(name: str, value: Any) -> Iterator[str]:
    if isinstance(value, Mapping):
        yield from secrets_in(value)
    elif isinstance(value, list | tuple):
        for each in value:
            yield from _secrets_in(name, each)
    elif isinstance(value, str):
        if is_secret_name(name):
            yield value
        elif is_url(value):
            yield from passwords_of(value)


def is_hidden(value: str) -> bool:
    """Whether a secret was replaced in a configuration's value; asterisks alone do not tell."""
    return value == HIDDEN or f":{HIDDEN}@" in value or value.endswith(f"?{HIDDEN}")


def command_without_secrets(command: Sequence[str]) -> list[str]:
    """Returns a command line with the secrets that it sets replaced by `***`."""
    return [hide_password(_SECRET_ARGUMENT.sub(rf"\1{HIDDEN}", part)) for part in command]


def hide_passwords(content: Any) -> Any:
    """Returns a JSON value with the passwords of all URLs in it replaced by `***`."""
    if isinstance(content, str):
        return hide_password(content)
    if isinstance(content, Mapping):
        return {name: hide_passwords(value) for name, value in content.items()}
    if isinstance(content, list | tuple):
        return [hide_passwords(value) for value in content]
    return content
