"""`clew memory`: what is remembered from run to run, to look at, to correct and to forget."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from clew.cli import options, words

if TYPE_CHECKING:
    from clew.memory import Entry, MemoryStore

app = typer.Typer(
    help="""Look at, correct and forget what is remembered from run to run.

    Example: clew memory list --family math
    """,
    no_args_is_help=True,
    rich_markup_mode=None,
)

Id = Annotated[str, typer.Argument(metavar="ID", help="Id of an entry, or the beginning of it.", show_default=False)]
Place = Annotated[
    str | None,
    typer.Option(
        "--memory", metavar="PLACE", help="Folder [.clew/memory], or URL of a collection.", show_default=False
    ),
]
Namespace = Annotated[
    str | None,
    typer.Option("--namespace", metavar="A/B", help="Only entries below this namespace.", show_default=False),
]
Family = Annotated[
    str | None, typer.Option("--family", metavar="NAME", help="Only of this family of tasks.", show_default=False)
]
FromRun = Annotated[
    str | None, typer.Option("--run", metavar="RUN", help="Only what came from this run.", show_default=False)
]
# What a value says first, by the names that lessons, rules and worked examples give it.
_SAYS = ("text", "question")
# Where the copies are that evaluated runs made of what others wrote.
COPIES = ("",)


@app.command("list")
def show_all(
    namespace: Namespace = None,
    family: Family = None,
    run: FromRun = None,
    limit: Annotated[int, typer.Option("-n", "--limit", min=1, help="How many, the last changed first.")] = 50,
    as_json: options.Json = False,
    memory: Place = None,
) -> None:
    """List what is remembered, the last changed first.

    Example: clew memory list --run 3f2a
    """
    with _opened(memory) as store:
        found = _chosen(store, namespace, family, run) if store is not None else []
    if as_json:
        for entry in found[:limit]:
            words.out_json(_json(entry))
        return
    if not found:
        words.say("nothing is remembered" + (" that fits" if namespace or family or run else " yet"))
        return
    rows = [
        [entry.id[:8], "/".join(entry.namespace), _uses(entry), _run(entry), _ago(entry.updated), _says(entry)]
        for entry in found[:limit]
    ]
    words.table(["id", "namespace", "helped", "run", "changed", "what"], rows, right=(2,))
    if len(found) > limit:
        words.say(f"{len(found) - limit} more: -n {len(found)} lists all")


@app.command()
def show(id: Id, as_json: options.Json = False, memory: Place = None) -> None:
    """Show one entry with all that it holds, and the runs that it came from.

    Example: clew memory show 3f2a
    """
    with _opened(memory, must_exist=True) as store:
        entry = _one(store, id)
    if as_json:
        words.out_json(_json(entry))
        return
    words.out(words.bold(f"{entry.id}  {words.line('/'.join(entry.namespace))}  {words.line(entry.key)}"))
    words.out(words.dim(f"made {_ago(entry.created)}, changed {_ago(entry.updated)}"))
    for source in entry.sources:
        learned = f" on {words.line(str(source))}" if str(source) else ""
        if source.run or learned:
            words.out(f"from {f'run {words.line(source.run)}' if source.run else 'earlier runs'}{learned}")
    for name, value in entry.value.items():
        words.out()
        words.out(words.bold(words.line(name)))
        words.out(words.clean(value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)))


@app.command()
def edit(
    id: Id,
    text: Annotated[
        str | None, typer.Option("--text", metavar="TEXT", help="The new text of it.", show_default=False)
    ] = None,
    value: Annotated[
        str | None, typer.Option("--value", metavar="JSON", help="All of its new value.", show_default=False)
    ] = None,
    memory: Place = None,
) -> None:
    """Change an entry; without --text or --value, in your editor.

    Example: clew memory edit 3f2a --text 'Check the units first.'
    """
    from clew.errors import ConfigError

    if text is not None and value is not None:
        raise ConfigError("--text and --value were both given: give one of them")
    with _opened(memory, must_exist=True) as store:
        entry = _one(store, id)
    if text is not None:
        new = {**entry.value, _field(entry): text}
    else:
        new = _parsed(value if value is not None else _edited(json.dumps(entry.value, ensure_ascii=False, indent=2)))
    changed = replace(entry, value=new)
    _check_readable(entry, changed)
    if new == entry.value:
        words.say("nothing was changed")
        return
    with _opened(memory, must_exist=True) as store:
        store.write(changed)
    words.out(f"changed {entry.id[:8]}: {_says(changed)}")


@app.command()
def forget(
    ids: Annotated[
        list[str] | None, typer.Argument(metavar="[ID]...", help="Ids, or their beginnings.", show_default=False)
    ] = None,
    namespace: Namespace = None,
    family: Family = None,
    run: FromRun = None,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")] = False,
    memory: Place = None,
) -> None:
    """Forget entries for good: by id, or all that came from a run, of a family or below a namespace.

    Example: clew memory forget --run 3f2a
    """
    from clew.errors import ConfigError

    if not ids and not (namespace or family or run):
        raise ConfigError("nothing was named: give ids, --run, --family or --namespace (see clew memory list)")
    with _opened(memory, must_exist=True) as store:
        found = {one.id: one for one in (_one(store, id) for id in ids or ())}
        if namespace or family or run:
            found |= {one.id: one for one in _chosen(store, namespace, family, run)}
        if not found:
            words.say("nothing is remembered that fits")
            return
        many = words.count(len(found), "entry", "entries")
        if not yes:
            for one in list(found.values())[:20]:
                words.say(f"{one.id[:8]}  {words.line('/'.join(one.namespace))}  {_says(one)}")
            typer.confirm(f"Forget {many} for good?", abort=True, err=True)
        store.forget(list(found))
    words.out(f"forgot {many}")


@contextmanager
def _opened(place: str | None, *, must_exist: bool = False) -> Iterator[Any]:
    """The memory of the settings; None where there is none yet, which with `must_exist` is a `ConfigError`."""
    from clew.config import load
    from clew.errors import ConfigError
    from clew.memory import MemoryStore
    from clew.retrieval import SentenceEmbedder, is_server

    settings = load({"memory": place})
    if not is_server(settings.memory) and not Path(settings.memory).expanduser().exists():
        if must_exist:
            raise ConfigError(
                f"there is no memory at {settings.memory!r}: runs that remember make one, --memory PLACE names another"
            )
        yield None
        return
    embedder = SentenceEmbedder(settings.embedder)
    with MemoryStore.open(settings.memory, embedder=embedder, key=settings.store_key) as store:
        yield store


def _chosen(store: MemoryStore, namespace: str | None, family: str | None, run: str | None) -> list[Entry]:
    prefix = tuple(part for part in (namespace or "").split("/") if part)
    copies = store.entries(COPIES) if run and not prefix else []
    return [
        entry
        for entry in [*store.entries(prefix), *copies]
        if (family is None or entry.value.get("family") == family)
        and (run is None or any(one.startswith(run) for one in entry.runs))
    ]


def _one(store: MemoryStore, id: str) -> Entry:
    """The one entry whose id or key begins with `id`. Raises `ConfigError` for none and for several."""
    from clew.errors import ConfigError

    entries, copies = store.entries(), store.entries(COPIES)
    exact = [entry for entry in entries if id in (entry.id, entry.key)]
    found = exact or [entry for entry in entries if id and (entry.id.startswith(id) or entry.key.startswith(id))]
    found = found or [entry for entry in copies if id and entry.id.startswith(id)]
    if not found:
        raise ConfigError(f"no entry {id!r} is remembered: see the ids with clew memory list")
    if len(found) > 1:
        some = ", ".join(entry.id[:12] for entry in found[:5])
        raise ConfigError(f"the entry {id!r} is ambiguous ({some}): give more of the id")
    return found[0]


def _parsed(text: str) -> dict[str, Any]:
    from clew.errors import ConfigError

    try:
        value = json.loads(text)
    except ValueError as error:
        raise ConfigError(f"the new value is not JSON ({error}): nothing was changed") from error
    if not isinstance(value, dict):
        raise ConfigError(f"the new value is a JSON {type(value).__name__}: give an object; nothing was changed")
    return value


def _edited(text: str) -> str:
    """`text` after it was changed in `$VISUAL` or `$EDITOR`. No store is held meanwhile."""
    import os
    import shlex
    import subprocess
    import tempfile

    from clew.errors import ConfigError

    editor = os.environ.get("VISUAL") or os.environ.get("EDITOR")
    if not editor:
        raise ConfigError("no editor is known: set EDITOR, or give --text or --value")
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "entry.json"
        file.write_text(text + "\n", encoding="utf-8")
        try:
            subprocess.run([*shlex.split(editor), str(file)], check=True)
        except (OSError, subprocess.CalledProcessError) as error:
            raise ConfigError(f"the editor {editor!r} failed ({error}): nothing was changed") from error
        return file.read_text(encoding="utf-8")


def _field(entry: Entry) -> str:
    from clew.errors import ConfigError

    if "text" not in entry.value:
        fields = ", ".join(entry.value)
        raise ConfigError(f"the entry {entry.id[:8]!r} has no text, but {fields}: give --value, or neither to edit it")
    return "text"


def _check_readable(before: Entry, after: Entry) -> None:
    """Raises `ConfigError` for a lesson, rule or worked example that no run could read any more."""
    from clew.errors import ConfigError
    from clew.memory.readable import fault

    if not fault(before) and (why := fault(after)):
        raise ConfigError(
            f"the entry {before.id[:8]!r} would not be readable any more ({why}): give a value that is, or remove the "
            f"entry with clew memory forget {before.id[:8]}; nothing was changed"
        )


def _json(entry: Entry) -> dict[str, Any]:
    """id, namespace, key, value, created, updated, runs, sources."""
    data = entry.to_json()
    names = ("namespace", "key", "value", "created", "updated", "sources")
    return {"id": entry.id, **{name: data[name] for name in names}, "runs": list(entry.runs)}


def _says(entry: Entry) -> str:
    said = next((entry.value[name] for name in _SAYS if isinstance(entry.value.get(name), str)), None)
    return words.clip(said if said is not None else json.dumps(entry.value, ensure_ascii=False), 100)


def _uses(entry: Entry) -> str:
    used = entry.value.get("used")
    return f"{entry.value.get('helped', 0)} of {used}" if used else ""


def _run(entry: Entry) -> str:
    runs = entry.runs
    return "" if not runs else runs[-1] if len(runs) == 1 else f"{runs[-1]} +{len(runs) - 1}"


def _ago(time: str) -> str:
    from datetime import datetime

    return words.ago(datetime.fromisoformat(time).timestamp())
