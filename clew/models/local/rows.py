"""One text that is being written: its tokens, its text as it becomes certain, and the way back to who waits for it."""

from __future__ import annotations

import asyncio
import random
import time
from collections import deque
from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import dataclass
from typing import Literal

from clew.errors import ModelError
from clew.models.local.sampling import Sampling
from clew.models.streaming import StopScanner

Decode = Callable[[Sequence[int]], str]
# Seconds between two pieces for the waiting side: one costs more there than many tokens cost here.
_TELL = 0.25
# Tokens before the first new one: some tokenizers write a token differently at the start of a text.
_CONTEXT = 6
_UNFINISHED = "\ufffd"


class Writer:
    """Text from tokens. A character that is spread over several tokens comes with the last of them; pieces and `rest`
    together are the text of all tokens."""

    def __init__(self, decode: Decode, before: Sequence[int]) -> None:
        self._decode = decode
        self._window = list(before[-_CONTEXT:])
        self._read = len(self._window)
        self._known = decode(self._window)

    def add(self, token: int) -> str:
        self._window.append(token)
        text = self._decode(self._window)
        if text.endswith(_UNFINISHED):
            return ""
        piece = text[len(self._known) :]
        self._window = self._window[self._read :]
        self._read = len(self._window)
        self._known = self._decode(self._window)
        return piece

    def rest(self) -> str:
        """What was held back and will not be completed any more."""
        return self._decode(self._window)[len(self._known) :]


@dataclass(frozen=True, slots=True)
class Piece:
    """One token: `text` is its own, `taken` the part before the end of a stop string."""

    token: int
    logprob: float
    text: str
    taken: str


@dataclass(frozen=True, slots=True)
class Order:
    """What one row is asked for. `ends` are the tokens that end a text; `batch_rows` and `batch_tokens` limit the batch
    that the row joins."""

    ids: list[int]
    max_tokens: int
    sampling: Sampling
    seed: int | None
    stops: tuple[str, ...]
    ends: frozenset[int]
    batch_rows: int
    batch_tokens: int

    @property
    def longest(self) -> int:
        """Tokens that the row may come to hold."""
        return len(self.ids) + self.max_tokens


class Row:
    """Made in the event loop that waits for it; written by the model's thread."""

    def __init__(self, order: Order, decode: Decode) -> None:
        self.order = order
        self.count = 0
        self.last = order.ids[-1]
        self.finish: Literal["stop", "length"] | None = None
        self.wanted = True
        self._random = random.Random(order.seed)
        self._writer = Writer(decode, order.ids)
        self._scanner = StopScanner(order.stops)
        self._pieces: deque[Piece] = deque()
        self._error: ModelError | None = None
        self._loop = asyncio.get_running_loop()
        self._woken = asyncio.Event()
        self._told = time.monotonic()

    @property
    def stop(self) -> str | None:
        """The stop string that ended the text."""
        return self._scanner.stop

    @property
    def over(self) -> bool:
        return self.finish is not None or self._error is not None or not self.wanted

    def draw(self) -> float:
        """The random number of the next token: the n-th of the seed's sequence, whatever else is being written."""
        return 0.0 if self.order.sampling.greedy else self._random.random()

    def take(self, token: int, logprob: float) -> None:
        """Writes one token and tells the waiting side, now or a little later."""
        self.last = token
        self.count += 1
        end = token in self.order.ends
        text = self._writer.rest() if end else self._writer.add(token)
        taken = self._scanner.feed(text)
        if end or self.stop is not None:
            self.finish = "stop"
        elif self.count >= self.order.max_tokens:
            rest = self._writer.rest()
            text, taken = text + rest, taken + self._scanner.feed(rest)
            self.finish = "stop" if self.stop is not None else "length"
        self._pieces.append(Piece(token, logprob, text, taken))
        now = time.monotonic()
        if self.finish is not None or now - self._told >= _TELL:
            self._told = now
            self._wake()

    def fail(self, error: ModelError) -> None:
        if self.finish is None:
            self._error = error
            self._wake()

    def _wake(self) -> None:
        try:
            self._loop.call_soon_threadsafe(self._woken.set)
        except RuntimeError:  # The loop is closed: nobody waits any more.
            self.wanted = False

    async def pieces(self) -> AsyncIterator[list[Piece]]:
        """What was written since the last time, until the text is finished. Leaving early gives the place away."""
        try:
            while True:
                await self._woken.wait()
                self._woken.clear()
                finished = self.finish is not None
                if self._error is not None:
                    raise self._error
                found = [self._pieces.popleft() for _ in range(len(self._pieces))]
                if found:
                    yield found
                if finished:
                    return
        finally:
            self.wanted = False
