"""Progress on stderr: one live line on a terminal, plain lines elsewhere."""

from __future__ import annotations

import sys
import time
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self

from clew.cli import words

if TYPE_CHECKING:
    from rich.live import Live

    from clew.retrieval import IndexProgress

_DOING = {
    "model": "thinking", "search": "searching", "read": "reading", "probe": "asking what the server can do",
    "program": "running a program", "memory": "remembering",
}  # fmt: skip
_INDENT = len("   1  program ")
_PLAIN_EVERY_S = 10.0


class Line:
    """A line that is redrawn in place, with finished lines above it. On anything but a terminal only those appear."""

    def __init__(self, quiet: bool = False) -> None:
        self.quiet = quiet
        self.live: Live | None = None

    def __enter__(self) -> Self:
        if sys.stderr.isatty() and not self.quiet:
            from rich.console import Console
            from rich.live import Live

            console = Console(stderr=True, highlight=False)
            self.live = Live(console=console, get_renderable=self._drawn, refresh_per_second=8, transient=True)
            self.live.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self.live is not None:
            self.live.stop()
            self.live = None

    def above(self, text: str) -> None:
        if self.quiet:
            return
        if self.live is None:
            words.say(text)
        else:
            self.live.console.print(text, markup=False, soft_wrap=True)

    def _drawn(self) -> Any:
        from rich.spinner import Spinner
        from rich.text import Text

        if not hasattr(self, "_spinner"):
            self._spinner = Spinner("dots")
        self._spinner.text = Text(words.clip(self.text(), words.width() - 4))
        return self._spinner

    def text(self) -> str:
        """The line now."""
        raise NotImplementedError


class Waiting(Line):
    """One thing that takes a while; only a terminal shows it."""

    def __init__(self, doing: str) -> None:
        super().__init__()
        self.doing = doing

    def text(self) -> str:
        return self.doing


class RunProgress(Line):
    """What a run does: call it with the events of a watched run."""

    def __init__(self, quiet: bool = False) -> None:
        super().__init__(quiet)
        self.step = self.tokens = self.replayed = 0
        self.usd: float | None = 0.0
        self.begun = time.monotonic()
        self.doing = "loading"
        self._asked: dict[str, dict[str, Any]] = {}

    def __call__(self, event: dict[str, Any]) -> None:
        kind, name = event.get("kind", ""), event.get("event")
        if name == "replayed":
            self.replayed += 1
        elif name == "started":
            self._asked[event.get("key", "")] = request = event.get("request") or {}
            query = words.clip(str(request.get("query") or ""), 60)
            self.doing = _DOING.get(kind, kind) + (f" {query!r}" if query else "")
        elif name in ("finished", "failed", "refused"):
            self._ended(name, kind, event)
        elif name == "note" and kind == "model.try":
            data = event.get("data") or {}
            wait = f", again in {words.duration(data['wait'])}" if data.get("wait") else ""
            self.above(f"      try {data.get('try', '')} failed ({data.get('cause', '')}){wait}")

    def _ended(self, name: str, kind: str, event: dict[str, Any]) -> None:
        cost, request = event.get("cost"), self._asked.pop(event.get("key", ""), {})
        if cost is not None:
            self.tokens += cost.tokens
            self.usd = None if self.usd is None or cost.usd is None else self.usd + cost.usd
        if kind == "read" and name == "finished":
            return  # ten pages of one search would bury its line
        self.step += 1
        self.doing = "thinking"
        self.above(f"{self.step:4}  {kind:<8}{self._said(name, kind, request, event, cost)}")

    def _said(self, name: str, kind: str, request: dict[str, Any], event: dict[str, Any], cost: Any) -> str:
        if name != "finished":
            return f"{name}: {event.get('error') or event.get('limit') or ''}"
        outcome = event.get("outcome") or {}
        if kind == "search":
            query = request.get("query", "")
            return f"{query}  {words.count(len(outcome.get('hits', ())), 'hit')}".strip()
        if kind == "program":
            from clew.agents.history import program_words

            return words.clip(program_words(request, outcome), words.width() - _INDENT)
        if kind == "probe":
            return str((outcome.get("capabilities") or {}).get("transport", ""))
        spent = [words.count(cost.tokens, "token"), words.money(cost.usd)] if cost is not None and cost.tokens else []
        return "  ".join([*spent, words.duration(cost.seconds) if cost is not None else ""]).strip()

    def text(self) -> str:
        seconds = words.duration(time.monotonic() - self.begun)
        spent = f"{words.count(self.tokens, 'token')} · {words.money(self.usd)} · {seconds}"
        return f"step {self.step + 1} · {self.doing} · {spent}"


class StageProgress(RunProgress):
    """What a repair does: a line for what each stage found, with the time and what was spent since the one before."""

    def __init__(self, quiet: bool = False) -> None:
        super().__init__(quiet)
        self._spent_before = 0

    def __call__(self, event: dict[str, Any]) -> None:
        name = event.get("event")
        if name == "note" and event.get("kind") == "stage":
            self._found(event.get("data") or {})
        elif name == "doing":
            self.doing = str(event.get("what", ""))
        elif name == "prepared":
            for text in event.get("notes", ()):
                self._line("prepared", words.line(text))
        elif name == "index":
            self.doing = _indexing(event)
        else:
            super().__call__(event)

    def _found(self, data: dict[str, Any]) -> None:
        from clew.agents.repair_report import said

        stage, _, text = said(data).partition(": ")
        spent, self._spent_before = self.tokens - self._spent_before, self.tokens
        cost = f" · {words.count(spent, 'token')}, {words.money(self.usd)} so far" if spent else ""
        self._line(stage, words.clip(text, max(words.width() - 26 - len(cost), 40)) + cost)

    def _line(self, stage: str, text: str) -> None:
        seconds = words.duration(time.monotonic() - self.begun)
        self.above(f"{seconds:>10}  {stage:<13} {text}")

    def _ended(self, name: str, kind: str, event: dict[str, Any]) -> None:
        quiet, self.quiet = self.quiet, self.quiet or name == "finished"
        try:
            super()._ended(name, kind, event)
        finally:
            self.quiet = quiet


def _indexing(event: dict[str, Any]) -> str:
    if total := event.get("chunks_total"):
        return f"embedding code, {event.get('chunks', 0):,} of {words.count(total, 'passage')}"
    return f"reading code, {event.get('files', 0):,} of {words.count(event.get('files_total', 0), 'file')}"


class IndexLine(Line):
    """How far an index is; call it with each `IndexProgress`."""

    def __init__(self, quiet: bool = False) -> None:
        super().__init__(quiet)
        self.now: IndexProgress | None = None
        self.said = time.monotonic()

    def __call__(self, now: IndexProgress) -> None:
        self.now = now
        if self.live is None and time.monotonic() - self.said >= _PLAIN_EVERY_S:
            self.said = time.monotonic()
            self.above(self.text())

    def text(self) -> str:
        now = self.now
        if now is None:
            return "loading the embedding model"
        left = f"about {words.duration(now.eta)} left" if now.eta is not None else words.duration(now.seconds)
        passages = words.count(now.passages, "passage")
        return f"{now.files:,} of {words.count(now.files_total, 'file')} · {passages} embedded · {left} · {now.source}"
