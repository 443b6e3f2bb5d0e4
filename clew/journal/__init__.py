"""The journal: one record of every effect of every run, from which runs are resumed, replayed, forked and audited."""

from clew.journal.address import scope
from clew.journal.cost import Budget, Cost, Hold
from clew.journal.export import export_jsonl, import_jsonl
from clew.journal.identity import Recipe
from clew.journal.redact import register as register_secret
from clew.journal.running import Replayed, fork, replay, resume, run, run_sync
from clew.journal.runs import Effect, Run, current, effect, note
from clew.journal.store import Event, Journal, RunRow, default_path
from clew.journal.transcript import Segment, Transcript

__all__ = [
    "Budget",
    "Cost",
    "Effect",
    "Event",
    "Hold",
    "Journal",
    "Recipe",
    "Replayed",
    "Run",
    "RunRow",
    "Segment",
    "Transcript",
    "current",
    "default_path",
    "effect",
    "export_jsonl",
    "fork",
    "import_jsonl",
    "note",
    "register_secret",
    "replay",
    "resume",
    "run",
    "run_sync",
    "scope",
]
