"""Several models in one evaluation, and the proof that each is the one it is said to be."""

import json
from pathlib import Path
from typing import Any

import pytest

from tenyson.contract import File
from tenyson.errors import CheckpointError, ConfigError
from tenyson.jobs.eval import EvalJob
from tenyson.jobs.result import JobResult
from tenyson.jobs.sft import SFTJob

pytestmark = pytest.mark.train


@pytest.fixture(scope="module")
def adapters(tmp_path_factory: Any, sum_task: Any, build_config: Any) -> dict[str, JobResult]:
    """Two adapters, trained for unlike times."""
    results = {}
    for name, steps in (("long", 60), ("short", 20)):
        config = build_config(training={"max_steps": steps, "learning_rate": 0.03})
        folder = tmp_path_factory.mktemp(name)
        results[name] = SFTJob(config, sum_task, output_dir=folder).run()
    return results


def results_of(folder: Path, name: str = File.RESULTS) -> dict[str, Any]:
    content: dict[str, Any] = json.loads((folder / name).read_text(encoding="utf-8"))
    return content


def test_models_in_one_start_answer_as_each_does_alone(
    adapters: dict[str, JobResult], make_config: Any, sum_task: Any, tmp_path: Path
) -> None:
    long, short = (str(adapters[name].local_output_dir) for name in ("long", "short"))
    draws = {"temperature": 1.0, "num_samples": 2}
    alone = {}
    for name, path in (("base", None), ("long", long), ("short", short)):
        config = make_config(adapter={"path": path}, evaluation=draws)
        alone[name] = EvalJob(config, sum_task, output_dir=tmp_path / name).run()

    config = make_config(
        adapter={"path": long},
        evaluation={**draws, "adapters": {"short": short}, "include_base": True},
    )
    together = EvalJob(config, sum_task, output_dir=tmp_path / "together").run()

    files = {"long": File.RESULTS, "short": "results-short.json", "base": "results-base.json"}
    for name, file in files.items():
        found, wanted = results_of(tmp_path / "together", file), results_of(tmp_path / name)
        assert found["detailed_results"] == wanted["detailed_results"]
        assert found["adapter_sha256"] == wanted["adapter_sha256"]
    assert together.metrics == {
        "accuracy": alone["long"].metrics["accuracy"],
        "base/accuracy": alone["base"].metrics["accuracy"],
        "short/accuracy": alone["short"].metrics["accuracy"],
    }
    assert together.adapter_sha256 == adapters["long"].adapter_sha256
    assert [a["path"] for a in together.artifacts if a["kind"] == "results"] == [
        File.RESULTS,
        "results-base.json",
        "results-short.json",
    ]
    answers = [
        str([row["completions"] for row in results_of(tmp_path / n)["detailed_results"]])
        for n in files
    ]
    assert len(set(answers)) == 3, "the models must differ, or nothing above is shown"


def test_each_adapter_tells_how_far_it_moves_the_first_token(
    adapters: dict[str, JobResult], make_config: Any, sum_task: Any, tmp_path: Path
) -> None:
    path = str(adapters["long"].local_output_dir)

    EvalJob(make_config(adapter={"path": path}), sum_task, output_dir=tmp_path).run()

    assert results_of(tmp_path)["adapter_log_prob_change"] > 0.1


@pytest.mark.parametrize("place", ["main", "further"])
def test_an_adapter_that_was_never_trained_is_refused(
    place: str, tiny_model: str, make_config: Any, sum_task: Any, tmp_path: Path
) -> None:
    from peft import LoraConfig, get_peft_model
    from transformers import AutoModelForCausalLM

    lora = LoraConfig(r=4, target_modules="all-linear", task_type="CAUSAL_LM")
    untrained = get_peft_model(AutoModelForCausalLM.from_pretrained(tiny_model), lora)
    untrained.save_pretrained(tmp_path / "untrained")
    path = str(tmp_path / "untrained")
    config = make_config(adapter={"path": path})
    if place == "further":
        config = make_config(evaluation={"adapters": {"untrained": path}})

    with pytest.raises(CheckpointError, match="changes nothing") as raised:
        EvalJob(config, sum_task, output_dir=tmp_path / "out").run()

    assert path in str(raised.value)
    assert raised.value.exit_code == 65


def test_vllm_is_asked_for_in_vain_where_it_is_not_installed(
    make_config: Any, sum_task: Any, tmp_path: Path
) -> None:
    config = make_config(evaluation={"engine": "vllm"})

    with pytest.raises(ConfigError, match=r"evaluation\.engine: vllm is asked for, but"):
        EvalJob(config, sum_task, output_dir=tmp_path).run()
