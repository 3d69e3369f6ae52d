import json
from pathlib import Path
from typing import Any

import pytest

from tenyson.contract import File
from tenyson.errors import CheckpointError, TaskError
from tenyson.jobs.eval import EvalJob
from tenyson.jobs.result import JobResult
from tenyson.jobs.sft import SFTJob
from tests.runtime.evaluated import adapter as adapter  # a fixture
from tests.runtime.evaluated import results_of

pytestmark = pytest.mark.train


def test_results_have_every_row_in_the_datasets_order(
    make_config: Any, sum_task: Any, tmp_path: Path
) -> None:
    lengths = ["1+1=", "1+1+1+1=", "1=", "1+1+1=", "1+1+1+1+1="]
    asked = [{"id": f"q{i}", "prompt": p, "completion": "5"} for i, p in enumerate(lengths)]
    config = make_config(task={"eval_rows": asked}, evaluation={"batch_size": 2})

    result = EvalJob(config, sum_task, output_dir=tmp_path).run()

    results = results_of(tmp_path)
    assert [row["id"] for row in results["detailed_results"]] == [f"q{i}" for i in range(5)]
    assert [row["prompt"] for row in results["detailed_results"]] == lengths
    assert {"completion", "correct", "completion_tokens"} <= results["detailed_results"][0].keys()
    assert results["metrics"] == result.metrics
    assert results["adapter_sha256"] is None
    assert result.metrics.keys() == {"accuracy"}


def test_no_answer_depends_on_the_batch(make_config: Any, sum_task: Any, tmp_path: Path) -> None:
    draws = {"temperature": 1.0, "top_k": 30, "top_p": 0.95, "num_samples": 3}
    for size in (1, 3, 64):
        config = make_config(evaluation={"batch_size": size, "include_greedy": True, **draws})
        EvalJob(config, sum_task, output_dir=tmp_path / str(size)).run()

    def answers(size: int, name: str) -> list[Any]:
        return [
            row.get("completion") or row["completions"]
            for row in results_of(tmp_path / str(size), name)["detailed_results"]
        ]

    for name in ("results.json", "results-sampled.json"):
        assert answers(1, name) == answers(3, name) == answers(64, name)


def test_the_adapter_is_what_is_evaluated(
    adapter: JobResult, make_config: Any, sum_task: Any, tmp_path: Path
) -> None:
    base = EvalJob(make_config(), sum_task, output_dir=tmp_path / "base").run()
    config = make_config(adapter={"path": adapter.local_output_dir})

    tuned = EvalJob(config, sum_task, output_dir=tmp_path / "tuned").run()

    assert tuned.adapter_sha256 == adapter.adapter_sha256
    assert results_of(tmp_path / "tuned")["adapter_sha256"] == adapter.adapter_sha256
    assert tuned.metrics["accuracy"] > base.metrics["accuracy"]


def test_a_fully_trained_model_is_evaluated_from_its_folder(
    make_config: Any, sum_task: Any, tmp_path: Path
) -> None:
    training = {"max_steps": 40, "learning_rate": 0.01}
    config = make_config(adapter={"kind": "full"}, training=training)
    SFTJob(config, sum_task, output_dir=tmp_path / "full", run_id="the-sft-run").run()
    folder = tmp_path / "full" / File.FINAL_CHECKPOINT

    result = EvalJob(
        make_config(model={"name": str(folder)}), sum_task, output_dir=tmp_path / "eval"
    ).run()

    assert result.metrics["accuracy"] >= 0.5
    assert result.adapter_sha256 is None
    manifest = json.loads((tmp_path / "eval" / File.MANIFEST).read_text(encoding="utf-8"))
    assert [run["run_id"] for run in manifest["parent_runs"]] == ["the-sft-run"]
    with pytest.raises(CheckpointError, match="a whole model, not an adapter"):
        EvalJob(
            make_config(adapter={"path": str(folder)}), sum_task, output_dir=tmp_path / "wrong"
        ).run()


def test_chat_prompts_go_through_the_template(
    make_config: Any, sum_task: Any, tmp_path: Path
) -> None:
    asked = [{"prompt": [{"role": "user", "content": "1+1"}], "completion": "2"}]
    config = make_config(task={"eval_rows": asked})

    EvalJob(config, sum_task, output_dir=tmp_path).run()

    assert results_of(tmp_path)["detailed_results"][0]["id"] == 0


@pytest.mark.filterwarnings("ignore:Found missing adapter keys")
def test_an_adapter_of_another_model_is_refused(
    adapter: JobResult, make_config: Any, sum_task: Any, tmp_path: Path
) -> None:
    from safetensors.torch import load_file, save_file

    folder = tmp_path / "adapter"
    folder.mkdir()
    final = Path(str(adapter.local_output_dir)) / File.FINAL_CHECKPOINT
    tensors = load_file(final / "adapter_model.safetensors")
    renamed = {name.replace("layers.0", "layers.7"): t for name, t in tensors.items()}
    save_file(renamed, folder / "adapter_model.safetensors")
    (folder / "adapter_config.json").write_bytes((final / "adapter_config.json").read_bytes())
    config = make_config(adapter={"path": str(folder)})

    with pytest.raises(CheckpointError, match="does not fit the model"):
        EvalJob(config, sum_task, output_dir=tmp_path / "out").run()


@pytest.mark.parametrize(
    ("task", "says"),
    [
        ({"eval_rows": [{"question": "1+1"}]}, "get_eval_dataset returned rows without"),
        ({"eval_rows": [{"prompt": "1+1="}] * 2}, "compute_metrics raised KeyError"),
        ({"eval_rows": [{"id": 1, "prompt": "1"}] * 2}, "two rows with the id '1'"),
        ({"eval_rows": []}, "get_eval_dataset returned no rows"),
        ({"eval_rows": [{"prompt": ""}]}, "row '0' is empty"),
        ({"eval_rows": [{"prompt": "1" * 125}]}, "row '0' has 125 tokens"),
        ({"metrics": {"accuracy": "high"}}, "no metric that is a number"),
        ({"metrics": {"metrics": {"a": 1}, "detailed_results": []}}, "0 detailed_results for 10"),
        (
            {"metrics": {"a": 1, "detailed_results": 3}},
            "detailed_results that are no list of dicts",
        ),
        ({"metrics": {"a": 1, "detailed_results": [1] * 10}}, "that are no list of dicts"),
    ],
    ids=[
        "columns",
        "raises",
        "ids",
        "no rows",
        "empty",
        "long",
        "no number",
        "details",
        "no list",
        "no dicts",
    ],
)
def test_bad_input_names_the_hook(
    task: dict[str, Any], says: str, make_config: Any, sum_task: Any, tmp_path: Path
) -> None:
    with pytest.raises(TaskError) as raised:
        EvalJob(make_config(task=task), sum_task, output_dir=tmp_path).run()

    assert says in str(raised.value)


def test_metrics_without_details_are_taken_with_a_warning(
    make_config: Any, sum_task: Any, tmp_path: Path
) -> None:
    config = make_config(task={"metrics": {"accuracy": 0.5, "note": "by hand"}})

    result = EvalJob(config, sum_task, output_dir=tmp_path).run()

    assert result.metrics == {"accuracy": 0.5}
    assert any("paired test" in warning for warning in result.warnings)
    assert any("note" in warning for warning in result.warnings)


def test_a_batch_that_does_not_fit_into_memory_is_halved_until_it_does(
    make_config: Any, sum_task: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: Any
) -> None:
    from tenyson.evaluation.engines.hf import HFEngine

    config = make_config(evaluation={"temperature": 1.0, "num_samples": 3, "batch_size": 64})
    EvalJob(config, sum_task, output_dir=tmp_path / "roomy").run()
    complete = HFEngine._complete
    sizes = []

    def cramped(self: Any, asked: Any, *more: Any) -> Any:
        sizes.append(len(asked))
        if len(asked) > 8:
            raise RuntimeError(
                "[enforce fail at alloc_cpu.cpp] DefaultCPUAllocator: not enough memory"
            )
        return complete(self, asked, *more)

    monkeypatch.setattr(HFEngine, "_complete", cramped)
    result = EvalJob(config, sum_task, output_dir=tmp_path / "cramped").run()

    assert result.succeeded
    assert sizes == [30, 15, 7, 7, 7, 7, 2]
    assert "Set evaluation.batch_size: 7 to start with so many" in caplog.text
    for part in ("roomy", "cramped"):
        assert results_of(tmp_path / part)["detailed_results"]
    assert (
        results_of(tmp_path / "roomy")["detailed_results"]
        == results_of(tmp_path / "cramped")["detailed_results"]
    )


def test_files_tell_the_same_fingerprint_as_the_loaded_model(
    tiny_model: str, make_config: Any
) -> None:
    import torch
    from transformers import AutoConfig, AutoModelForCausalLM

    from tenyson.config import parse_config
    from tenyson.contract import JobType
    from tenyson.jobs.models._base_files import fingerprint_of_files
    from tenyson.jobs.models._weights import base_fingerprint

    config = parse_config(make_config(), JobType.EVAL)
    with torch.device("meta"):
        empty = AutoModelForCausalLM.from_config(AutoConfig.from_pretrained(tiny_model))
    loaded = AutoModelForCausalLM.from_pretrained(tiny_model)

    assert fingerprint_of_files(config, tiny_model, empty) == base_fingerprint(loaded)
    with torch.no_grad():
        loaded.lm_head.weight[0, 0] += 1
    assert fingerprint_of_files(config, tiny_model, empty) != base_fingerprint(loaded)


def test_a_column_of_the_prompts_is_no_score(
    make_config: Any, sum_task: Any, tmp_path: Path
) -> None:
    asked = [
        {"id": i, "prompt": f"{i}+1=", "completion": str(i + 1), "turns": i % 3} for i in range(4)
    ]
    told = [{"id": i, "turns": i % 3, "correct": i % 2} for i in range(4)]
    task = {"eval_rows": asked, "metrics": {"accuracy": 0.5, "detailed_results": told}}

    EvalJob(make_config(task=task), sum_task, output_dir=tmp_path).run()

    lines = (tmp_path / File.EVAL_OUTPUTS).read_text(encoding="utf-8").splitlines()
    assert [json.loads(line)["scores"] for line in lines] == [{"correct": i % 2} for i in range(4)]
    assert [row["turns"] for row in results_of(tmp_path)["detailed_results"]] == [0, 1, 2, 0]
