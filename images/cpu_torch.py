"""Makes PyPI's torch, which is built for CUDA, load on a machine without CUDA's libraries.

torch is linked against 3 GB of them and does not load without. Each that is missing gets a stub of
the same name, versions and functions; every function answers 100, CUDA's "no device is detected".
A CPU image is 3.5 GB smaller for it. Needs gcc and binutils; images/runner/Dockerfile runs it.
"""

import re
import subprocess
import sys
import tempfile
from collections import defaultdict
from pathlib import Path

NO_DEVICE = 100
UNVERSIONED = ("cu", "nccl", "nvshmem")
"""How the names begin of functions whose libraries have no versions."""
VERSIONS = {"libnvshmem_host.so.3": "NVSHMEM"}
"""The versions that are not called as their library is."""
DRIVER = "libcuda.so.1"
"""What asks for it is only loaded when a GPU is used."""


def main(site: Path) -> None:
    """Writes a stub beside torch's libraries for each that they need and that is missing."""
    folder = site / "torch" / "lib"
    # Loaded only when a GPU is used.
    (folder / "libtorch_cuda_linalg.so").unlink(missing_ok=True)
    libraries = [*folder.glob("*.so*"), *(site / "torch").glob("_C*.so")]
    there = {path.name for path in [*libraries, *site.glob("nvidia/**/*.so*")]}
    missing = set().union(*map(needed, libraries)) - there - system_libraries() - {DRIVER}
    wanted = unresolved(libraries)
    # Any stub may give what has no version, as long as one does.
    spare = {name for name in wanted[""] if name.startswith(UNVERSIONED)}
    for soname in sorted(missing):
        version = VERSIONS.get(soname, soname)
        make_stub(folder / soname, wanted[version] | spare, version)
        spare = set()
    sys.stdout.write(f"cpu_torch: stubs for {', '.join(sorted(missing))}\n")


def needed(library: Path) -> set[str]:
    """The libraries that the dynamic loader fetches with this one."""
    return set(re.findall(r"\(NEEDED\).*\[(.*)\]", said("readelf", "-dW", library)))


def system_libraries() -> set[str]:
    """The libraries that the system has."""
    return set(re.findall(r"^\s+(\S+) \(", said("ldconfig", "-p"), re.MULTILINE))


def unresolved(libraries: list[Path]) -> dict[str, set[str]]:
    """The functions that none of the libraries has, by the version that they are asked for in."""
    wanted: dict[str, set[str]] = defaultdict(set)
    defined = {symbol for library in libraries for symbol in symbols(library, "--defined-only")}
    for library in libraries:
        for symbol in symbols(library, "--undefined-only") - defined:
            name, _, version = symbol.partition("@")
            wanted[version].add(name)
    return wanted


def symbols(library: Path, which: str) -> set[str]:
    """The dynamic symbols, weak ones left out, as `name` or `name@version`."""
    lines = said("nm", "-D", which, library).splitlines()
    found = (line.split() for line in lines)
    return {
        words[-1].replace("@@", "@") for words in found if len(words) > 1 and words[-2] not in "wv"
    }


def make_stub(path: Path, functions: set[str], version: str) -> None:
    """Compiles a library of functions that answer NO_DEVICE."""
    with tempfile.TemporaryDirectory() as scratch:
        source, versions = Path(scratch, "stub.c"), Path(scratch, "versions")
        body = "".join(
            f"int {name}(void) {{ return {NO_DEVICE}; }}\n" for name in sorted(functions)
        )
        source.write_text(body)
        versions.write_text(f"{version} {{ global: *; }};\n")
        flags = ("-shared", "-fPIC", "-nostdlib", "-s", f"-Wl,-soname,{path.name}")
        said("gcc", *flags, f"-Wl,--version-script,{versions}", "-w", "-o", path, source)


def said(*command: str | Path) -> str:
    """What the command prints."""
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout


if __name__ == "__main__":
    main(Path(sys.argv[1]))
