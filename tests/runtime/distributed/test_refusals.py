"""What the runner refuses before any rank is started."""

from typing import Any

import pytest

from tenyson.config import parse_config
from tenyson.contract import ExitCode, JobType
from tenyson.errors import ConfigError


def test_an_eval_job_runs_on_one_rank(run_runner: Any, make_config: Any) -> None:
    run = run_runner(make_config(), job_type="eval", PET_NPROC_PER_NODE="2")

    assert run.code == run.result.exit_code == run.message.exit_code == ExitCode.CONFIG
    assert "an Eval job runs on one, this attempt has 2" in run.said


def test_variables_that_make_no_sense_end_with_64(run_runner: Any, make_config: Any) -> None:
    run = run_runner(make_config(), PET_NNODES="2", PET_NODE_RANK="7")

    assert run.code == run.result.exit_code == ExitCode.CONFIG
    assert "PET_NODE_RANK: expected a number below PET_NNODES = 2, got 7" in run.said
    assert "PET_MASTER_ADDR: is not set" in run.said


def test_a_group_may_lie_on_several_ranks(make_config: Any) -> None:
    config = make_config(training={"per_device_train_batch_size": 2}, rl={"num_generations": 4})

    assert parse_config(config, JobType.RL, ranks=2)
    with pytest.raises(ConfigError, match="= 2 per round of sampling"):
        parse_config(config, JobType.RL)
    with pytest.raises(ConfigError, match="x 3 ranks = 6 per round of sampling"):
        parse_config(config, JobType.RL, ranks=3)
