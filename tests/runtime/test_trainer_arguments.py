"""`trainer_args`, and our own arguments, against the installed TRL and transformers."""

import dataclasses
from typing import Any

import pytest

from tenyson.config import JobConfig, parse_config
from tenyson.config.trainer_arguments import OWNED, OWNED_BY_RL, REFUSED
from tenyson.contract import ExitCode, JobType
from tenyson.errors import ConfigError

trl = pytest.importorskip("trl")

from tenyson.jobs.training import _arguments  # noqa: E402
from tenyson.jobs.training._compat import FORMER, Former, argument_names, spelled  # noqa: E402
from tenyson.jobs.training._trainer_arguments import checked_arguments, trl_arguments  # noqa: E402

KINDS = {"SFTConfig": trl.SFTConfig, "GRPOConfig": trl.GRPOConfig}
OURS_BY_DEFAULT = {"dataloader_pin_memory"}
"""What we set and a run may set otherwise."""
KNOWN = {name for kind in KINDS.values() for name in argument_names(kind)}


def refusal(kind: str, arguments: dict[str, Any]) -> str:
    with pytest.raises(ConfigError) as raised:
        checked_arguments(KINDS[kind], arguments)
    assert raised.value.exit_code == ExitCode.CONFIG
    return str(raised.value)


class Context:
    """What the arguments are made from."""

    def __init__(self, config: JobConfig, job_type: JobType, output_dir: Any) -> None:
        self.config, self.job_type, self.output_dir = config, job_type, output_dir
        self.ranks = self
        self.size = 1


@pytest.fixture
def make_arguments(tmp_path: Any) -> Any:
    """Makes TRL's real arguments from a configuration's sections."""

    def make(job_type: JobType, **sections: Any) -> Any:
        context: Any = Context(parse_config({"model": "m", **sections}), job_type, tmp_path)
        if job_type is JobType.RL:
            return _arguments.rl_arguments(context)
        return _arguments.sft_arguments(context, has_eval_set=True, formats=False)

    return make


@pytest.mark.parametrize("job_type", [JobType.SFT, JobType.RL])
def test_every_argument_that_we_set_exists_and_is_nobody_elses_to_set(
    job_type: JobType, make_arguments: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: dict[str, Any] = {}

    def spy(kind: type, trainer_args: Any, **ours: Any) -> Any:
        seen.update(ours)
        return trl_arguments(kind, trainer_args, **ours)

    monkeypatch.setattr(_arguments, "trl_arguments", spy)
    made = make_arguments(job_type, training={"eval_steps": 5})

    assert len(seen) > 25
    assert set(seen) <= set(argument_names(type(made)))
    owned = {*OWNED, *OWNED_BY_RL} if job_type is JobType.RL else set(OWNED)
    assert set(seen) - owned - set(REFUSED) == OURS_BY_DEFAULT


@pytest.mark.parametrize("section", ["training", "data", "rl"])
def test_a_field_with_an_arguments_name_is_the_one_that_the_argument_is_answered_with(
    section: str,
) -> None:
    model: Any = JobConfig.model_fields[section].annotation
    same = [name for name in model.model_fields if name in KNOWN]

    assert len(same) >= 4
    for name in same:
        assert {**OWNED, **OWNED_BY_RL}[name] == f"{section}.{name}"


def test_each_argument_with_a_rule_is_one_of_the_installed_versions_or_a_former_one() -> None:
    assert {*OWNED, *OWNED_BY_RL} <= KNOWN
    assert set(REFUSED) - KNOWN <= set(FORMER)


def test_each_name_of_today_is_one_of_the_installed_versions() -> None:
    todays = {former.today for former in FORMER.values() if former.today}

    assert todays <= KNOWN


@pytest.mark.parametrize(
    ("kind", "arguments", "says"),
    [
        ("SFTConfig", {"adam_epsilom": 1e-6}, "trainer_args.adam_epsilom: SFTConfig has no such"),
        ("SFTConfig", {"adam_epsilom": 1e-6}, "did you mean 'adam_epsilon'?"),
        ("SFTConfig", {"learning_rte": 1e-6}, "'learning_rate', the field training.learning_rate"),
        ("SFTConfig", {"vespo_k_pos": 1.0}, "SFTConfig has no such argument"),
        ("SFTConfig", {"evaluation_strategy": "no"}, "is eval_strategy today"),
        ("SFTConfig", {"evaluation_strategy": "no"}, "set training.eval_steps"),
        ("GRPOConfig", {"max_prompt_length": 5}, "is gone (TRL 1."),
        ("GRPOConfig", {"loss_type": "grpo"}, "has a field of its own: set rl.loss_type"),
        ("SFTConfig", {"neftune_noise_alpha": "much"}, "expected float or null, got 'much'"),
        ("SFTConfig", {"neftune_noise_alpha": True}, "expected float or null, got True"),
        ("SFTConfig", {"dataset_num_proc": 1.5}, "expected int or null, got 1.5"),
        ("GRPOConfig", {"use_adaptive_entropy": "yes"}, "expected bool, got 'yes'"),
        ("GRPOConfig", {"generation_kwargs": {"seed": 1}}, "makes all completions of a prompt"),
    ],
)
def test_an_argument_that_trl_does_not_take_is_refused(
    kind: str, arguments: dict[str, Any], says: str
) -> None:
    assert says in refusal(kind, arguments)


def test_all_arguments_that_trl_does_not_take_are_reported_together() -> None:
    said = refusal("SFTConfig", {"adam_epsilom": 1, "save_steps": 5, "tf32": "no"})

    assert "3 problems" in said


@pytest.mark.parametrize("job_type", [JobType.SFT, JobType.RL])
def test_an_argument_reaches_trl_as_it_was_given(job_type: JobType, make_arguments: Any) -> None:
    given = {"adam_epsilon": "1e-6", "torch_empty_cache_steps": 3, "dataloader_num_workers": 2}

    made = make_arguments(job_type, trainer_args=given)

    assert made.adam_epsilon == 1e-6
    assert made.torch_empty_cache_steps == 3
    assert made.dataloader_num_workers == 2
    assert made.logging_nan_inf_filter is False


def test_an_sft_run_may_set_what_only_rl_has_a_field_for(make_arguments: Any) -> None:
    assert make_arguments(JobType.SFT, trainer_args={"loss_type": "dft"}).loss_type == "dft"


def test_what_trl_itself_refuses_is_a_configuration_error(make_arguments: Any) -> None:
    wrong = {"vllm_importance_sampling_clip_min": 5.0}

    with pytest.raises(ConfigError, match="GRPOConfig refuses the arguments: vllm_importance"):
        make_arguments(JobType.RL, trainer_args=wrong)


def test_an_argument_is_passed_by_the_name_that_an_older_version_has() -> None:
    @dataclasses.dataclass
    class Older:
        evaluation_strategy: str = "no"
        seed: int = 0

    assert spelled(Older, {"eval_strategy": "steps", "seed": 1}) == {
        "evaluation_strategy": "steps",
        "seed": 1,
    }
    with pytest.raises(TypeError, match="has no argument 'packing'"):
        spelled(Older, {"packing": True})
    assert FORMER["evaluation_strategy"] == Former("eval_strategy")


def test_the_runner_ends_with_64_and_the_nearest_name(run_runner: Any, make_config: Any) -> None:
    run = run_runner(make_config(trainer_args={"adam_epsilom": 1e-6}))

    assert run.code == run.result.exit_code == ExitCode.CONFIG
    assert "did you mean 'adam_epsilon'?" in run.result.failure.message
