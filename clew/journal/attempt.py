"""One try of an effect: whatever happens is returned, in the form in which it is recorded."""

from __future__ import annotations

import asyncio
import sys
import time
from collections.abc import Awaitable, Callable
from contextvars import ContextVar
from dataclasses import dataclass, replace
from typing import Any

from clew.errors import ClewError, EffectFailed, Refused
from clew.journal.cost import FREE, Cost
from clew.journal.redact import redact, redact_json

Perform = Callable[[], Awaitable[dict[str, Any]]]
CostOf = Callable[[dict[str, Any]], Cost]

# The effect that is being performed: its key, and which try of it this is.
inside_of: ContextVar[tuple[str, int] | None] = ContextVar("clew_effect", default=None)


@dataclass(frozen=True, slots=True)
class End:
    """How a try ended. `state` is that of the event; `unknown` leaves it started, `unperformed` takes it back."""

    state: str
    seconds: float
    outcome: Any = None
    spent: Cost = FREE
    possibly: Cost = FREE
    error: BaseException | None = None


async def attempt(
    kind: str,
    perform: Perform,
    reserve: Cost,
    cost: CostOf | None,
    seconds_left: float | None,
    stopping: Callable[[], bool],
) -> End:
    """Performs an effect, for at most `seconds_left`. `stopping` tells a run that is stopped from a branch that is
    cancelled."""
    begun = time.monotonic()

    def seconds() -> float:
        return round(time.monotonic() - begun, 6)

    clock = asyncio.timeout(seconds_left)
    try:
        async with clock:
            outcome = redact_json(await perform())
        spent = cost(outcome) if cost else reserve
        return End("finished", seconds(), outcome, replace(spent, seconds=seconds()))
    except asyncio.CancelledError as error:
        # Ctrl-C and a closing loop leave the effect unknown, so that a resume performs it; a program that cancels a
        # branch has decided, and will decide the same again.
        return End("unknown" if stopping() else "cancelled", seconds(), possibly=reserve, error=error)
    except Exception as error:
        if _is_control_flow(error):
            return End("unperformed", seconds(), error=error)
        overdue = clock.expired() and isinstance(error, TimeoutError)
        failure = Refused("seconds", f"the time of the run ended during {kind!r}") if overdue else _failure(kind, error)
        failure.__cause__ = error
        outcome = {"cause": type(failure).__name__, "message": str(failure)}
        # Nobody knows what a failed or overdue effect has cost, unless its door says so.
        possibly = getattr(error, "cost", None)
        possibly = possibly if isinstance(possibly, Cost) else reserve
        return End("refused" if isinstance(failure, Refused) else "failed", seconds(), outcome, FREE, possibly, failure)


def _failure(kind: str, error: Exception) -> ClewError:
    """What is raised now and on every replay: a foreign class could not be rebuilt from the journal."""
    if isinstance(error, ClewError):
        return ClewError.rebuild(type(error).__name__, redact(str(error)))
    return EffectFailed(redact(f"{kind} raised {type(error).__name__}: {error}"))


def _is_control_flow(error: Exception) -> bool:
    """LangGraph's own signals (an interrupt, a command to a parent graph) are no failure of the effect."""
    module = sys.modules.get("langgraph.errors")
    return module is not None and isinstance(error, module.GraphBubbleUp)
