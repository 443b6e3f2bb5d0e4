"""One thread per model that writes for all requests at once (rolling batches: Yu et al. 2022, "Orca").

Requests join between two steps: their prompts are read, their caches are put beside those of the others. A row that is
finished, stopped or cancelled leaves at once.
"""

from __future__ import annotations

import atexit
import threading
from collections import deque
from collections.abc import Callable, Sequence

import torch

from clew.errors import ModelError
from clew.models.local import scoring
from clew.models.local.batch import Batch, Forward
from clew.models.local.rows import Row
from clew.models.local.scoring import Score

# Tokens, padding included, of prompts that are read in one pass; the others wait for the next step.
_PREFILL = 8192
# Scored positions of one pass: each holds a float for every word of the vocabulary.
_SCORED = 2048
# Torch's threads are the process's: two models that compute at once would fight for the cores.
_computing = threading.Lock()


class Batcher:
    """The queue, the batch and the thread of one loaded model."""

    def __init__(self, name: str, forward: Forward) -> None:
        self._name = name
        self._forward = forward
        self._batch = Batch(forward)
        self._queue: deque[Row] = deque()
        self._scores: deque[Score] = deque()
        self._changed = threading.Condition()
        self._thread: threading.Thread | None = None
        self._closing = False
        self.most_rows = 0
        atexit.register(self._close)

    def submit(self, row: Row) -> None:
        """Puts a row into the queue; it is served in order of arrival."""
        with self._changed:
            self._queue.append(row)
            self._notify()

    def score(self, score: Score) -> None:
        """Has `score` performed between two steps."""
        with self._changed:
            self._scores.append(score)
            self._notify()

    @property
    def rows(self) -> int:
        """Rows that are being written now."""
        return len(self._batch.rows)

    def _notify(self) -> None:
        if self._thread is None or not self._thread.is_alive():
            # A daemon: the interpreter does not wait for a text that nobody reads any more.
            self._thread = threading.Thread(target=self._work, name=f"clew {self._name}", daemon=True)
            self._thread.start()
        self._changed.notify()

    def _close(self) -> None:
        """Ends the thread before the interpreter takes torch away from under it."""
        with self._changed:
            self._closing = True
            self._changed.notify()
        if self._thread is not None:
            self._thread.join(timeout=10)

    def _work(self) -> None:
        if self._forward.small:
            # Threads that wait for each other would cost more than they compute, and keep the event loop from its core.
            torch.set_num_threads(1)
        with torch.inference_mode():
            while True:
                with self._changed:
                    while not (self._closing or self._queue or self._scores or self._batch.rows):
                        self._changed.wait()
                    if self._closing:
                        return
                    joining, scores = self._joining(), self._scored()
                with _computing:
                    self._turn(joining, scores)

    def _turn(self, joining: list[Row], scores: list[Score]) -> None:
        self._all_or_none(self._batch.leave)
        if joining:
            self._join(joining)
        self.most_rows = max(self.most_rows, self.rows)
        if scores:
            self._score(scores)
        if self.rows:
            self._all_or_none(self._batch.step)

    def _join(self, joining: list[Row]) -> None:
        old, new = self._batch, Batch(self._forward)
        if not self._guarded(lambda: new.start(joining), joining):
            return
        self._all_or_none(lambda: old.merge(new), new.rows)

    def _all_or_none(self, act: Callable[[], None], more: Sequence[Row] = ()) -> None:
        """Does something to the whole batch; caches that it left half done are of no use to any of the rows."""
        if not self._guarded(act, [*self._batch.rows, *more]):
            self._batch = Batch(self._forward)

    def _guarded(self, act: Callable[[], None], rows: list[Row]) -> bool:
        try:
            act()
            return True
        except Exception as error:
            for row in rows:
                row.fail(self._failure(error))
            return False

    def _failure(self, error: Exception) -> ModelError:
        memory = "; lower batch_tokens" if isinstance(error, torch.OutOfMemoryError | MemoryError) else ""
        said = str(error).strip().partition("\n")[0]
        return ModelError(f"model 'local/{self._name}' failed while computing: {type(error).__name__}: {said}{memory}")

    def _score(self, scores: list[Score]) -> None:
        try:
            found = scoring.perform(self._forward, scores)
        except Exception as error:
            for score in scores:
                score.result.set_exception(self._failure(error))
        else:
            for score, values in zip(scores, found, strict=True):
                score.result.set_result(values)

    def _joining(self) -> list[Row]:
        """The next rows of the queue for which there is room, as many as are read in one pass."""
        joining: list[Row] = []
        longest = 0
        while self._queue:
            row = self._queue[0]
            if row.wanted:
                longest = max(longest, len(row.order.ids))
                if (joining and (len(joining) + 1) * longest > _PREFILL) or not self._room(row, joining):
                    break
                joining.append(row)
            self._queue.popleft()
        return joining

    def _room(self, row: Row, joining: list[Row]) -> bool:
        beside = [one for one in self._batch.rows if not one.over] + joining
        if not beside:
            return True
        if not self._forward.merges:
            return False
        orders = [one.order for one in (*beside, row)]
        width = max(order.longest for order in orders)
        rows = min(order.batch_rows for order in orders)
        tokens = min(order.batch_tokens for order in orders)
        return len(orders) <= rows and len(orders) * width <= tokens

    def _scored(self) -> list[Score]:
        taken: list[Score] = []
        longest = most = 0
        while self._scores:
            score = self._scores[0]
            longest, most = max(longest, len(score.ids)), max(most, score.scored)
            number = len(taken) + 1
            full = number * longest > _PREFILL or number * most > _SCORED or not self._forward.merges
            if taken and full:
                break
            self._scores.popleft()
            if score.result.set_running_or_notify_cancel():
                taken.append(score)
        return taken
