"""transformers' own callback for Kubeflow Trainer reports to the operator, as it is."""

from pathlib import Path
from typing import Any

import pytest

from tenyson.contract import PROGRESS_AUDIENCE
from tenyson.controller import names
from tests.controller.api import Namespace, eventually
from tests.tiny_model import make_tiny_model

pytestmark = [pytest.mark.cluster, pytest.mark.train, pytest.mark.usefixtures("operator")]


def test_a_trainers_own_callback_reports_progress(
    ns: Namespace, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from datasets import Dataset
    from transformers import TrainerCallback
    from transformers.integrations import KubeflowCallback
    from trl import SFTConfig, SFTTrainer

    ns.create("j")
    token = ns.token(ns.run_pod("j-a0"), PROGRESS_AUDIENCE)
    ns.phase("j", "Running")
    template = ns.child("j-a0")["spec"]["template"]
    authority = template["metadata"]["annotations"][names.ANNOTATION_PROGRESS_CA]
    env = {v["name"]: v.get("value") for v in template["spec"]["containers"][0]["env"]}
    (tmp_path / "token").write_text(token, encoding="utf-8")
    (tmp_path / "ca.crt").write_text(authority, encoding="utf-8")
    monkeypatch.setenv("KUBEFLOW_TRAINER_SERVER_URL", str(env["TENYSON_PROGRESS_URL"]))
    monkeypatch.setenv("KUBEFLOW_TRAINER_SERVER_CA_CERT", str(tmp_path / "ca.crt"))
    monkeypatch.setenv("KUBEFLOW_TRAINER_SERVER_TOKEN", str(tmp_path / "token"))
    monkeypatch.setattr(KubeflowCallback, "_MIN_UPDATE_INTERVAL", 0.0)  # the test's steps are short
    seen: dict[str, Any] = {}

    class WaitInStep(TrainerCallback):  # type: ignore[misc]
        """Is called after the reporting callbacks."""

        def on_step_end(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
            if state.global_step == 2:
                seen["middle"] = eventually(lambda: _progress(ns, step=2))

    trainer = SFTTrainer(
        model=str(make_tiny_model(tmp_path / "model")),
        args=SFTConfig(
            str(tmp_path / "out"), report_to="kubeflow", max_steps=4, use_cpu=True,
            save_strategy="no", logging_steps=1, disable_tqdm=True,
        ),
        train_dataset=Dataset.from_list([{"prompt": "1+1=", "completion": "2"}] * 32),
        callbacks=[WaitInStep()],
    )  # fmt: skip
    trainer.train()

    middle = seen["middle"]
    assert (middle["step"], middle["totalSteps"], middle["percent"]) == (2, 4, 50)
    assert "loss" in middle["metrics"]
    assert "current_step" not in middle["metrics"]
    assert eventually(lambda: _progress(ns, percent=100))


def _progress(ns: Namespace, **wanted: Any) -> dict[str, Any] | None:
    progress: dict[str, Any] = ns.status("j").get("progress") or {}
    return progress if all(progress.get(n) == v for n, v in wanted.items()) else None
