"""Seconds that `python -m tenyson.runner --help` takes. The bar is 0.3.

python benchmarks/runner_help.py [--runs 11]
"""

import argparse
import statistics
import subprocess
import sys
import time


def seconds_of_help() -> float:
    started = time.perf_counter()
    subprocess.run(
        [sys.executable, "-m", "tenyson.runner", "--help"], check=True, stdout=subprocess.DEVNULL
    )
    return time.perf_counter() - started


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--runs", type=int, default=11)
    runs = sorted(seconds_of_help() for _ in range(parser.parse_args().runs))
    print(f"--help: median {statistics.median(runs):.3f} s, worst {runs[-1]:.3f} s of {len(runs)}")


if __name__ == "__main__":
    main()
