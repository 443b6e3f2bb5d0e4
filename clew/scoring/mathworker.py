"""The process that compares mathematical answers: `python -m clew.scoring.mathworker`.

One JSON object per line in, `{"gold": ..., "answer": ..., "seconds": ...}`, and one out, `{"equal": true | false |
null}`, null when math-verify raised or cannot read the gold answer; first of all `{"ready": true}`. Answers of a model
are hostile text: they are read by math-verify's LaTeX grammar alone (its reader of plain expressions ends in `eval`),
in this process, which has little memory, no secrets in its environment, and about `seconds` of processor time for the
comparison. The other side enforces real time.
"""

from __future__ import annotations

import json
import os
import queue
import resource
import sys
import threading
from typing import TextIO

# Bytes: of address space at most, and of memory from which on a comparison counts as having run short of it.
MEMORY = 1 << 30
STRAINED = 1 << 29


def main() -> None:
    replies = _own_stdout()
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))
    lines: queue.SimpleQueue[str] = queue.SimpleQueue()
    threading.Thread(target=_read, args=(lines,), daemon=True).start()
    _load()
    _say(replies, ready=True)
    while True:
        asked = json.loads(lines.get())
        _limit_cpu(asked["seconds"])
        found = equal(asked["gold"], asked["answer"])
        # math-verify takes a MemoryError for "not equal", and a process that had one is of no further use.
        strained = _most_memory() > STRAINED
        _say(replies, equal=None if strained and not found else found)
        if strained:
            return


def equal(gold: str, answer: str) -> bool | None:
    """What math-verify says; None when it raises."""
    from math_verify import LatexExtractionConfig, parse, verify

    latex = [LatexExtractionConfig()]
    # Signals would fire in the middle of the loop above: no time limits inside.
    try:
        wanted, given = (
            parse(_as_latex(text), latex, parsing_timeout=None, raise_on_error=True) for text in (gold, answer)
        )
        if all(isinstance(part, str) for part in wanted):  # what it could not read it gives back as text
            return None
        return bool(verify(wanted, given, timeout_seconds=None, raise_on_error=True))
    except Exception:
        return None


def _as_latex(text: str) -> str:
    text = text.strip()
    if any(opening in text for opening in (r"\(", r"\[", r"\boxed")):
        return text
    return f"${text.replace(chr(92) + '$', '').replace('$', '')}$"


def _own_stdout() -> TextIO:
    """The pipe to the other side; what a library prints goes to stderr."""
    replies = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)
    return replies


def _read(lines: queue.SimpleQueue[str]) -> None:
    for line in sys.stdin:
        lines.put(line)
    # The other side has gone, whatever is being computed here.
    os._exit(0)


def _load() -> None:
    """Imports and fills caches, so that the first comparison is not the slow one."""
    import logging

    logging.disable()
    equal("1", r"\frac12")


def _most_memory() -> int:
    """Bytes of memory that this process has held at most. `ru_maxrss` begins with what its parent held, on Linux."""
    try:
        with open("/proc/self/status", encoding="ascii") as status:
            return next(int(line.split()[1]) * 1024 for line in status if line.startswith("VmHWM:"))
    except (OSError, StopIteration):
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024)


def _limit_cpu(seconds: float) -> None:
    """Arithmetic on huge integers lets no other thread run: only the kernel stops it when the other side is gone."""
    used = resource.getrusage(resource.RUSAGE_SELF)
    _, hard = resource.getrlimit(resource.RLIMIT_CPU)
    resource.setrlimit(resource.RLIMIT_CPU, (int(used.ru_utime + used.ru_stime + seconds) + 2, hard))


def _say(replies: TextIO, **data: bool | None) -> None:
    replies.write(json.dumps(data) + "\n")
    replies.flush()


if __name__ == "__main__":
    main()
