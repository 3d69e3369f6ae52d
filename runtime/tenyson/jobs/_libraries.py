"""The training libraries' manners: no progress bars, no advice, each real warning once."""

import logging
import os
import warnings

import datasets
import transformers

# What they say on every run of ours, and why it is no news.
_KNOWN_WARNINGS = (
    ".*pin_memory.*no accelerator.*",  # a CPU run
    ".*use_reentrant parameter should be passed explicitly.*",  # set inside transformers
    ".*torch_dtype.*is deprecated.*",  # passed on between the libraries
)
_KNOWN_LOG_LINES = (
    "The tokenizer has new PAD/BOS/EOS tokens",  # aligning them is what we want
    "Could not estimate the number of tokens of the input",  # counts of unusual inputs
    "All reward functions returned None",  # in every round; counted and told by the job
)


def quiet() -> None:
    """Turns off what the libraries tell a person at a notebook; warnings and errors stay."""
    os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")
    os.environ.setdefault("TRL_EXPERIMENTAL_SILENCE", "1")
    datasets.disable_progress_bars()
    transformers.utils.logging.disable_progress_bar()
    transformers.utils.logging.set_verbosity_warning()
    for pattern in _KNOWN_WARNINGS:
        warnings.filterwarnings("ignore", message=pattern)
    for name in (
        "transformers.trainer",
        "transformers.modeling_utils",
        "transformers",
        "trl.trainer.grpo_trainer",
    ):
        logger = logging.getLogger(name)
        if not any(isinstance(f, _KnownLines) for f in logger.filters):
            logger.addFilter(_KnownLines())


class _KnownLines(logging.Filter):
    def filter(self, record: logging.LogRecord) -> bool:
        return not any(line in record.getMessage() for line in _KNOWN_LOG_LINES)
