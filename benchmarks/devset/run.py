"""Recall of pages on a set of questions: BM25, the embedding model, plain fusion of both, and Clew's search.

    python benchmarks/devset/run.py QUESTIONS.jsonl DOCUMENTS --store FOLDER [--vectors FILE] [--misses]

Each line of QUESTIONS.jsonl has `kind`, `query` and `pages` (paths inside DOCUMENTS; finding any of them counts). All
four rankings see the same passages and the same vectors:

- BM25: lower-case words of heading line and text, k1 = 1.2, b = 0.75, a page ranks where its best passage ranks;
- dense: cosine of query and passage, likewise;
- RRF: the two lists of pages (100 each) fused by 1 / (60 + rank);
- Clew: `Corpus.find`.

`--vectors` keeps every embedded text in a file, so that a change of anything but texts and model is tried in seconds.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import math
import re
import sqlite3
from collections import Counter, defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from hashlib import blake2b
from pathlib import Path

import numpy as np

from clew.retrieval import Corpus, IndexProgress, SentenceEmbedder, index_folders

DEPTH = 100
CUTS = (1, 5, 10)


@dataclass(frozen=True)
class Question:
    kind: str
    query: str
    pages: tuple[str, ...]


class Bm25:
    """Textbook BM25 over passages."""

    def __init__(self, texts: Sequence[str], k1: float = 1.2, b: float = 0.75) -> None:
        counts = [Counter(_words(text)) for text in texts]
        lengths = np.array([sum(count.values()) for count in counts], dtype=np.float32)
        norm = k1 * (1 - b + b * lengths / lengths.mean())
        postings: dict[str, list[tuple[int, int]]] = defaultdict(list)
        for place, count in enumerate(counts):
            for word, times in count.items():
                postings[word].append((place, times))
        self.size = len(texts)
        self.postings: dict[str, tuple[np.ndarray, np.ndarray]] = {}
        for word, rows in postings.items():
            places, times = (np.array(column) for column in zip(*rows, strict=True))
            idf = math.log(1 + (self.size - len(rows) + 0.5) / (len(rows) + 0.5))
            self.postings[word] = places, idf * times * (k1 + 1) / (times + norm[places])

    def scores(self, query: str) -> np.ndarray:
        total = np.zeros(self.size, dtype=np.float32)
        for word in set(_words(query)) & self.postings.keys():
            places, weights = self.postings[word]
            total[places] += weights
        return total


def _words(text: str) -> list[str]:
    return re.findall(r"\w+", text.lower())


def pages_by_best(scores: np.ndarray, page_of: list[str], depth: int = DEPTH) -> list[str]:
    ranked: dict[str, None] = {}
    for place in np.argsort(-scores, kind="stable"):
        if scores[place] <= 0:
            break
        ranked.setdefault(page_of[place])
        if len(ranked) == depth:
            break
    return list(ranked)


def rrf(*rankings: list[str], k: int = 60) -> list[str]:
    scores: dict[str, float] = defaultdict(float)
    for ranking in rankings:
        for rank, page in enumerate(ranking, 1):
            scores[page] += 1 / (k + rank)
    return sorted(scores, key=lambda page: -scores[page])


def rankings(corpus: Corpus, questions: list[Question]) -> dict[str, list[list[str]]]:
    """For each method, the pages of every question, best first."""
    opened = corpus._opened
    rows = opened.contents.db.execute("SELECT id FROM passages WHERE pending = 0 ORDER BY id").fetchall()
    ids = [row[0] for row in rows]
    passages = [
        passage
        for start in range(0, len(ids), 500)
        for passage in opened.contents.passages(ids[start : start + 500]).values()
    ]
    page_of = [passage.source for passage in passages]
    vectors = opened.store.dense([passage.id for passage in passages])
    dense = np.stack([vectors[passage.id] for passage in passages])
    bm25 = Bm25([f"{passage.heading}\n{passage.text}" for passage in passages])
    found: dict[str, list[list[str]]] = defaultdict(list)
    for question in questions:
        by_words = pages_by_best(bm25.scores(question.query), page_of)
        by_meaning = pages_by_best(dense @ opened.embedder.query(question.query), page_of)
        found["BM25"].append(by_words)
        found[opened.embedder.name.removeprefix("all-").split("-")[0]].append(by_meaning)
        found["RRF"].append(rrf(by_words, by_meaning))
        found["Clew"].append(list(dict.fromkeys(hit.source for hit in corpus.find(question.query, 10))))
    return found


class Remembering:
    """An embedder that keeps the vectors of passages in a SQLite file."""

    def __init__(self, embedder: SentenceEmbedder, file: Path) -> None:
        self.embedder, self.name, self.size = embedder, embedder.name, embedder.size
        self.max_tokens, self.count, self.cut, self.query = (
            embedder.max_tokens,
            embedder.count,
            embedder.cut,
            embedder.query,
        )
        self.db = sqlite3.connect(file, isolation_level=None, check_same_thread=False)
        self.db.execute("CREATE TABLE IF NOT EXISTS vectors (text BLOB PRIMARY KEY, vector BLOB) WITHOUT ROWID")

    def passages(self, texts: Sequence[str], done: Callable[[int], None] | None = None) -> np.ndarray:
        keys = [blake2b(f"{self.name}\n{text}".encode(), digest_size=16).digest() for text in texts]
        known = {key: self.db.execute("SELECT vector FROM vectors WHERE text = ?", (key,)).fetchone() for key in keys}
        new = [place for place, key in enumerate(keys) if known[key] is None]
        for place, vector in zip(new, self.embedder.passages([texts[place] for place in new], done), strict=True):
            known[keys[place]] = (vector.tobytes(),)
        self.db.execute("BEGIN")
        self.db.executemany("INSERT OR REPLACE INTO vectors VALUES (?, ?)", [(keys[p], known[keys[p]][0]) for p in new])
        self.db.execute("COMMIT")
        return np.stack([np.frombuffer(known[key][0], dtype=np.float32) for key in keys])


def table(questions: list[Question], found: dict[str, list[list[str]]]) -> str:
    kinds = [*dict.fromkeys(question.kind for question in questions), "all"]
    lines = ["| | " + " | ".join(f"{kind} ({_count(questions, kind)})" for kind in kinds) + " |"]
    lines.append("|---" * (len(kinds) + 1) + "|")
    for method, ranked in found.items():
        cells = []
        for kind in kinds:
            rows = [
                (set(question.pages), pages)
                for question, pages in zip(questions, ranked, strict=True)
                if kind in (question.kind, "all")
            ]
            hits = [sum(bool(gold & set(pages[:cut])) for gold, pages in rows) / len(rows) for cut in CUTS]
            cells.append(" / ".join(f"{share:.3f}".lstrip("0") if share < 1 else "1.00" for share in hits))
        lines.append(f"| {method} | " + " | ".join(cells) + " |")
    return "\n".join(lines)


def _count(questions: list[Question], kind: str) -> int:
    return sum(kind in (question.kind, "all") for question in questions)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("questions", type=Path)
    parser.add_argument("documents", type=Path)
    parser.add_argument("--store", type=Path, required=True)
    parser.add_argument("--vectors", type=Path, help="a file that keeps embedded texts")
    parser.add_argument("--misses", action="store_true", help="list questions whose page is not among the first five")
    given = parser.parse_args()

    def progress(at: IndexProgress) -> None:
        print(f"\r{at.files}/{at.files_total} files, {at.passages} passages, {at.seconds:.0f} s", end="", flush=True)

    model = SentenceEmbedder()
    embedder = Remembering(model, given.vectors) if given.vectors else model
    report = asyncio.run(index_folders([given.documents], given.store, embedder=embedder, progress=progress))
    print(f"\n{report.pages} pages, {report.passages} passages")
    rows = [json.loads(line) for line in given.questions.read_text().splitlines()]
    questions = [Question(row["kind"], row["query"], tuple(row["pages"])) for row in rows]
    with Corpus.open(given.store, embedder=embedder) as corpus:
        found = rankings(corpus, questions)
    print("Recall of pages at 1 / 5 / 10\n")
    print(table(questions, found))
    if given.misses:
        for question, pages in zip(questions, found["Clew"], strict=True):
            if not set(question.pages) & set(pages[:5]):
                print(f"{question.kind}: {question.query} -> {question.pages}, found {pages[:5]}")


if __name__ == "__main__":
    main()
