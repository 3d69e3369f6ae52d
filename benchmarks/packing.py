"""Time of a token in packed rows over that in padded ones, and what Tenyson decides from lengths.

    python benchmarks/packing.py [--steps 4] [--pairs 3]

For several distributions of lengths and widths of a model. Runs come in pairs of the same TRL
trainer, one padded and one packed; the measured ratio is the median over the pairs of packed over
padded processor seconds per real token, the estimate is what `tenyson.jobs.data.packing` decides
by. Below 0.9 of the estimate rows are packed. The bar: the decision is right wherever the measured
ratio is clear, which is outside 0.8 to 1.25.
"""

import argparse
import random
import statistics
import tempfile
import time
from collections.abc import Sequence
from typing import Any

from tenyson.jobs.data.packing import Shape, choose_packing, padding_share, relative_time

CLEAR = (0.8, 1.25)
PADDED_STEPS = 10
"""For each packed step: a padded one holds fewer examples, and how long its longest is varies."""


def lengths_of(name: str, longest: int) -> list[int]:
    """Returns the lengths of 2,000 examples."""
    rng = random.Random(0)
    draw = {
        "even": lambda: longest // 8,
        "uniform": lambda: rng.randint(longest // 16, longest),
        "log-normal": lambda: min(longest, max(4, int(rng.lognormvariate(3.0, 1.0)))),
        "few long": lambda: longest if rng.random() < 0.05 else longest // 16,
    }[name]
    return [draw() for _ in range(2_000)]


def seconds_per_token(lengths: Sequence[int], shape: Shape, packing: bool, steps: int) -> float:
    """Returns the processor time of a real token, over all steps but the first."""
    from datasets import Dataset
    from transformers import TrainerCallback
    from trl import SFTTrainer

    ends: list[tuple[float, int]] = []

    class Watch(TrainerCallback):
        def on_step_end(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
            ends.append((time.process_time(), trainer.real_tokens))

    class Counting(SFTTrainer):
        real_tokens = 0

        def compute_loss(self, model: Any, inputs: Any, *args: Any, **kwargs: Any) -> Any:
            mask = inputs.get("attention_mask", inputs["input_ids"] != -1)
            self.real_tokens += int(mask.sum())
            return super().compute_loss(model, inputs, *args, **kwargs)

    rng = random.Random(1)
    rows = [{"input_ids": [rng.randint(4, 60) for _ in range(n)]} for n in lengths]
    with tempfile.TemporaryDirectory() as folder:
        trainer = Counting(
            model=_model(shape),
            args=_arguments(folder, shape, packing, steps),
            train_dataset=Dataset.from_list(rows),
            processing_class=_tokenizer(),
            callbacks=[Watch()],
        )
        trainer.train()
    (start, before), (end, after) = ends[0], ends[-1]
    return (end - start) / (after - before)


def _model(shape: Shape) -> Any:
    from transformers import LlamaConfig, LlamaForCausalLM

    config = LlamaConfig(
        vocab_size=64,
        hidden_size=shape.hidden_size,
        intermediate_size=3 * shape.hidden_size,
        num_hidden_layers=2,
        num_attention_heads=max(2, shape.hidden_size // 64),
        max_position_embeddings=shape.max_length,
    )
    return LlamaForCausalLM(config)


def _arguments(folder: str, shape: Shape, packing: bool, steps: int) -> Any:
    from trl import SFTConfig

    return SFTConfig(
        folder,
        max_steps=steps if packing else steps * PADDED_STEPS,
        per_device_train_batch_size=shape.rows,
        max_length=shape.max_length,
        packing=packing,
        use_cpu=True,
        bf16=False,
        gradient_checkpointing=False,
        save_strategy="no",
        report_to="none",
        disable_tqdm=True,
    )


def _tokenizer() -> Any:
    from tokenizers import Tokenizer, models
    from transformers import PreTrainedTokenizerFast

    words = {"<pad>": 0, "<eos>": 1, "<unk>": 2}
    tokenizer = Tokenizer(models.WordLevel(words, unk_token="<unk>"))
    return PreTrainedTokenizerFast(tokenizer_object=tokenizer, pad_token="<pad>", eos_token="<eos>")


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--steps", type=int, default=4)
    parser.add_argument("--pairs", type=int, default=3)
    options = parser.parse_args()
    import datasets
    import torch
    import transformers

    torch.set_num_threads(1)
    datasets.disable_progress_bars()
    transformers.utils.logging.set_verbosity_error()
    transformers.Trainer.log = lambda self, logs, *rest: None  # one line a run would hide the table
    wrong = 0
    print(f"{'lengths':<12}{'width':>6}{'rows':>5}{'padding':>9}{'measured':>10}{'estimate':>10}")
    for width, rows, longest in ((128, 8, 256), (512, 4, 256)):
        for name in ("even", "uniform", "log-normal", "few long"):
            lengths = lengths_of(name, longest)
            shape = Shape(rows, longest, width, skips_between=False)
            ratios = []
            for pair in range(options.pairs):
                order = (True, False) if pair % 2 else (False, True)
                times = {p: seconds_per_token(lengths, shape, p, options.steps) for p in order}
                ratios.append(times[True] / times[False])
            measured, estimate = statistics.median(ratios), relative_time(lengths, shape)
            packs = choose_packing(None, lengths, shape, None).packs
            is_wrong = (packs and measured > CLEAR[1]) or (not packs and measured < CLEAR[0])
            wrong += is_wrong
            print(
                f"{name:<12}{width:>6}{rows:>5}{padding_share(lengths, rows):>9.0%}"
                f"{measured:>10.2f}{estimate:>10.2f}  {'packed' if packs else 'padded'}"
                f"{'  WRONG' if is_wrong else ''}",
                flush=True,
            )
    return 1 if wrong else 0


if __name__ == "__main__":
    raise SystemExit(main())
