"""Public datasets by name, through Hugging Face `datasets`.

Every name has a page, `https://huggingface.co/datasets/` and the hub id below. Where a page itself could not be read,
it says what the schema was taken from instead; a schema that changed is a clear error, not a wrong item.

| name | hub id, configuration | splits | schema read from |
|---|---|---|---|
| hotpotqa | hotpotqa/hotpot_qa, distractor | train, validation | the page |
| 2wikimultihopqa | framolfese/2WikiMultihopQA | train, validation | the authors' repository (Alab-NII/2wikimultihop) and public code that reads this copy; the page is not verified |
| musique | dgslibisey/MuSiQue | train, validation | the authors' format (StonyBrookNLP/musique) and public code that reads this copy; the page is not verified |
| bamboogle | chiayewken/bamboogle | test | the page's files, and public code that reads its two columns |
| nq | google-research-datasets/nq_open | train, validation | the page (splits); the columns from public code, not verified |
| triviaqa | mandarjoshi/trivia_qa, rc.nocontext | train, validation | the page |
| gsm8k | openai/gsm8k, main | train, test | the page |
| math500 | HuggingFaceH4/MATH-500 | test | the page's files; the columns from pages of datasets derived from it |
| aime2024 | HuggingFaceH4/aime_2024 | test (there: train) | the page |
| aime2025 | math-ai/aime25 | test | the page's file list and public code that reads it; the columns are not verified |
| aime | both of these | test | |
| gpqa | Idavidrein/gpqa, gpqa_diamond | test (there: train) | the page's files and public code; needs an accepted licence |
| humaneval | openai/openai_humaneval | test | the page |
| mbpp | google-research-datasets/mbpp, sanitized | test, train, validation | the page |
"""  # noqa: E501 (a table)

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from clew.errors import ConfigError
from clew.evals.tasks import hub_rows
from clew.evals.tasks.hub_rows import Parsed, Row

_FILE_KINDS = {".json": "json", ".jsonl": "json", ".parquet": "parquet", ".csv": "csv"}


@dataclass(frozen=True)
class Source:
    """Where rows come from. `splits` maps the names that people give to those of the hub; the first is the default."""

    hub: str
    parse: Callable[[Row, str], Parsed]
    splits: Mapping[str, str] = field(default_factory=lambda: {"validation": "validation", "train": "train"})
    config: str | None = None
    prefix: str = ""

    @property
    def page(self) -> str:
        return f"https://huggingface.co/datasets/{self.hub}"


_TEST = {"test": "test"}
_MBPP = {"test": "test", "train": "train", "validation": "validation"}
_AIME_2024 = Source("HuggingFaceH4/aime_2024", hub_rows.aime, {"test": "train"}, prefix="aime2024")
_AIME_2025 = Source("math-ai/aime25", hub_rows.aime, _TEST, prefix="aime2025")

SETS: Mapping[str, tuple[Source, ...]] = {
    "hotpotqa": (Source("hotpotqa/hotpot_qa", hub_rows.hotpotqa, config="distractor"),),
    "2wikimultihopqa": (Source("framolfese/2WikiMultihopQA", hub_rows.hotpotqa),),
    "musique": (Source("dgslibisey/MuSiQue", hub_rows.musique),),
    "bamboogle": (Source("chiayewken/bamboogle", hub_rows.bamboogle, _TEST),),
    "nq": (Source("google-research-datasets/nq_open", hub_rows.nq),),
    "triviaqa": (Source("mandarjoshi/trivia_qa", hub_rows.triviaqa, config="rc.nocontext"),),
    "gsm8k": (Source("openai/gsm8k", hub_rows.gsm8k, {"test": "test", "train": "train"}, config="main"),),
    "math500": (Source("HuggingFaceH4/MATH-500", hub_rows.math500, _TEST),),
    "aime2024": (_AIME_2024,),
    "aime2025": (_AIME_2025,),
    "aime": (_AIME_2024, _AIME_2025),
    "gpqa": (Source("Idavidrein/gpqa", hub_rows.gpqa, {"test": "train"}, config="gpqa_diamond"),),
    "humaneval": (Source("openai/openai_humaneval", hub_rows.humaneval, _TEST),),
    "mbpp": (Source("google-research-datasets/mbpp", hub_rows.mbpp, _MBPP, config="sanitized"),),
}

# Sets whose rows are in another one, too.
PART_OF: Mapping[str, str] = {"aime2024": "aime", "aime2025": "aime"}


def rows(name: str, split: str | None, local: str | None) -> list[tuple[Source, int, Callable[[], Row]]]:
    """The rows of a set, not yet read: their source, their position in it, and how to read them.

    `local` is a copy in the same schema: a file (json, jsonl, parquet, csv), whose rows are the split, or a folder as
    `datasets` reads it. Raises `ConfigError` for whatever keeps the rows away.
    """
    found: list[tuple[Source, int, Callable[[], Row]]] = []
    for source in SETS[name]:
        wanted = split or next(iter(source.splits))
        if wanted not in source.splits:
            known = ", ".join(source.splits)
            raise ConfigError(f"task set {name!r} has no split {wanted!r} with answers: give one of {known}")
        data = _local(local, source, wanted) if local else _hub(name, source, source.splits[wanted])
        found += [(source, index, _reader(data, index)) for index in range(len(data))]
    return found


def parsed(name: str, split: str | None, chosen: list[tuple[Source, int, Callable[[], Row]]]) -> Iterator[Parsed]:
    """The items of `rows`, each with an id of its own: the row's, else the set's name, split and position; a row's id
    that occurs twice gets a number."""
    seen: set[str] = set()
    for source, index, read in chosen:
        prefix = source.prefix or name
        result = source.parse(read(), f"{prefix}-{split or next(iter(source.splits))}-{index}")
        task, number = result.item.task, 1
        while task.id in seen:
            number += 1
            task = task.model_copy(update={"id": f"{result.item.task.id}-{number}"})
        seen.add(task.id)
        yield result._replace(item=result.item.model_copy(update={"task": task}))


def _reader(data: Any, index: int) -> Callable[[], Row]:
    return lambda: dict(data[index])


def _datasets() -> Any:
    try:
        import datasets
    except ImportError:
        raise ConfigError(
            "public task sets need the package 'datasets', which is not installed: pip install 'clew[evals]'"
        ) from None
    return datasets


def _hub(name: str, source: Source, split: str) -> Any:
    datasets = _datasets()
    # It tells of each of its tries; what they came to is said once, below.
    logging.getLogger("huggingface_hub").setLevel(logging.ERROR)
    try:
        return datasets.load_dataset(source.hub, source.config, split=split)
    except Exception as error:  # `datasets` raises what its storage and network layers raise
        raise ConfigError(_why(name, source, error)) from None


def _why(name: str, source: Source, error: Exception) -> str:
    first = next(iter(str(error).splitlines()), "").strip()
    kinds = {kind.__name__ for kind in type(error).__mro__}
    if "gated" in str(error).lower() or "GatedRepoError" in kinds:
        return (
            f"task set {name!r} is gated: accept its terms on {source.page}, then log in with "
            "`hf auth login` (older: `huggingface-cli login`) or set HF_TOKEN"
        )
    if isinstance(error, OSError) or kinds & {"TransportError", "HTTPError", "OfflineModeIsEnabled"}:
        return (
            f"task set {name!r} cannot be fetched from {source.page} ({type(error).__name__}: {first}): check the "
            f"connection, or give a local copy as {name}@PATH"
        )
    return f"task set {name!r} from {source.page} cannot be read: {type(error).__name__}: {first}"


def _local(local: str, source: Source, split: str) -> Any:
    path = Path(local)
    if not path.exists():
        raise ConfigError(f"there is no file or folder {local!r}: give a copy of {source.page}")
    datasets = _datasets()
    try:
        if path.is_dir():
            configs = datasets.get_dataset_config_names(str(path))
            config = source.config if source.config in configs else None
            return datasets.load_dataset(str(path), config, split=source.splits[split])
        kind = _FILE_KINDS.get(path.suffix.lower())
        if kind is None:
            raise ConfigError(f"{local!r} has an unknown format: give one of {', '.join(_FILE_KINDS)}")
        return datasets.load_dataset(kind, data_files=str(path), split="train")
    except ConfigError:
        raise
    except Exception as error:
        first = next(iter(str(error).splitlines()), "").strip()
        raise ConfigError(
            f"{local!r} cannot be read as {split!r} of {source.page}: {type(error).__name__}: {first}"
        ) from None
