"""Every loss and every setting of it trains, and each setting changes what is learned."""

from pathlib import Path
from typing import Any, get_args

import pytest

from tenyson.config import parse_config
from tenyson.config.rl import RLConfig
from tenyson.contract import JobType
from tenyson.errors import ConfigError
from tenyson.jobs.rl import RLJob

LOSSES = get_args(RLConfig.model_fields["loss_type"].annotation)
SETTINGS: dict[str, dict[str, Any]] = {
    "beta": {"beta": 0.5},
    "delta": {"delta": 1.001, "num_iterations": 2},
    "sequence": {"importance_sampling_level": "sequence", "num_iterations": 2},
    "batch scale": {"scale_rewards": "batch"},
    "no scale": {"scale_rewards": "none"},
    "weights": {"reward_weights": [0.1, 3.0]},
    "normalised first": {"multi_objective_aggregation": "normalize_then_sum"},
    "entropy": {"entropy_coef": 1.0},
    "high entropy": {"top_entropy_quantile": 0.3},
    "truncated": {"mask_truncated_completions": True},
    "epsilon": {"epsilon": 0.001, "epsilon_high": 0.002, "num_iterations": 2},
    "top p": {"top_p": 0.5},
    "top k": {"top_k": 3},
    "min p": {"min_p": 0.9},
    "repetition": {"repetition_penalty": 2.0},
    "temperature": {"temperature": 0.5},
}


@pytest.fixture(scope="module")
def trained(build_config: Any, sum_task: Any, tmp_path_factory: pytest.TempPathFactory) -> Any:
    """Trains with these settings, and returns the weights; each only once."""
    from safetensors.torch import load_file

    known: dict[str, Any] = {}

    def train(**rl: Any) -> Any:
        if (key := repr(rl)) not in known:
            folder = tmp_path_factory.mktemp("loss")
            config = build_config(
                rl=rl,
                training={
                    "max_steps": 4,
                    "per_device_train_batch_size": 16,
                    "learning_rate": 0.05,
                    "warmup_steps": 0,  # a first step of size 0 would leave all ratios at 1
                },
            )
            result = RLJob(config, sum_task, output_dir=folder).run()
            assert result.status == "success"
            known[key] = load_file(folder / "checkpoint-final" / "adapter_model.safetensors")
        return known[key]

    return train


def distance(left: Any, right: Any) -> float:
    return float(max((left[name] - right[name]).abs().max() for name in left))


@pytest.mark.train
@pytest.mark.long
@pytest.mark.parametrize("loss", LOSSES)
def test_every_loss_trains(loss: str, trained: Any) -> None:
    weights = trained(loss_type=loss)

    assert max(float(t.abs().max()) for n, t in weights.items() if "lora_B" in n) > 1e-3


@pytest.mark.train
@pytest.mark.long
@pytest.mark.parametrize("name", SETTINGS)
def test_every_setting_changes_what_is_learned(name: str, trained: Any) -> None:
    settings = SETTINGS[name]
    usual = {"num_iterations": settings["num_iterations"]} if "num_iterations" in settings else {}

    assert distance(trained(**settings), trained(**usual)) > 1e-5


def test_cispo_without_a_bound_of_its_own_lets_ratios_near_one_pass() -> None:
    assert RLConfig(loss_type="cispo").clip_above == 5.0
    assert RLConfig(loss_type="cispo", epsilon_high=3.0).clip_above == 3.0
    assert RLConfig().clip_above is None


@pytest.mark.train
def test_the_tasks_weights_hold_unless_the_configuration_has_its_own(
    make_config: Any, sum_task: Any, tmp_path: Path
) -> None:
    rewards = []
    for weights in (None, [0.0, 1.0]):
        config = make_config(
            task={"rewards": ["same_reward", "never_applies"], "weights": [4.0, 1.0]},
            training={"max_steps": 1},
            rl={"reward_weights": weights},
        )
        result = RLJob(config, sum_task, output_dir=tmp_path / str(weights)).run()
        rewards.append(result.metrics["reward"])

    assert rewards == [4.0, 0.0]


@pytest.mark.parametrize(
    ("rl", "says"),
    [
        ({"loss_type": "sapo", "delta": 2.0}, "rl.delta: 2 bounds nothing in rl.loss_type sapo"),
        (
            {"loss_type": "vespo", "importance_sampling_level": "sequence"},
            "rl.importance_sampling_level: sequence has no part in rl.loss_type vespo",
        ),
        (
            {"filter_zero_variance": True, "scale_rewards": "batch"},
            "rl.filter_zero_variance: needs advantages that are measured within a group",
        ),
    ],
)
def test_a_setting_that_would_do_nothing_is_refused(rl: dict[str, Any], says: str) -> None:
    with pytest.raises(ConfigError, match=says.replace(".", r"\.")):
        parse_config({"model": {"name": "m"}, "rl": rl}, JobType.RL)
