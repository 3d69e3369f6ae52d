"""Where memory runs out: found out, and sampled around.

TRL samples a whole round at once with Hugging Face generation, however small the micro-batches
are; in parts it needs less.
"""

import contextlib
from collections.abc import Iterator
from typing import Any

from tenyson.errors import OutOfMemoryError, TenysonError
from tenyson.jobs.outcome.failure import as_tenyson_error, is_out_of_memory


@contextlib.contextmanager
def naming_the_lack_of_memory(during: str) -> Iterator[None]:
    """Raises OutOfMemoryError for a library's own, with what was going on.

    Args:
        during: `training` or `sampling`; the innermost one counts.
    """
    try:
        yield
    except Exception as error:
        known = as_tenyson_error(error)
        if isinstance(error, TenysonError) or not is_out_of_memory(error) or known is None:
            raise
        raise OutOfMemoryError(
            f"{known.message.rstrip('.')} (while {during}).", hint=known.hint, during=during
        ) from error


class SamplesInParts:
    """Samples a round of completions in parts, where `sampling_batch_size` says so."""

    args: Any
    use_vllm: bool
    sampling_batch_size: int | None = None

    def _generate_single_turn(
        self, prompt_ids: Any, images: Any, multimodal_fields: Any, *args: Any, **kwargs: Any
    ) -> Any:
        def sample(some: Any) -> Any:
            return super(SamplesInParts, self)._generate_single_turn(  # type: ignore[misc]
                some, images, multimodal_fields, *args, **kwargs
            )

        size = self.sampling_batch_size
        with naming_the_lack_of_memory("sampling"):
            if size is None or len(prompt_ids) <= size or self.use_vllm or images is not None:
                return sample(prompt_ids)
            completion_ids: list[Any] = []
            for start in range(0, len(prompt_ids), size):
                completion_ids += sample(prompt_ids[start : start + size])[0]
            return completion_ids, None
