"""FILES: the files that an issue is about, from a model, from what the issue says itself, and from retrieval.

Specification of Agentless, section 2, stages 1a to 1d. Differs from the released code: what the issue quotes (stack
traces, paths, names; `evidence`) is a third list of votes, and retrieval may be missing. Folders that the model calls
irrelevant are only left out of retrieval where neither the model's own list nor the issue names a file in them, and a
small repository is searched whole. Only the model itself may name a stub (`a.pyi`) beside its module.

Each of the three lists votes with its first `top_n` files. Files are ordered by votes, then by who named them first:
the model, the issue itself, retrieval. So what the issue quotes puts a file of another list first, and what it alone
names stands behind the model's files and pushes none of them out.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from itertools import pairwise
from typing import Any, Protocol

from clew.errors import EffectFailed, Refused
from clew.graphs.base import Phase, State, prompt_hashes
from clew.journal import scope
from clew.models import Model
from clew.models.tokens import estimate
from clew.task import Task
from clew.tools.output import neutralise

from .asking import INTRODUCTION, Asker, Material, Prompt, keys, prompt_of
from .elements import COMPLAINT, ELEMENTS, LOCATIONS, NOT_PYTHON, ElementStage, LocationStage, Options
from .evidence import by_words, evidence_of, tests_block
from .job import Job, flagged, happened, told
from .locations import outside_of, parse_files, parse_folders
from .tree import rendered_tree

FILES = """\
Your step: name the files that have to be changed to resolve the issue, and those that one must read to make the change.

Choose from the tree above at most {most} source files, the most important one first; often one is enough. Give full \
paths from the top of the repository, as the tree shows them. Name files that exist; if a new file is needed, name \
those that will use it. Tests are not shown and are not to be named.

Begin your answer with one block that holds one path on each line and nothing else, as here:

```
path/to/first.ext
path/to/second.ext
```"""

FOLDERS = """\
Your step: name the folders that have surely nothing to do with the issue, so that a search can leave them out.

Choose from the tree above. A folder that may hold code to change or to look at must not be named: when in doubt, \
leave it out of your list. Naming a folder names everything below it.

Begin your answer with one block that holds one full folder path on each line, each with a slash at its end, and \
nothing else, as here. The block may be empty.

```
path/to/folder/
other/folder/
```"""


class Search(Protocol):
    """Retrieval by chunks of code (`CodeSearch`). `name` says what decides a search besides the files."""

    @property
    def name(self) -> str: ...

    async def rank(self, job: Job, paths: Sequence[str], query: str, top_chunks: int = ...) -> list[str]:
        """The files among `paths` that hold the chunks nearest to `query`, the best first, each once."""
        ...


def by_votes(*lists: Sequence[str], top: int = 3) -> tuple[str, ...]:
    """The first `top` of each list, those of more lists first, then by which list and place came first."""
    firsts = [list(dict.fromkeys(each))[:top] for each in lists]
    order = dict.fromkeys(path for first in firsts for path in first)
    return tuple(sorted(order, key=lambda path: -sum(path in first for first in firsts)))


def tree_within(paths: Sequence[str], room: int) -> Material:
    """The tree of `paths` with at most `room` tokens: folded, and cut where even that is too long."""
    text = neutralise(rendered_tree(paths))
    if estimate(text) <= room:
        return Material(text)
    lines = text.count("\n")
    while estimate(text) > room and lines > 1:
        lines = lines * 3 // 4
        text = neutralise(rendered_tree(paths, lines))
        if text.count("\n") > lines:  # Nothing more can be folded.
            text = "".join(f"{line}\n" for line in text.split("\n")[:lines]) + "...\n"
    event = {"kind": "context_cut", "what": "tree", "files": len(paths), "lines": text.count("\n")}
    return Material(text + "(Folders with a number in brackets are shown without what is in them.)\n", (event,))


def _without_stubs(paths: Iterable[str], job: Job) -> tuple[str, ...]:
    return tuple(path for path in paths if not path.endswith(".pyi") or path[:-1] not in job.structure.outlines)


@dataclass(frozen=True)
class FileStage:
    """The phase "files": `state["files"]`, at most three times `top_n` paths, the best first; `state["searched"]` are
    those of them that retrieval or words alone speak for.

    Flags: `no_known_file` (the model named none that exists), `no_retrieval`, `retrieval_failed`, `no_hits`,
    `files_by_words` (nobody named a file: those that share most words with the issue are taken).
    """

    asker: Asker
    search: Search | None
    options: Options

    async def run(self, job: Job, state: State) -> State:
        task = Task.model_validate(state["task"])
        found = await asyncio.to_thread(evidence_of, job, state)
        named, state = await self.named(job, task, state)
        quoted = _without_stubs(found.files, job)
        retrieved, state = await self.retrieved(job, task, [*named, *quoted], state)
        files = by_votes(named, quoted, retrieved, top=self.options.top_n)
        if not files:
            files = by_words(task.prompt, job.structure.outlines)[: self.options.top_n]
            state = flagged(state, "files_by_words")
        lists = {"model": named, "evidence": quoted, "retrieval": retrieved}
        told("files", files=files, votes={name: paths[: self.options.top_n] for name, paths in lists.items()})
        searched = [path for path in files if path not in (*named, *quoted)]
        return {**state, "files": list(files), "searched": searched, "evidence": found.model_dump(mode="json")}

    async def named(self, job: Job, task: Task, state: State) -> tuple[tuple[str, ...], State]:
        """1a, FILES-LLM."""
        paths, tests = list(job.structure.outlines), tests_block(job, state)
        if not paths:
            return (), flagged(state, "no_known_file")
        replies, state = await self.asker.ask(
            state,
            "files",
            lambda room: self._prompt(task, FILES.format(most=self.options.file_list), paths, tests, room),
            max_tokens=self.options.file_tokens,
            usable=lambda reply: bool(parse_files(reply.text, paths).paths),
        )
        listed = parse_files(replies[0].text, paths)
        if listed.unknown:
            state = happened(state, {"kind": "files_unknown", "paths": list(listed.unknown[:10])})
        if not listed.paths:
            state = flagged(state, "no_known_file")
        known = listed.paths[: self.options.file_list]
        told("files_named", files=known, unknown=listed.unknown[:10], effects=keys(replies))
        return known, state

    async def retrieved(
        self, job: Job, task: Task, wanted: Sequence[str], state: State
    ) -> tuple[tuple[str, ...], State]:
        """1b and 1c: folders that do not matter, then files by retrieval; `wanted` are never left out."""
        if self.search is None:
            return (), flagged(state, "no_retrieval")
        paths, folders, state = await self._left(job, task, wanted, state)
        try:
            with scope("retrieval"):
                hits = await self.search.rank(job, paths, task.prompt, self.options.top_chunks)
        except (EffectFailed, Refused) as error:
            if isinstance(error, Refused) and error.limit != "searches":
                raise
            told("retrieval", error=f"{type(error).__name__}: {error}")
            return (), flagged(state, "retrieval_failed")
        known = _without_stubs(dict.fromkeys(path for path in hits if path in job.structure.outlines), job)
        told("retrieval", files=known[:20], searched=len(paths), folders=folders)
        return known, state if known else flagged(state, "no_hits")

    async def _left(
        self, job: Job, task: Task, wanted: Sequence[str], state: State
    ) -> tuple[tuple[str, ...], tuple[str, ...], State]:
        """The files outside of the folders that do not matter, and these."""
        paths, tests = tuple(job.structure.outlines), tests_block(job, state)
        if not any("/" in path for path in paths):
            return paths, (), state
        if len(paths) < self.options.folders_from:
            told("folders", folders=(), kept=(), effects=(), skipped=f"{len(paths)} files are few")
            return paths, (), state
        replies, state = await self.asker.ask(
            state,
            "folders",
            lambda room: self._prompt(task, FOLDERS, paths, tests, room),
            max_tokens=self.options.folder_tokens,
            usable=lambda reply: bool(parse_folders(reply.text, paths)),
        )
        listed = parse_folders(replies[0].text, paths)
        needed = tuple(folder for folder in listed if any(path.startswith(f"{folder}/") for path in wanted))
        if needed:
            state = happened(state, {"kind": "folders_kept", "folders": list(needed)})
        folders = tuple(folder for folder in listed if folder not in needed)
        told("folders", folders=folders, kept=needed, effects=keys(replies))
        return outside_of(folders, paths), folders, state

    def _prompt(self, task: Task, step: str, paths: Sequence[str], tests: str, room: int) -> Prompt:
        return prompt_of(task, step, room, "TREE", lambda left: tree_within(paths, left), tests)


class Localiser:
    """From an issue to places in files, by a model: the phases "files", "elements" and "locations".

    They leave `state["files"]` (paths, the best first), `state["elements"]` (JSON of `Location`) and `state["sets"]`
    (location sets, each a list of JSON of `Location`; none is empty, and none are equal).

    Args:
        search: retrieval by chunks of code; None leaves the stages 1b and 1c out (flag `no_retrieval`).
        options: see `Options`, by name.
    """

    def __init__(self, model: Model, search: Search | None = None, **options: Any) -> None:
        self.model, self.search, self.options = model, search, Options(**options)

    def phases(self, job: Job, then: str) -> dict[str, Phase]:
        """The phases by name, the first one first; the last one leads to `then`."""
        asker = Asker(self.model, self.options.context_limit)
        stages = {
            "files": FileStage(asker, self.search, self.options).run,
            "elements": ElementStage(asker, self.options).run,
            "locations": LocationStage(asker, self.options).run,
        }
        order = [*stages, then]

        def phase(name: str, after: str) -> Phase:
            async def run(state: State) -> State:
                await job.ready()
                return {**await stages[name](job, state), "phase": after}

            return run

        return {name: phase(name, after) for name, after in pairwise(order)}

    def fingerprint(self) -> dict[str, Any]:
        """What decides the places: the model, prompts by hash, options, whether files are retrieved as well."""
        prompts = {"introduction": INTRODUCTION, "files": FILES, "folders": FOLDERS}
        prompts |= {"elements": ELEMENTS + NOT_PYTHON, "locations": LOCATIONS, "complaint": COMPLAINT}
        return {
            "model": self.model.fingerprint(),
            "prompts": prompt_hashes(**prompts),
            "options": asdict(self.options),
            "retrieval": self.search.name if self.search else None,
        }
