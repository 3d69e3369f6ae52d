"""The Dockerfiles keep their promises, without building them."""

import re
import subprocess
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest

from hack.images.bases import dockerfile_arguments
from hack.images.builders import Builder
from hack.images.errors import ImageError
from hack.images.plan import IMAGES, SOURCES, find_image, plan_build, sources_hash
from hack.images.secrets import build_secrets
from hack.release import project_version

ROOT = Path(__file__).parents[2]
DOCKERFILES = sorted((ROOT / "images").glob("*/Dockerfile"))
SCRIPTS = [*sorted((ROOT / "images").glob("*.sh")), ROOT / "hack/images/debian-base"]
COMMIT = {"version": "1.2.3", "revision": "abc", "committed_at": 1_700_000_000}


def instructions(dockerfile: Path) -> Iterator[tuple[str, str]]:
    """Each instruction and what follows it, continued lines joined."""
    text = re.sub(r"^\s*#.*\n", "", dockerfile.read_text(), flags=re.M).replace("\\\n", " ")
    for line in filter(str.strip, text.splitlines()):
        word, _, rest = line.strip().partition(" ")
        yield word, rest.strip()


def last_stage(dockerfile: Path) -> list[tuple[str, str]]:
    found = list(instructions(dockerfile))
    start = max(index for index, (word, _) in enumerate(found) if word == "FROM")
    return found[start:]


def values_of(word: str, dockerfile: Path) -> list[str]:
    return [rest for found, rest in last_stage(dockerfile) if found == word]


def test_both_images_have_a_dockerfile() -> None:
    assert [path.parent.name for path in DOCKERFILES] == ["controller", "runner"]
    assert {ROOT / image.dockerfile for image in IMAGES.values()} == set(DOCKERFILES)


@pytest.mark.parametrize("dockerfile", DOCKERFILES, ids=lambda path: path.parent.name)
class TestADockerfile:
    def test_runs_as_the_user_that_pods_ask_for(self, dockerfile: Path) -> None:
        assert values_of("USER", dockerfile)[-1] == "65532:65532"

    def test_starts_its_program_without_a_shell(self, dockerfile: Path) -> None:
        [entry] = values_of("ENTRYPOINT", dockerfile)
        program = f"tenyson.{dockerfile.parent.name}"
        assert entry == f'["/opt/tenyson/venv/bin/python", "-m", "{program}"]'

    def test_pins_every_image_that_it_starts_from(self, dockerfile: Path) -> None:
        defaults = dockerfile_arguments(dockerfile)
        for name in ("BASE_IMAGE", "UV_IMAGE"):
            assert re.search(r":\d+\.\d+", defaults[name]), defaults[name]
        stages = {rest.partition(" AS ")[2] for word, rest in instructions(dockerfile)}
        for word, rest in instructions(dockerfile):
            if word == "FROM":
                source = rest.split()[0]
                assert source in stages or re.fullmatch(r"\$\{(BASE|UV)_IMAGE\}", source)

    def test_uses_the_uv_that_make_install_uses(self, dockerfile: Path) -> None:
        [version] = re.findall(r"^UV_VERSION=(.+)$", (ROOT / "hack/install").read_text(), re.M)
        assert dockerfile_arguments(dockerfile)["UV_IMAGE"].endswith(f":{version}")

    def test_adds_the_code_last(self, dockerfile: Path) -> None:
        layers = [rest for word, rest in last_stage(dockerfile) if word in ("COPY", "ADD", "RUN")]
        assert layers[-1] == "--from=code /opt/tenyson/app /opt/tenyson/app"
        assert not [layer for layer in layers[:-1] if "app" in layer]

    def test_says_what_it_was_made_of(self, dockerfile: Path) -> None:
        [labels] = values_of("LABEL", dockerfile)
        for name in ("version", "revision", "source", "created"):
            assert f"org.opencontainers.image.{name}=" in labels

    def test_leaves_health_to_kubernetes(self, dockerfile: Path) -> None:
        assert not [word for word, _ in instructions(dockerfile) if word == "HEALTHCHECK"]

    def test_copies_only_what_the_context_has(self, dockerfile: Path) -> None:
        for word, rest in instructions(dockerfile):
            if word == "COPY" and "--from=" not in rest:
                for source in rest.split()[:-1]:
                    assert (ROOT / source).exists(), source
                    assert source.split("/")[0] in SOURCES


def test_no_build_file_names_a_package_index_or_a_proxy() -> None:
    known = {"github.com"}
    for path in [*DOCKERFILES, *SCRIPTS, *sorted((ROOT / "images").glob("*.py"))]:
        hosts = set(re.findall(r"https?://([^/\"'\s]+)", path.read_text()))
        assert hosts <= known, path
        assert not re.search(r"index-url|extra-index|_PROXY", path.read_text()), path


def test_the_context_lets_in_all_that_the_images_are_made_of_and_nothing_else() -> None:
    lines = (ROOT / ".dockerignore").read_text().splitlines()
    let_in = {line[1:].split("/")[0] for line in lines if line.startswith("!")}
    assert "*" in lines
    assert let_in == set(SOURCES)


@pytest.mark.parametrize("script", SCRIPTS, ids=lambda path: path.name)
def test_a_build_script_is_valid_and_stops_at_its_first_error(script: Path) -> None:
    assert "\nset -eu\n" in script.read_text()
    subprocess.run(["sh", "-n", script], check=True)


def test_the_version_comes_from_pyproject_alone() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    assert project_version() == project["version"]
    assert not [path for path in DOCKERFILES if project["version"] in path.read_text()]


def test_a_build_is_named_after_prefix_version_and_variant() -> None:
    given = {"IMAGE_PREFIX": "registry.example/team/"}
    cpu = plan_build(find_image("runner-cpu"), given=given, **COMMIT)  # type: ignore[arg-type]
    assert cpu.reference == "registry.example/team/tenyson-runner:1.2.3-cpu"
    assert cpu.arguments["ACCELERATOR"] == "cpu"
    local = plan_build(find_image("controller"), given={}, **COMMIT)  # type: ignore[arg-type]
    assert local.reference == "localhost/tenyson-controller:1.2.3"


def test_one_commit_gives_one_set_of_labels() -> None:
    build = plan_build(find_image("controller"), given={"EXTRAS": "vllm"}, **COMMIT)  # type: ignore[arg-type]
    assert dict(build.arguments) == {
        "VERSION": "1.2.3",
        "REVISION": "abc",
        "CREATED": "2023-11-14T22:13:20Z",
    }


def test_an_unknown_image_is_refused_with_the_ones_there_are() -> None:
    with pytest.raises(ImageError, match="'runer'; there are controller, runner, runner-cpu"):
        find_image("runer")


def test_the_archives_name_changes_with_a_source_and_with_an_argument(tmp_path: Path) -> None:
    (tmp_path / "runtime").mkdir()
    (tmp_path / "runtime" / "a.py").write_text("1")
    before = sources_hash({"A": "1"}, tmp_path)
    assert sources_hash({"A": "1"}, tmp_path) == before
    assert sources_hash({"A": "2"}, tmp_path) != before
    (tmp_path / "runtime" / "a.py").write_text("2")
    assert sources_hash({"A": "1"}, tmp_path) != before


def test_a_machines_index_reaches_the_build_only_as_a_secret(tmp_path: Path) -> None:
    authority = tmp_path / "ca.crt"
    authority.write_text("certificate")
    environment = {
        "UV_DEFAULT_INDEX": "https://user:word@index.example/simple",
        "SSL_CERT_FILE": str(authority),
        "XDG_CONFIG_HOME": str(tmp_path),
    }
    build = plan_build(find_image("controller"), given={}, **COMMIT)  # type: ignore[arg-type]
    with build_secrets(environment) as secrets:
        assert secrets["index"].read_text() == environment["UV_DEFAULT_INDEX"]
        assert secrets["ca.crt"] == authority
        for builder in map(Builder, ("docker", "podman", "buildah")):
            command = builder.build_command(build, secrets)
            assert f"--secret=id=index,src={secrets['index']}" in command
            assert not [argument for argument in command if "index.example" in argument]
    assert not secrets["index"].exists()


def test_every_secret_is_mounted_by_every_install_step() -> None:
    for dockerfile in DOCKERFILES:
        [install] = [
            rest for word, rest in instructions(dockerfile) if "dependencies.sh &&" in rest
        ]
        for name in ("index", "uv.toml", "ca.crt"):
            assert f"--mount=type=secret,id={name},target=/run/secrets/tenyson/{name}" in install
