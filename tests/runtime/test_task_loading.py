import sys
from pathlib import Path

import pytest

from tenyson.contract import JobType
from tenyson.errors import TaskLoadError
from tenyson.task import TaskPlugin, check_hooks, has_hook
from tenyson.task_loading import load_task

HOOKS = """
def get_sft_dataset(config, tokenizer):
    return "sft rows"
"""
CLASS = """
from tenyson.task import TaskPlugin
class Mine(TaskPlugin):
    def get_eval_dataset(self, config):
        return "eval rows"
"""


@pytest.fixture
def module(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest) -> str:
    """Name of an importable module that holds the source given by the test's parameter."""
    name = f"loaded_{abs(hash(request.node.name))}"
    (tmp_path / f"{name}.py").write_text(request.param, encoding="utf-8")
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.chdir(tmp_path)
    yield name  # type: ignore[misc]
    sys.modules.pop(name, None)


@pytest.mark.parametrize("module", [CLASS], indirect=True)
def test_a_class_loads_by_module_file_or_alone(module: str) -> None:
    for spec in (f"{module}:Mine", f"{module}.py:Mine", f"{module}.py", module):
        task = load_task(spec)

        assert task.get_eval_dataset({}) == "eval rows"


@pytest.mark.parametrize("module", [HOOKS], indirect=True)
def test_a_plain_module_of_functions_is_a_task(module: str) -> None:
    for spec in (module, f"{module}.py"):
        task = load_task(spec)

        assert task.get_sft_dataset({}, None) == "sft rows"
        assert has_hook(task, "get_sft_dataset")
        assert not has_hook(task, "get_rl_dataset")
        assert task.get_sft_eval_dataset({}, None) is None


@pytest.mark.parametrize("module", ["x = 1"], indirect=True)
def test_a_module_without_hooks_says_what_is_expected(module: str) -> None:
    with pytest.raises(TaskLoadError, match="expected hook functions or one TaskPlugin class"):
        load_task(module)


def test_an_unknown_module_is_named() -> None:
    with pytest.raises(TaskLoadError, match="No module named 'no_such_package'") as raised:
        load_task("no_such_package.task:Task")

    assert "module.path:ClassName" in raised.value.hint


@pytest.mark.parametrize(
    ("job_type", "missing"),
    [
        (JobType.SFT, "get_sft_dataset"),
        (JobType.RL, "get_rl_dataset, get_reward_funcs"),
        (JobType.EVAL, "get_eval_dataset, compute_metrics"),
    ],
)
def test_every_missing_hook_is_named(job_type: JobType, missing: str) -> None:
    with pytest.raises(TaskLoadError, match=f"lacks {missing}, needed"):
        check_hooks(TaskPlugin(), job_type)


def test_a_task_needs_no_base_class() -> None:
    class Plain:
        def get_sft_dataset(self, config: object, tokenizer: object) -> list[object]:
            return []

    check_hooks(Plain(), JobType.SFT)
