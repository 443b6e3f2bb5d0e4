"""Tries of one call: how often, how long to wait between them, and how long one may take."""

from __future__ import annotations

import asyncio
import random
from collections import Counter
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any, TypeVar

from clew.journal import Run
from clew.models.failures import MAYBE_PAID, RETRIED, Cause, Failure, classify, own_word

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Timeouts:
    """Seconds. `connect` is for the connection; `first_token` until a stream's first token, queueing and the reading of
    the prompt included; `idle` between two chunks of a stream; `total` adds `per_token` for each of `max_tokens` to
    `first_token`, so that a long answer has the time it needs."""

    connect: float = 10.0
    first_token: float = 120.0
    idle: float = 60.0
    per_token: float = 0.25

    def total(self, max_tokens: int) -> float:
        """Seconds that a whole call may take."""
        return self.first_token + self.per_token * max_tokens


@dataclass(frozen=True, slots=True)
class Retries:
    """How often a failed try is repeated, by its cause, and the waits between: `base * 2**n` seconds up to `cap`, half
    of it random, or what the server asks for in Retry-After up to `cap_asked`. Causes that a repetition cannot cure (a
    wrong key, an unknown model, a request that is rejected or does not fit) are never repeated."""

    rate_limit: int = 6
    server: int = 4
    connection: int = 4
    timeout: int = 1
    bad_reply: int = 2
    base: float = 0.5
    cap: float = 30.0
    cap_asked: float = 120.0

    def allowed(self, failure: Failure) -> int:
        """How many repetitions a failure of this cause gets."""
        if failure.cause not in RETRIED or not failure.retry:
            return 0
        return int(getattr(self, failure.cause))

    def wait(self, failure: Failure, n: int) -> float:
        """Seconds before repetition `n` (from 0)."""
        backoff = min(self.base * 2.0 ** min(n, 30), self.cap)
        jittered = backoff * (0.5 + random.random() / 2)
        if failure.retry_after is None:
            return jittered
        # A little more than asked, and not the same for all that were turned away together.
        return min(failure.retry_after, self.cap_asked) + jittered * 0.1


@dataclass(slots=True)
class Tries:
    """What the tries of one call were. `maybe_paid` counts failed ones that the provider may have billed."""

    count: int = 0
    maybe_paid: int = 0


async def repeat(
    once: Callable[[], Awaitable[T]],
    retries: Retries,
    run: Run,
    name: str,
    where: str,
    tries: Tries | None = None,
) -> T:
    """Awaits `once` until it succeeds; each failed try is a note `model.try` in the run (`try, cause, error, wait`).

    Raises the `ModelError` that the last failure stands for.
    """
    tries = tries or Tries()
    seen: Counter[Cause] = Counter()
    while True:
        tries.count += 1
        try:
            return await once()
        except Exception as error:
            own = own_word(error)
            if own is not None:
                run.note("model.try", {"try": tries.count, "cause": type(own).__name__, "error": str(own)})
                raise own from None
            failure = classify(error)
        tries.maybe_paid += failure.cause in MAYBE_PAID
        again = seen[failure.cause] < retries.allowed(failure)
        wait = retries.wait(failure, tries.count - 1) if again else None
        seen[failure.cause] += 1
        run.note("model.try", _event(tries.count, failure, wait))
        if wait is None:
            # The chain behind it may quote the request's headers.
            raise failure.error(name, where, tries.count) from None
        await asyncio.sleep(wait)


def _event(number: int, failure: Failure, wait: float | None) -> dict[str, Any]:
    event: dict[str, Any] = {"try": number, "cause": failure.cause, "error": failure.detail}
    if failure.status is not None:
        event["status"] = failure.status
    if wait is not None:
        event["wait"] = round(wait, 3)
    return event
