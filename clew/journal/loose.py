"""Code outside of any run: a node tried out by hand, a graph that was built by hand and invoked without `clew.run`."""

from __future__ import annotations

import secrets
from functools import lru_cache
from typing import Any

from clew.journal.attempt import CostOf, Perform
from clew.journal.cost import FREE, NO_LIMITS, Cost, Hold, Ledger
from clew.journal.redact import recordable
from clew.journal.runs import Effect, Run
from clew.journal.store import Journal, RunRow
from clew.journal.transcript import Transcript


class LooseRun(Run):
    """What code outside of any run works with: effects are performed and not recorded, the last transcripts are kept in
    memory."""

    async def effect(
        self,
        kind: str,
        request: dict[str, Any],
        perform: Perform,
        *,
        reserve: Cost = FREE,
        cost: CostOf | None = None,
        hold: Hold | None = None,
    ) -> Effect:
        self._request(kind, request)
        key = secrets.token_hex(16)
        end = await self._try(kind, (key, 0), perform, reserve, cost)
        if end.error is not None:
            raise end.error
        return Effect(key, end.outcome, end.spent, False)

    def note(self, kind: str, data: dict[str, Any]) -> None:
        recordable(kind, data)

    def hold(self, cost: Cost) -> Hold:
        return Hold(Ledger(NO_LIMITS), cost)

    def keep(self, transcript: Transcript) -> str:
        self._remember(transcript)
        return transcript.head


@lru_cache(maxsize=1)
def loose_run() -> LooseRun:
    """The one loose run of this process."""
    journal = Journal.memory()
    journal.create_run(RunRow(id="loose"))
    return LooseRun(journal, "loose", lease=journal.acquire("loose"))
