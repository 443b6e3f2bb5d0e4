"""How long a person waits for `clew --help`, beside an empty Python.

python benchmarks/startup.py [--rounds 20]
"""

from __future__ import annotations

import argparse
import statistics
import subprocess
import sys
import time

COMMANDS = {
    "python -c pass": [sys.executable, "-c", "pass"],
    "import clew": [sys.executable, "-c", "import clew"],
    "clew --help": [sys.executable, "-m", "clew.cli", "--help"],
    "clew runs --help": [sys.executable, "-m", "clew.cli", "runs", "--help"],
}


def seconds(command: list[str]) -> float:
    start = time.perf_counter()
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
    return time.perf_counter() - start


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=20)
    rounds = parser.parse_args().rounds
    times: dict[str, list[float]] = {name: [] for name in COMMANDS}
    for _ in range(rounds):
        for name, command in COMMANDS.items():
            times[name].append(seconds(command))
    for name, seen in times.items():
        print(f"{name:18} p50 {statistics.median(seen) * 1000:5.0f} ms   max {max(seen) * 1000:5.0f} ms")
