"""Task sets by file, folder or name."""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeVar

from clew.errors import ConfigError
from clew.evals.tasks.arithmetic import arithmetic
from clew.evals.tasks.hub import PART_OF, SETS, parsed, rows
from clew.evals.tasks.hub_rows import Parsed
from clew.evals.tasks.items import TaskSet, read_items, write_items

T = TypeVar("T")


def names() -> tuple[str, ...]:
    """The names that `load` takes."""
    return ("arithmetic", *SETS)


def load(
    spec: str | Path, *, split: str | None = None, limit: int | None = None, seed: int = 0, shuffle: bool = False
) -> TaskSet:
    """The task set that `spec` names.

    Args:
        spec: a `.jsonl` file; a folder that holds `tasks.jsonl`, and perhaps `documents/`; or one of `names()`.
            `NAME@PATH` reads a public set from a local copy in its schema, a file or a folder. `NAME:key=value,...`
            gives options: `arithmetic:n=200,seed=3,split=test`, `hotpotqa:split=train`.
        split: default: the split that results are reported on (`validation` or `test`). Files and folders have none.
        limit: the first N items; default: all.
        seed: of the shuffle, and of a generator, unless `spec` names one.
        shuffle: draw the order by `seed` before the limit, else the set's own order.

    The set's `identity` is the name without options or path; of a file its stem, of `tasks.jsonl` the folder's name.

    Raises `ConfigError` with what to do, also for a set that cannot be fetched.
    """
    if not str(spec).strip():
        known = ", ".join(names())
        raise ConfigError(f"task set {str(spec)!r} names nothing: give a .jsonl file, a folder, or one of {known}")
    asked = _Spec.of(spec)
    if asked.path is not None:
        return _from_path(asked.path, split, limit, seed, shuffle)
    if asked.name == "arithmetic":
        return _arithmetic(asked, split, limit, seed, shuffle)
    items = tuple(found.item for found in _public(asked, split, limit, seed, shuffle))
    return TaskSet(str(spec), items, identity=PART_OF.get(asked.name, asked.name))


def write_documents(
    spec: str, folder: str | Path, *, split: str | None = None, limit: int | None = None, seed: int = 0,
    shuffle: bool = False,
) -> TaskSet:  # fmt: skip
    """Writes a public multi-hop set as a folder that `load` and `clew index` take: `tasks.jsonl`, and under
    `documents/` every paragraph that its questions come with, supporting or distracting, as Markdown. Arguments as for
    `load`.

    Raises `ConfigError` for a set without paragraphs.
    """
    folder = Path(folder)
    found = _public(_Spec.of(spec), split, limit, seed, shuffle)
    paragraphs = {paragraph.document: paragraph for row in found for paragraph in row.paragraphs}
    if not paragraphs:
        raise ConfigError(f"task set {spec!r} comes without documents: give hotpotqa, 2wikimultihopqa or musique")
    documents = folder / "documents"
    documents.mkdir(parents=True, exist_ok=True)
    for name, paragraph in paragraphs.items():
        (documents / name).write_text(f"# {paragraph.title}\n\n{paragraph.text}\n", encoding="utf-8")
    items = tuple(row.item for row in found)
    write_items(folder / "tasks.jsonl", items)
    return TaskSet(str(spec), items, documents)


@dataclass(frozen=True)
class _Spec:
    name: str = ""
    path: Path | None = None
    local: str | None = None
    options: dict[str, str] = field(default_factory=dict)

    @staticmethod
    def of(spec: str | Path) -> _Spec:
        text = str(spec)
        name, at, local = text.partition("@")
        if at and name in names():
            return _Spec(name, local=local)
        name, colon, rest = text.partition(":")
        if name in names() and (colon or not isinstance(spec, Path)):
            pairs = [part.partition("=") for part in rest.split(",") if part.strip()]
            return _Spec(name, options={key.strip(): value.strip() for key, _, value in pairs})
        if text.endswith(".jsonl") or Path(spec).exists():
            return _Spec(path=Path(spec))
        known = ", ".join(names())
        raise ConfigError(f"there is no task set {text!r}: give a .jsonl file, a folder with tasks.jsonl, or {known}")


def _from_path(path: Path, split: str | None, limit: int | None, seed: int, shuffle: bool) -> TaskSet:
    if split is not None:
        raise ConfigError(f"{str(path)!r} has no splits, but split={split!r} was given: give the file of that split")
    if path.is_dir():
        if not (path / "tasks.jsonl").is_file():
            raise ConfigError(
                f"the folder {str(path)!r} holds no tasks.jsonl: give a folder of tasks, or a .jsonl file"
            )
        documents = path / "documents" if (path / "documents").is_dir() else None
        name, file = path.resolve().name, path / "tasks.jsonl"
    else:
        documents, name, file = None, path.stem, path
    items, whole = tuple(read_items(file)), file.resolve()
    identity = whole.parent.name if whole.name == "tasks.jsonl" else whole.stem
    return TaskSet(name, tuple(_some(items, limit, seed, shuffle)), documents, identity)


def _public(asked: _Spec, split: str | None, limit: int | None, seed: int, shuffle: bool) -> list[Parsed]:
    if asked.name not in SETS:
        raise ConfigError(f"{asked.name or str(asked.path)!r} is no public task set: give one of {', '.join(SETS)}")
    _check_options(asked, ("split",))
    split = split or asked.options.get("split")
    chosen = _some(rows(asked.name, split, asked.local), limit, seed, shuffle)
    return list(parsed(asked.name, split, list(chosen)))


def _arithmetic(asked: _Spec, split: str | None, limit: int | None, seed: int, shuffle: bool) -> TaskSet:
    if asked.local is not None:
        raise ConfigError("arithmetic problems are generated: give arithmetic:n=...,seed=..., without a path")
    _check_options(asked, ("n", "seed", "split"))
    options = asked.options
    made = arithmetic(
        _number("n", options.get("n"), limit or 200),
        seed=_number("seed", options.get("seed"), seed),
        split=split or options.get("split") or "test",
    )
    return TaskSet(made.name, tuple(_some(made.items, limit, seed, shuffle)), identity=asked.name)


def _check_options(asked: _Spec, known: Sequence[str]) -> None:
    for key, value in asked.options.items():
        if key not in known or not value:
            raise ConfigError(f"task set {asked.name!r} takes no option {key!r}={value!r}: give {', '.join(known)}")


def _number(key: str, text: str | None, default: int) -> int:
    if text is None:
        return default
    try:
        return int(text)
    except ValueError:
        raise ConfigError(f"{key}={text!r} is no whole number: give one, such as {key}=200") from None


def _some(items: Sequence[T], limit: int | None, seed: int, shuffle: bool) -> Sequence[T]:
    if limit is not None and limit < 1:
        raise ConfigError(f"limit={limit!r} leaves no items: give 1 or more, or none for all")
    if shuffle:
        items = random.Random(seed).sample(items, len(items))
    return items[:limit]
