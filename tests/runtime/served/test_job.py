import json
from pathlib import Path
from typing import Any

import pytest

from tests.tiny_model import make_tiny_model

pytestmark = [pytest.mark.vllm, pytest.mark.timeout(900)]


def rows_of(folder: Path, name: str) -> list[Any]:
    content = json.loads((folder / name).read_text(encoding="utf-8"))
    return [(row["id"], row["completion"]) for row in content["detailed_results"]]


def test_the_runner_evaluates_with_vllm_as_it_does_with_hugging_face(
    train: Any, build_config: Any, run_runner: Any, tmp_path: Path
) -> None:
    trained = train("qwen2")
    outcomes = {}
    for engine in ("hf", "vllm"):
        config = build_config(
            model={"name": trained.base},
            adapter={"path": str(trained.adapters["long"])},
            evaluation={
                "engine": engine,
                "include_base": True,
                "adapters": {"short": str(trained.adapters["short"])},
            },
        )
        outcomes[engine] = run_runner(config, job_type="eval", output_dir=tmp_path / engine)

    for outcome in outcomes.values():
        assert (outcome.code, outcome.result.warnings) == (0, []), outcome.said
    for name in ("results.json", "results-base.json", "results-short.json"):
        assert rows_of(tmp_path / "vllm", name) == rows_of(tmp_path / "hf", name)
    found, wanted = outcomes["vllm"].result, outcomes["hf"].result
    assert found.metrics == wanted.metrics
    assert found.metrics["accuracy"] != found.metrics["base/accuracy"]
    assert found.adapter_sha256 == wanted.adapter_sha256
    assert (found.engine, wanted.engine) == ("vllm", "hf")
    again = run_runner(config, job_type="eval", output_dir=tmp_path / "vllm")
    assert (again.code, again.result.resumed_from_step) == (0, 30)


def test_an_adapter_of_another_base_of_the_same_shape_is_refused(
    train: Any, build_config: Any, run_runner: Any, tmp_path: Path
) -> None:
    trained, other = train("llama"), tmp_path / "other"
    make_tiny_model(other, "llama", hidden_size=64)
    config = build_config(
        model={"name": str(other)},
        adapter={"path": str(trained.adapters["long"])},
        evaluation={"engine": "vllm"},
    )

    outcome = run_runner(config, job_type="eval")

    assert outcome.code == 65
    assert "was trained on another base model" in outcome.result.failure.message
