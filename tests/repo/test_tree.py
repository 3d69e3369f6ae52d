"""The tree keeps its promises: namespace roots, boundaries, light imports, generated files."""

import re
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).parents[2]
HEAVY = ("torch", "transformers", "trl", "peft", "vllm", "datasets")
LIGHT = (
    "tenyson.contract",
    "tenyson.config",
    "tenyson.task",
    "tenyson.jobs.result",
    "tenyson.jobs.sft",
    "tenyson.jobs.rl",
    "tenyson.jobs.eval",
    "tenyson.runner",
    "tenyson.telemetry",
    "tenyson.datasets",
    "tenyson.reporting",
    "tenyson.controller.handlers",
    "tenyson.examples.wordle.wordle_task",
    "tenyson.examples.high_card_duel.high_card_duel_task",
)


def test_the_three_roots_share_one_namespace() -> None:
    for root in ("runtime", "operator", "tasks"):
        assert not (ROOT / root / "__init__.py").exists()
        assert not (ROOT / root / "tenyson" / "__init__.py").exists()
    import tenyson

    assert getattr(tenyson, "__file__", None) is None


def test_pythons_own_operator_module_is_the_one_imported() -> None:
    code = "import operator; assert operator.add(1, 2) == 3"
    subprocess.run([sys.executable, "-c", code], cwd=ROOT, check=True)


@pytest.mark.parametrize("module", LIGHT)
def test_a_light_module_imports_without_the_training_libraries(module: str) -> None:
    block = "".join(f"sys.modules[{name!r}] = None\n" for name in HEAVY)
    code = f"import sys\n{block}import importlib\nimportlib.import_module({module!r})"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


def test_every_layer_imports_only_those_below_it() -> None:
    linter = Path(sys.executable).parent / "lint-imports"
    done = subprocess.run([linter, "--no-cache"], cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout


def test_the_crd_is_the_one_that_the_models_generate() -> None:
    check = [sys.executable, "-m", "tenyson.controller.crd", "--check"]
    done = subprocess.run(check, cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr


def test_the_lock_names_no_package_index() -> None:
    hosts = set(re.findall(r"https?://([^/\"]+)", (ROOT / "uv.lock").read_text()))
    assert hosts == {"index.invalid"}


def test_the_experiments_jobs_carry_the_examples_own_configurations() -> None:
    wordle = ROOT / "tasks/tenyson/examples/wordle"
    jobs = {
        job["metadata"]["name"]: job["spec"]
        for job in yaml.safe_load_all((wordle / "experiment.yaml").read_text())
        if job["kind"] == "TenysonJob"
    }
    for name, spec in jobs.items():
        kind = spec["type"].lower()
        config = yaml.safe_load((wordle / f"configs/{kind}_config.yaml").read_text())
        assert spec["config"] == config, name


def test_every_make_target_has_a_line_of_help() -> None:
    makefile = (ROOT / "Makefile").read_text()
    phony = re.search(r"^\.PHONY: (.*)$", makefile, re.MULTILINE)
    assert phony is not None
    shown = subprocess.run(["make", "help"], cwd=ROOT, capture_output=True, text=True, check=True)
    for target in phony[1].split():
        assert re.search(rf"^  {target} +\S", shown.stdout, re.MULTILINE), target
