"""What vLLM's workers answer about the adapters that they hold."""

from pathlib import Path
from typing import Any


class AdapterInspector:
    """Mixed into vLLM's worker (`worker_extension_cls`); `collective_rpc` calls its methods."""

    model_runner: Any

    def unmatched_modules(self, number: int, folder: str) -> list[str]:
        """Returns the modules of an adapter's file that this worker has no weights for.

        vLLM refuses a kind of layer that it does not know, but passes over layers that the model
        does not have.
        """
        from safetensors import safe_open
        from vllm.lora.utils import parse_fine_tuned_lora_name

        manager = self.model_runner.lora_manager._adapter_manager
        # Layers that vLLM fuses (q, k, v) stand under the fused layer's name.
        parts = {name for names in manager.packed_modules.values() for name in names}
        wrapped = (manager.modules.keys() - manager.packed_modules.keys()) | parts
        mapper = getattr(manager.model, "hf_to_vllm_mapper", None)
        mapper = mapper.get_rename_mapper() if mapper is not None else None
        with safe_open(Path(folder) / "adapter_model.safetensors", framework="pt") as file:
            held = {parse_fine_tuned_lora_name(name, mapper)[0] for name in file.keys()}  # noqa: SIM118
        if manager.get_adapter(number) is None:
            return sorted(held)
        return sorted(held - wrapped)
