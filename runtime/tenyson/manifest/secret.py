"""What must not be written down: passwords in a configuration, tokens in the environment."""

import os
from collections.abc import Mapping
from typing import Any
from urllib.parse import urlsplit, urlunsplit

from tenyson.contract import Env

HIDDEN = "***"
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
    """Returns the variables that a manifest may hold, those that are set."""
    return {name: env[name] for name in RECORDED_VARIABLES if env.get(name)}


def without_secrets(config: dict[str, Any]) -> dict[str, Any]:
    """Returns the configuration with the database URL's password replaced by `***`."""
    url = config["telemetry"]["db_url"]
    if not url:
        return config
    return {**config, "telemetry": {**config["telemetry"], "db_url": hide_password(url)}}


def hide_password(url: str) -> str:
    """Returns the URL with its password, and any in its query, replaced by `***`."""
    parts = urlsplit(url)
    credentials, at, host = parts.netloc.rpartition("@")
    user = credentials.partition(":")[0]
    netloc = f"{user}:{HIDDEN}@{host}" if ":" in credentials else f"{credentials}{at}{host}"
    query = HIDDEN if "password" in parts.query.lower() else parts.query
    return urlunsplit(parts._replace(netloc=netloc, query=query))
