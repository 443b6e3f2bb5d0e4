"""How long retrieval by code chunk takes, and how often it finds the file that a question is about.

    python benchmarks/code_search.py [--files 3000] [--questions 10] [--depths 200]

Python files out of this interpreter's site-packages, without their docstrings, become one commit of a fresh git
repository. The first paragraph of a docstring that was taken out is a question; the file that it stood in is what
should be found: words of people about code that no longer holds them.

`cold`: the first question on an empty store, the model loaded. `same commit`: the next one. `next commit`: the first
question again after one file of a hundred was changed, in a workspace of its own. Floor: embedding every chunk of the
tree once, as the released code does; the time of 500 of them, scaled up. Recall is over all questions; `depth` 0 is
BM25 alone.
"""

from __future__ import annotations

import argparse
import ast
import asyncio
import random
import subprocess
import sysconfig
import tempfile
import time
import warnings
from pathlib import Path

from clew.graphs.agentless.code_chunks import chunks_of, document
from clew.graphs.agentless.code_search import CodeSearch
from clew.graphs.agentless.job import Job
from clew.graphs.agentless.repository import Workspace
from clew.retrieval import ChunkSettings, SentenceEmbedder

Questions = list[tuple[str, str]]
_DEFINITIONS = (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef, ast.Module)


def without_docstrings(source: str) -> tuple[str, list[str]]:
    """The source without docstrings, and the first paragraphs of those of functions that do not name them."""
    lines, paragraphs = source.split("\n"), []
    for node in ast.walk(ast.parse(source)):
        text = ast.get_docstring(node) if isinstance(node, _DEFINITIONS) else None
        if text is None or not isinstance(node, _DEFINITIONS):
            continue
        first, last = node.body[0].lineno - 1, node.body[0].end_lineno or 0
        stand_in = " " * node.body[0].col_offset + "pass" if len(node.body) == 1 else ""
        lines[first:last] = [stand_in, *[""] * (last - first - 1)]
        paragraph = " ".join(text.split("\n\n")[0].split())
        if isinstance(node, ast.FunctionDef) and 8 <= len(paragraph.split()) <= 80 and node.name not in paragraph:
            paragraphs.append(paragraph)
    return "\n".join(lines), paragraphs


def repository(files: int, questions: int, folder: Path) -> Questions:
    """Commits that many files, and returns questions with the paths that they are about."""
    chance, pure = random.Random(3), Path(sysconfig.get_path("purelib"))
    paths = sorted(path for path in pure.rglob("*.py") if "test" not in str(path.relative_to(pure)))
    chance.shuffle(paths)
    seen: set[str] = set()
    asked: Questions = []
    for path in paths:
        data = path.read_bytes()
        try:
            text, paragraphs = without_docstrings(data.decode())
        except (SyntaxError, ValueError):
            continue
        if not 1000 < len(text) < 60_000 or text in seen:
            continue
        seen.add(text)
        name = f"{path.parent.name}/{len(seen)}_{path.name}"
        (folder / name).parent.mkdir(exist_ok=True)
        (folder / name).write_text(text)
        if paragraphs and len(asked) < questions:
            asked.append((chance.choice(paragraphs), name))
        if len(seen) == files:
            break
    commit(folder)
    return asked


def commit(folder: Path) -> None:
    for command in (["init", "-q"], ["add", "-A"], ["commit", "-q", "-m", "files"]):
        subprocess.run(["git", "-C", folder, "-c", "user.name=b", "-c", "user.email=b@b", *command], check=True)


def job_of(source: Path, folder: Path) -> Job:
    """A job whose structure is read: that is another benchmark's."""
    job = Job(Workspace.make(source, "HEAD", folder), leave_out=lambda path: False)
    assert job.structure.outlines
    return job


def timed(search: CodeSearch, job: Job, query: str) -> tuple[float, list[str]]:
    begun = time.perf_counter()
    found = asyncio.run(search.rank(job, job.workspace.paths(), query))
    return time.perf_counter() - begun, found


def everything(job: Job, embedder: SentenceEmbedder) -> tuple[int, float]:
    """Number of chunks, and the seconds that it would take to embed all of them."""
    texts = []
    for path, data in job.workspace.contents(job.workspace.paths()):
        found = document(data, job.structure.outlines.get(path))
        for each in chunks_of(found, ChunkSettings(limit=embedder.max_tokens)) if found else ():
            texts.append(f"{each.heading}\n{found.text[each.start : each.end]}" if found else "")
    some = random.Random(1).sample(texts, min(500, len(texts)))
    begun = time.perf_counter()
    embedder.passages(some)
    return len(texts), (time.perf_counter() - begun) * len(texts) / len(some)


def recall(search: CodeSearch, job: Job, questions: Questions) -> str:
    places = []
    for query, path in questions:
        _, found = timed(search, job, query)
        places.append(found.index(path) + 1 if path in found else 10**9)
    shares = (sum(place <= most for place in places) / len(places) for most in (1, 3, 5))
    return "   ".join(f"@{most} {share:.3f}" for most, share in zip((1, 3, 5), shares, strict=True))


def main(files: int, count: int, depths: list[int]) -> None:
    warnings.simplefilter("ignore")
    embedder = SentenceEmbedder()
    embedder.query("loads the model")
    with tempfile.TemporaryDirectory() as place:
        here = Path(place)
        source = here / "source"
        source.mkdir()
        questions = repository(files, count, source)
        job, search = job_of(source, here / "one"), CodeSearch(here / "store", embedder)
        chunks, floor = everything(job, embedder)
        print(f"{len(job.structure.outlines)} files, {chunks} chunks, {len(questions)} questions", flush=True)
        times = {"every chunk once": floor, "cold": timed(search, job, questions[0][0])[0]}
        times["same commit"] = timed(search, job, questions[1][0])[0]
        for path in job.workspace.paths()[::100]:
            with (source / path).open("a") as file:
                file.write("\n\ndef changed(value):\n    return value\n")
        commit(source)
        times["next commit"] = timed(search, job_of(source, here / "two"), questions[0][0])[0]
        for name, seconds in times.items():
            print(f"{name:18} {seconds:8.2f} s   {seconds / floor:6.3f} x every chunk once", flush=True)
        for depth in depths:
            of_depth = CodeSearch(here / "store", embedder, depth=depth)
            print(f"recall, depth {depth:5}   {recall(of_depth, job, questions)}", flush=True)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--files", type=int, default=3000)
    parser.add_argument("--questions", type=int, default=10)
    parser.add_argument("--depths", type=int, nargs="+", default=[200])
    given = parser.parse_args()
    main(given.files, given.questions, given.depths)
