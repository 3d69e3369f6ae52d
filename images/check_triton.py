"""Fails the build unless Triton gets its C module without a compiler, and the module loads.

There is no GPU's driver here: a library of its name and functions stands for it.
"""

import os
import subprocess
import sys
from pathlib import Path
from tempfile import TemporaryDirectory

LOADING = """
import sys
from pathlib import Path
from triton.runtime.build import compile_module_from_src
module = compile_module_from_src(Path(sys.argv[1]).read_text(), "cuda_utils")
assert module.PyKernelArg
"""


def main(source: Path, module: Path) -> None:
    """Makes the driver's double and lets Triton load the module."""
    with TemporaryDirectory() as scratch:
        make_driver(Path(scratch), module)
        environment = {
            "CC": os.environ["CC"],
            "LD_LIBRARY_PATH": scratch,
            "PATH": "/usr/bin:/bin",
            "TRITON_HOME": scratch,
        }
        subprocess.run([sys.executable, "-c", LOADING, source], env=environment, check=True)
    sys.stdout.write("check_triton: Triton gets its C module without a compiler\n")


def make_driver(folder: Path, module: Path) -> None:
    """Compiles a libcuda.so.1 with the functions that the module asks for."""
    listing = ("nm", "-D", "--undefined-only", "--format=just-symbols", module)
    names = subprocess.run(listing, capture_output=True, text=True, check=True).stdout.split()
    wanted = [name for name in names if name.startswith("cu")]
    code = "".join(f"int {name}(void) {{ return 100; }}\n" for name in wanted)
    (folder / "cuda.c").write_text(code)
    flags = ("-w", "-shared", "-fPIC", "-Wl,-soname,libcuda.so.1")
    subprocess.run(["gcc", *flags, folder / "cuda.c", "-o", folder / "libcuda.so.1"], check=True)


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
