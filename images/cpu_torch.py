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
SYSTEM_VERSIONS = re.compile(r"^(GLIBC|GLIBCXX|CXXABI|GCC|GOMP|OMP|VERSION)")


def main(site: Path) -> None:
    """Writes a stub beside torch's libraries for each that they need and that is missing."""
    folder = site / "torch" / "lib"
    # Loaded only when a GPU is used.
    for name in ("libtorch_cuda_linalg.so", "libtorch_nvshmem.so"):
        (folder / name).unlink(missing_ok=True)
    libraries = [*folder.glob("*.so*"), *(site / "torch").glob("_C*.so")]
    there = {path.name for path in [*libraries, *site.glob("nvidia/**/*.so*")]}
    missing = sorted(set().union(*map(needed, libraries)) - there - system_libraries())
    wanted = unresolved(libraries)
    for soname in missing:
        make_stub(folder / soname, wanted.pop(soname, set()))
    sys.stdout.write(f"cpu_torch: stubs for {', '.join(missing)}\n")
    if wanted:
        sys.exit(f"cpu_torch: no stub provides {dict(wanted)}")


def needed(library: Path) -> set[str]:
    """The libraries that the dynamic loader fetches with this one."""
    return set(re.findall(r"\(NEEDED\).*\[(.*)\]", said("readelf", "-dW", library)))


def system_libraries() -> set[str]:
    """The libraries that the system has."""
    return set(re.findall(r"^\s+(\S+) \(", said("ldconfig", "-p"), re.MULTILINE))


def unresolved(libraries: list[Path]) -> dict[str, set[str]]:
    """The functions that come from outside torch and the system, by the library they belong to."""
    wanted: dict[str, set[str]] = defaultdict(set)
    for library in libraries:
        for symbol in said(
            "nm", "-D", "--undefined-only", "--format=just-symbols", library
        ).split():
            name, _, version = symbol.partition("@")
            if version and not SYSTEM_VERSIONS.match(version):
                wanted[version.lstrip("@")].add(name)
    return wanted


def make_stub(path: Path, functions: set[str]) -> None:
    """Compiles a library of functions that answer NO_DEVICE."""
    with tempfile.TemporaryDirectory() as scratch:
        source, versions = Path(scratch, "stub.c"), Path(scratch, "versions")
        body = "".join(
            f"int {name}(void) {{ return {NO_DEVICE}; }}\n" for name in sorted(functions)
        )
        source.write_text(body)
        versions.write_text(f"{path.name} {{ global: *; }};\n")
        flags = ("-shared", "-fPIC", "-nostdlib", "-s", f"-Wl,-soname,{path.name}")
        said("gcc", *flags, f"-Wl,--version-script,{versions}", "-w", "-o", path, source)


def said(*command: str | Path) -> str:
    """What the command prints."""
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout


if __name__ == "__main__":
    main(Path(sys.argv[1]))
