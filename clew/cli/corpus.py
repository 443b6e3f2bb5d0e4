"""`index` and `search`: documents in, passages out. No model is needed."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from clew.cli import options, words

if TYPE_CHECKING:
    from clew.config import Settings
    from clew.retrieval import Hit, IndexReport


def index(
    dirs: Annotated[list[str], typer.Argument(metavar="DIR...", help="Folders of documents.", show_default=False)],
    store: options.Store = None,
    embedder: options.Embedder = None,
    as_json: options.Json = False,
) -> None:
    """Index folders of documents for search.

    Markdown, reStructuredText, text, HTML, PDF, notebooks and source code are read. Run it again after changes: only
    what changed is embedded, what is gone disappears. An interrupted index is finished by the same command.
    --store also takes http://HOST:6333/COLLECTION, a collection on a Qdrant server (its key: CLEW_STORE_KEY).

    Example: clew index docs src --store .clew/store
    """
    import asyncio

    from clew.agents import corpus
    from clew.cli.progress import IndexLine
    from clew.config import load

    settings = load({"store": store, "embedder": embedder})
    try:
        with IndexLine() as progress:
            report = asyncio.run(corpus.index(dirs, settings, progress))
    except KeyboardInterrupt:
        words.say("clew: interrupted; what is indexed is kept, run the same command again to go on")
        raise typer.Exit(130) from None
    if as_json:
        words.out_json(_report_json(report))
    else:
        _report(report)


def search(
    query: Annotated[
        str | None, typer.Argument(metavar="[QUERY]", help="What to search for.", show_default=False)
    ] = None,
    k: Annotated[int, typer.Option("-k", min=1, help="Passages per query.")] = 5,
    queries: Annotated[
        str | None,
        typer.Option("--queries", metavar="FILE", help="One query per line (- is stdin).", show_default=False),
    ] = None,
    store: options.Store = None,
    embedder: options.Embedder = None,
    rerank: options.Rerank = None,
    as_json: options.Json = False,
) -> None:
    """Show the passages that fit a query best.

    Example: clew search "how do I cancel a task group" -k 3
    """
    import asyncio

    from clew.config import load
    from clew.errors import ConfigError

    if (query is None) == (queries is None):
        raise ConfigError('give one query, as in clew search "QUERY", or a file of them with --queries FILE')
    asked = [query] if query is not None else list(_lines(queries or ""))
    for text in asked:
        if not text.strip():
            raise ConfigError("the query is empty: say what to search for")
    settings = load({"store": store, "embedder": embedder, "rerank": rerank})

    asyncio.run(show_best(asked, k, settings, as_json))


async def show_best(queries: Sequence[str], k: int, settings: Settings, as_json: bool) -> None:
    """Searches for every query, the store opened once, and shows what was found."""
    from clew.agents import doors
    from clew.cli.progress import Waiting

    library = doors.library(settings)
    try:
        with Waiting("opening the index"):
            await library.open()
        for query in queries:
            show_hits(query, await library.search(query, k), as_json, titled=len(queries) > 1)
    finally:
        library.close()


def show_hits(query: str, hits: list[Hit], as_json: bool, *, titled: bool = False) -> None:
    """Hits as numbered passages, or as one JSON object per hit."""
    if as_json:
        for rank, hit in enumerate(hits, 1):
            words.out_json(
                {
                    "query": query, "rank": rank, "score": hit.score, "source": hit.source,
                    "title": hit.title, "text": hit.text, "passage_id": hit.id,
                }
            )  # fmt: skip
        return
    if titled:
        words.out(words.bold(words.line(query)))
    if not hits:
        words.say(f"nothing found for {query!r}")
    for rank, hit in enumerate(hits, 1):
        source = "" if hit.source == hit.title else f"  {words.dim(words.line(hit.source))}"
        words.out(f"{words.bold(f'[{rank}] {words.line(hit.title or hit.source)}')}{source}")
        words.out(words.wrapped(words.clip(hit.text, 400), indent="    "))
        words.out()


def _lines(file: str) -> Iterator[str]:
    """The queries of a file, empty lines left out. Raises `ConfigError` when there are none."""
    from clew.errors import ConfigError

    try:
        text = sys.stdin.read() if file == "-" else Path(file).expanduser().read_text(encoding="utf-8")
    except UnicodeDecodeError as error:
        raise ConfigError(f"{file!r} is not text: give a file with one query per line") from error
    except OSError as error:
        raise ConfigError(f"{file!r} cannot be read ({error.strerror}): give a file with one query per line") from error
    found = [line.strip() for line in text.splitlines() if line.strip()]
    if not found:
        raise ConfigError(f"{file!r} holds no queries: write one per line")
    yield from found


def _report(report: IndexReport) -> None:
    changes = ", ".join(
        f"{number:,} {name}"
        for name, number in (
            ("new", report.added), ("changed", report.changed),
            ("unchanged", report.unchanged), ("removed", report.removed),
        )
        if number
    )  # fmt: skip
    size = f", {words.size(report.bytes)}" if report.bytes else ""
    words.out(
        f"{words.count(report.pages, 'page')}, {words.count(report.passages, 'passage')} in {report.store} "
        f"({changes}; {words.duration(report.seconds)}{size})"
    )
    for reason, files in sorted(report.skipped.items()):
        some = ", ".join(words.line(file) for file in files[:3]) + (", …" if len(files) > 3 else "")
        words.say(f"left out {words.count(len(files), 'file')}: {reason} ({some})")


def _report_json(report: IndexReport) -> dict[str, Any]:
    from dataclasses import asdict

    return {**asdict(report), "seconds": round(report.seconds, 3)}
