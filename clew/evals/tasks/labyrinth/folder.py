"""A world as a folder: documents, tasks with gold, and a page that says what made them."""

from __future__ import annotations

import json
import shutil
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from clew.errors import ConfigError
from clew.evals.tasks.items import Item, write_items
from clew.evals.tasks.labyrinth.articles import documents
from clew.evals.tasks.labyrinth.asking import HOPS, Asker
from clew.evals.tasks.labyrinth.making import world

DOCUMENTS, TASKS, ABOUT = "documents", "tasks.jsonl", "labyrinth.json"
FORMAT = 1
EVERY = 1_000

Progress = Callable[[str, int, int], None]


@dataclass(frozen=True)
class Report:
    """What a made folder holds. `dropped`: drafts of questions thrown away, and questions that could not be made, by
    reason. `best_constant`: the share of answerable questions that the most frequent answer gets right, per type and
    for `all`."""

    format: int
    version: str
    command: str
    seed: int
    split: str
    hops: tuple[int, int]
    entities: int
    documents: int
    facts: int
    withheld: int
    questions: int
    asked: int
    types: dict[str, int]
    by_hops: dict[str, int]
    dropped: dict[str, int]
    best_constant: dict[str, float]


def make(
    folder: str | Path,
    *,
    seed: int,
    entities: int,
    questions: int,
    split: str = "test",
    hops: tuple[int, int] = HOPS,
    force: bool = False,
    progress: Progress | None = None,
) -> Report:
    """Writes the world of (`seed`, `split`) and questions about it into `folder`, the same bytes for the same
    arguments: `documents/*.md`, `tasks.jsonl` and, last, `labyrinth.json`, without which a folder is unfinished.

    `seed`: 0 to 9,999. `entities`: 50 to 100,000. `hops`: the fewest and most links, within 1 to 5. `force` replaces
    what `folder` held of an earlier world. `progress` is called with (what, done, of how many). Raises `ConfigError`
    for arguments out of range, and for a folder that is not empty.
    """
    from clew import __version__

    folder = Path(folder)
    made = world(seed, entities, split)
    asker = Asker(made, questions, hops)
    _clear(folder, force)
    (folder / DOCUMENTS).mkdir(parents=True)
    number = 0
    for number, (name, text) in enumerate(documents(made), 1):
        (folder / DOCUMENTS / name).write_text(text, encoding="utf-8", newline="\n")
        if progress and number % EVERY == 0:
            progress("documents", number, entities)
    items = asker.items(progress)
    write_items(folder / TASKS, items)
    report = Report(
        format=FORMAT, version=__version__, command=_command(seed, entities, questions, split, hops), seed=seed,
        split=split, hops=hops, entities=entities, documents=number, facts=len(made.facts),
        withheld=len(made.withheld), questions=len(items), asked=questions,
        types=_sorted(Counter(item.type for item in items)), by_hops=_sorted(Counter(str(item.hops) for item in items)),
        dropped=_sorted(asker.dropped), best_constant=best_constant(items),
    )  # fmt: skip
    unfinished = folder / (ABOUT + ".part")
    unfinished.write_text(json.dumps(asdict(report), indent=2) + "\n", encoding="utf-8")
    unfinished.replace(folder / ABOUT)
    return report


def best_constant(items: Sequence[Item]) -> dict[str, float]:
    """Type: the share of its answerable questions that one constant answer gets right; `all` for all types."""
    groups: dict[str, list[Item]] = {"all": []}
    for item in items:
        if item.gold.answers:
            groups["all"].append(item)
            groups.setdefault(item.type, []).append(item)
    return {
        name: round(max(Counter(item.gold.answers[0].lower() for item in group).values(), default=0) / len(group), 4)
        for name, group in sorted(groups.items())
        if group
    }


def _clear(folder: Path, force: bool) -> None:
    """Makes room: nothing but an earlier world is ever removed."""
    if folder.exists() and not folder.is_dir():
        raise ConfigError(f"{str(folder)!r} is a file: give the name of a new folder")
    if not folder.exists() or not any(folder.iterdir()):
        return
    if not force:
        raise ConfigError(
            f"the folder {str(folder)!r} is not empty: give a new one, or --force to replace a world in it"
        )
    (folder / ABOUT).unlink(missing_ok=True)
    (folder / TASKS).unlink(missing_ok=True)
    if (folder / DOCUMENTS).exists():
        shutil.rmtree(folder / DOCUMENTS)


def _command(seed: int, entities: int, questions: int, split: str, hops: tuple[int, int]) -> str:
    return (
        f"clew labyrinth make DIR --seed {seed} --entities {entities} --questions {questions} "
        f"--split {split} --hops {hops[0]}-{hops[1]}"
    )


def _sorted(counts: Counter[str]) -> dict[str, int]:
    return dict(sorted(counts.items()))
