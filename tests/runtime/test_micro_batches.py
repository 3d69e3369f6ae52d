"""A round of sampling that is cut anew after memory ran out, and back again."""

from typing import Any

import pytest

pytestmark = pytest.mark.train


def parts_of(size: int) -> list[dict[str, Any]]:
    """Eight completions in parts of `size`, with what TRL keeps beside them."""
    import torch

    ids = torch.arange(24).reshape(8, 3)
    return [
        {
            "completion_ids": ids[start : start + size],
            "advantages": torch.arange(8.0)[start : start + size],
            "num_items_in_batch": torch.tensor(24),
            "images": None,
        }
        for start in range(0, 8, size)
    ]


@pytest.mark.parametrize(("saved", "now"), [(4, 4), (4, 2), (8, 1), (2, 4), (1, 8)])
def test_a_round_cut_anew_is_the_one_that_would_have_been_cut_so(saved: int, now: int) -> None:
    import torch

    from tenyson.jobs.training._micro_batches import cut_anew

    for found, expected in zip(cut_anew(parts_of(saved), saved, now), parts_of(now), strict=True):
        assert found.keys() == expected.keys()
        assert found["images"] is None
        for name in ("completion_ids", "advantages", "num_items_in_batch"):
            assert torch.equal(found[name], expected[name])
