"""Rows for a data set: `tenyson dataset build --source 'generator:high_card_duel?count=100'`."""

import random
from collections.abc import Iterator
from typing import Any

from tenyson.datasets.errors import DatasetRequestError
from tenyson.examples.high_card_duel.game import (
    all_duels,
    answer_to,
    is_held_out,
    prompt_of,
    result_of,
)


def generate(count: int = 100, seed: int = 42) -> Iterator[dict[str, Any]]:
    """Returns rows of different duels, none of them held out.

    Args:
        count: Rows.
        seed: Draws the duels; the first rows of a larger count are those of a smaller one.

    Raises:
        DatasetRequestError: There are not so many duels.
    """
    duels = [duel for duel in all_duels() if not is_held_out(duel)]
    if not 1 <= count <= len(duels):
        raise DatasetRequestError(
            f"count is {count}; there are 1 to {len(duels)} different duels to train on."
        )
    random.Random(seed).shuffle(duels)
    for index, duel in enumerate(duels[:count]):
        yield {
            "id": f"hcd-{seed}-{index}",
            "prompt": prompt_of(duel),
            "completion": answer_to(duel),
            "final_answer": result_of(duel),
            "metadata": {
                "source": "generator",
                "game": "high_card_duel",
                "seed": seed,
                "episode_index": index,
                "my_card": duel[0],
                "opponent_card": duel[1],
                "result": result_of(duel),
            },
        }
