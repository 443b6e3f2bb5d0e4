"""Outlines and skeletons of many files, beside plain `ast` parsing of the same files.

    python benchmarks/structure.py [--files 3000] [--rounds 3]

Python files out of this interpreter's site-packages become one commit of a fresh git repository. Floor: `ast.parse` of
each, in one thread, which gives no outline, no skeleton and nothing for a file with a syntax error. `cold`: an empty
cache. `warm`: another workspace of the same commit with the cache of the one before, with every skeleton unpacked.
"""

from __future__ import annotations

import argparse
import ast
import shutil
import statistics
import subprocess
import sysconfig
import tempfile
import time
import warnings
from collections.abc import Callable
from functools import partial
from pathlib import Path

from clew.graphs.agentless.repository import Workspace
from clew.graphs.agentless.structure import MAX_SOURCE, Structure, read_structure


def keep(path: str) -> bool:
    """The rule of this benchmark: no file is a test."""
    return False


def repository(files: int, folder: Path) -> list[bytes]:
    """Commits that many different files of site-packages, and returns their contents."""
    contents: dict[bytes, str] = {}
    for path in sorted(Path(sysconfig.get_path("purelib")).rglob("*.py")):
        data = path.read_bytes()
        if 200 < len(data) < MAX_SOURCE and b"\0" not in data and data not in contents:
            contents[data] = f"{path.parent.name}/{len(contents)}_{path.name}"
        if len(contents) == files:
            break
    for data, name in contents.items():
        (folder / name).parent.mkdir(exist_ok=True)
        (folder / name).write_bytes(data)
    for command in (["init", "-q"], ["add", "-A"], ["commit", "-q", "-m", "files"]):
        subprocess.run(["git", "-C", folder, "-c", "user.name=b", "-c", "user.email=b@b", *command], check=True)
    return list(contents)


def parsed(sources: list[bytes]) -> None:
    for source in sources:
        try:
            ast.parse(source)
        except (SyntaxError, ValueError):
            continue


def seconds(perform: Callable[[], object]) -> float:
    begun = time.perf_counter()
    perform()
    return time.perf_counter() - begun


def everything(workspace: Path, cache: Path) -> Structure:
    structure = read_structure(Workspace.open(workspace), cache, keep)
    for path in structure.outlines:
        structure.skeleton(path)
    return structure


def main(files: int, rounds: int) -> None:
    warnings.simplefilter("ignore")
    times: dict[str, list[float]] = {"ast.parse": [], "workspace": [], "cold": [], "warm": []}
    with tempfile.TemporaryDirectory() as place:
        here = Path(place)
        source, cache = here / "source", here / "cache"
        source.mkdir()
        sources = repository(files, source)
        for number in range(rounds):
            shutil.rmtree(cache, ignore_errors=True)
            first, second = here / f"{number}-first", here / f"{number}-second"
            times["ast.parse"].append(seconds(partial(parsed, sources)))
            times["workspace"].append(seconds(partial(Workspace.make, source, "HEAD", first)))
            times["cold"].append(seconds(partial(everything, first, cache)))
            Workspace.make(source, "HEAD", second)
            times["warm"].append(seconds(partial(everything, second, cache)))
        structure = everything(second, cache)
    symbols = sum(len(outline.symbols) for outline in structure.outlines.values())
    print(f"{len(sources)} files, {sum(map(len, sources)) / 1e6:.1f} MB, {symbols} symbols, {rounds} rounds")
    floor = statistics.median(times["ast.parse"])
    for name, each in times.items():
        median = statistics.median(each)
        print(f"{name:10} median {median:7.2f} s   best {min(each):7.2f} s   {median / floor:5.2f} x ast.parse")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--files", type=int, default=3000)
    parser.add_argument("--rounds", type=int, default=3)
    given = parser.parse_args()
    main(given.files, given.rounds)
