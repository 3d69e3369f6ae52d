"""The generated CRD, without a cluster."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from pydantic import BaseModel

from tenyson.config import JobConfig
from tenyson.controller import crd
from tenyson.controller.resource.spec import parse_spec
from tenyson.controller.schema import structural


def test_the_file_in_crds_is_up_to_date() -> None:
    assert crd.main(["--check"]) == 0


def test_a_file_that_is_out_of_date_fails_the_check(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for kind in crd.KINDS:
        (tmp_path / kind.file_name).write_text("old")
    assert crd.main(["--check", "--folder", str(tmp_path)]) == 1
    assert "out of date" in capsys.readouterr().err


@pytest.mark.parametrize("kind", crd.KINDS, ids=lambda kind: kind.kind)
def test_a_crd_stays_small_enough_for_a_last_applied_annotation(kind: crd.Kind) -> None:
    assert len(crd.rendered(kind).encode()) < crd.MAX_BYTES


def test_every_config_key_is_in_the_schema_with_its_description() -> None:
    config = crd.job_schema()["properties"]["spec"]["properties"]["config"]
    assert list(config["properties"]) == list(JobConfig.model_fields)
    rate = config["properties"]["training"]["properties"]["learning_rate"]
    assert rate["description"] == "Peak learning rate. Default: 2e-05."
    assert (rate["minimum"], rate["exclusiveMinimum"]) == (0, True)
    assert "default" not in rate


def test_a_string_without_a_maximum_is_refused() -> None:
    class Unbounded(BaseModel):
        text: str

    with pytest.raises(ValueError, match=r"Unbounded\.text: a string needs a max_length"):
        structural(Unbounded, defaults=False)


def test_null_lifts_the_progress_deadline_and_nothing_said_takes_the_default() -> None:
    spec = {"type": "SFT", "task": "a:B"}
    assert parse_spec(spec).progress_deadline_seconds == 1800
    assert parse_spec({**spec, "progressDeadlineSeconds": None}).progress_deadline_seconds is None


def test_no_default_lies_within_a_list_which_argo_cd_compares_whole() -> None:
    def within(schema: dict[str, Any], in_list: bool = False) -> Iterator[str]:
        if in_list and "default" in schema:
            yield str(schema)
        for part in schema.get("properties", {}).values():
            yield from within(part, in_list)
        if "items" in schema:
            yield from within(schema["items"], True)

    for kind in crd.KINDS:
        assert list(within(kind.schema())) == []


def test_a_job_that_no_controller_has_seen_is_not_observed() -> None:
    status = crd.job_schema()["properties"]["status"]
    assert status["default"] == {"observedGeneration": -1}
