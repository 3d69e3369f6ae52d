"""What a laptop imports needs no training library."""

import subprocess
import sys

BLOCKED = """
import sys

class Blocked:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in ("torch", "transformers", "trl", "peft", "datasets", "vllm"):
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)

sys.meta_path.insert(0, Blocked())
"""

IMPORTS = """
import tenyson.runner, tenyson.config, tenyson.task, tenyson.progress, tenyson.manifest
from tenyson.jobs.sft import SFTJob
from tenyson.jobs.rl import RLJob
from tenyson.jobs.eval import EvalJob
"""

RUN = """
from tenyson.errors import DependencyError
class Task:
    def get_sft_dataset(self, config, tokenizer): return []
try:
    SFTJob(config={"model": {"name": "x"}}, task=Task(), output_dir=sys.argv[1]).run()
except DependencyError as error:
    print(error)
"""


def run(code: str, *arguments: str) -> str:
    done = subprocess.run(
        [sys.executable, "-c", code, *arguments], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_the_jobs_import_without_torch_and_say_what_to_install(tmp_path: object) -> None:
    said = run(BLOCKED + IMPORTS + RUN, str(tmp_path))

    assert said.startswith("SFT needs ")
    assert "Install tenyson[train]" in said


def test_help_loads_no_more_than_it_prints() -> None:
    code = (
        "import sys\nfrom tenyson import runner\nrunner.main(['--help'])\n"
        "heavy = {'torch', 'pydantic', 'yaml', 'sqlalchemy', 'trl'} & set(sys.modules)\n"
        "assert not heavy, heavy"
    )

    assert "--task-module" in run(code)
