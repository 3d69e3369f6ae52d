"""Packing: when it is chosen, that it is said, and that it trains on the same examples."""

import json
import logging
from pathlib import Path
from typing import Any

import pytest

from tenyson.contract import File
from tenyson.errors import CheckpointError, ConfigError
from tenyson.jobs.data.packing import Shape, choose_packing, padding_share, relative_time
from tenyson.jobs.sft import SFTJob

EVEN = [100] * 500
MIXED = [*[40] * 450, *[1000] * 50]
SMALL_ON_CPU = Shape(rows=8, max_length=1024, hidden_size=128, skips_between=False)
LARGE_ON_CPU = Shape(rows=1, max_length=1024, hidden_size=4096, skips_between=False)
LARGE_ON_GPU = Shape(rows=8, max_length=1024, hidden_size=4096, skips_between=True)


def test_padding_is_what_the_batches_would_hold() -> None:
    assert padding_share(EVEN, 8) == 0
    assert padding_share([50, 100], 2) == 0.25
    assert padding_share([7], 8) == 0
    assert 0.6 < padding_share(MIXED, 8) < 0.85


@pytest.mark.parametrize(
    ("lengths", "shape", "packs", "says"),
    [
        (EVEN, LARGE_ON_GPU, False, "only 0% of a batch would be padding"),
        (MIXED, LARGE_ON_GPU, True, "packed rows take about"),
        (MIXED, SMALL_ON_CPU, False, "attention would compute between examples, too"),
        (MIXED, LARGE_ON_CPU, False, "only 0%"),  # one row a batch has no padding
        ([5], LARGE_ON_GPU, False, "only 0%"),
    ],
    ids=["even rows", "mixed rows", "a small model without skipping", "one row", "one example"],
)
def test_packing_is_chosen_where_padding_costs_more(
    lengths: list[int], shape: Shape, packs: bool, says: str
) -> None:
    choice = choose_packing(None, lengths, shape, None)

    assert choice.packs is packs
    assert says in choice.why


def test_the_configuration_s_word_counts_more_than_the_padding() -> None:
    assert choose_packing(True, EVEN, SMALL_ON_CPU, None).packs
    assert not choose_packing(False, MIXED, LARGE_ON_GPU, None).packs
    assert not choose_packing(None, MIXED, LARGE_ON_GPU, "no end").packs


def test_attention_over_a_wide_row_is_what_makes_packing_dear() -> None:
    wide = Shape(rows=8, max_length=8192, hidden_size=128, skips_between=False)

    assert relative_time(MIXED, wide) > relative_time(MIXED, SMALL_ON_CPU)


@pytest.mark.train
def test_the_choice_is_said_and_stands_in_the_manifest(
    make_config: Any, sum_task: Any, tmp_path: Path, caplog: Any
) -> None:
    rows = [{"prompt": "1", "completion": "2" * n} for n in [1] * 15 + [28]]
    config = make_config(training={"max_steps": 1}, task={"sft_rows": rows * 4})

    with caplog.at_level(logging.INFO, logger="tenyson"):
        SFTJob(config, sum_task, output_dir=tmp_path).run()

    packing = json.loads((tmp_path / File.MANIFEST).read_text(encoding="utf-8"))["packing"]
    assert 0.3 < packing["padding_share"] < 0.9
    assert f"Packing {'on' if packing['packs'] else 'off'}: {packing['why']}" in caplog.text


@pytest.mark.train
def test_a_packed_step_has_the_loss_of_the_same_examples_apart(
    make_config: Any, sum_task: Any, tmp_path: Path
) -> None:
    """Were an example to see its neighbour in the row, or a label to slip, it would differ."""
    losses = []
    for packing in (False, True):
        config = make_config(
            data={"packing": packing, "max_length": 64},
            training={"max_steps": 1, "per_device_train_batch_size": 64},
        )
        result = SFTJob(config, sum_task, output_dir=tmp_path / str(packing)).run()
        losses.append(result.metrics["train_loss"])

    assert losses[0] == pytest.approx(losses[1], rel=1e-5)


@pytest.mark.train
def test_a_checkpoint_of_packed_rows_is_not_gone_on_from_without(
    make_config: Any, sum_task: Any, tmp_path: Path
) -> None:
    packed = make_config(
        data={"packing": True}, training={"max_steps": 1}, checkpoint={"every_steps": 1}
    )
    SFTJob(packed, sum_task, output_dir=tmp_path).run()

    with pytest.raises(CheckpointError, match="saved with packing on") as refused:
        SFTJob(
            make_config(data={"packing": False}, training={"max_steps": 2}),
            sum_task,
            output_dir=tmp_path,
        ).run()

    assert "data.packing: true" in refused.value.hint


@pytest.mark.train
def test_packing_beside_a_collator_is_refused_with_its_reason(
    make_config: Any, sum_task: Any, tmp_path: Path
) -> None:
    config = make_config(data={"packing": True}, task={"collator": True})

    with pytest.raises(ConfigError, match=r"data\.packing: cannot be on: the task brings"):
        SFTJob(config, sum_task, output_dir=tmp_path).run()
