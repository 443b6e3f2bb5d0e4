"""Numbers, times and tables for people. Results go to stdout, everything else to stderr."""

from __future__ import annotations

import json
import os
import re
import shutil
import sys
import textwrap
import time
from collections.abc import Sequence
from typing import Any

# Model and page texts are data: an escape sequence in them must not reach the terminal.
_CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]")


def out(text: str = "") -> None:
    """A line of the result."""
    sys.stdout.write(_printable(text, sys.stdout) + "\n")


def say(text: str) -> None:
    """A line of progress, or a hint."""
    sys.stderr.write(_printable(text, sys.stderr) + "\n")
    sys.stderr.flush()


def out_json(value: dict[str, Any]) -> None:
    """One JSON object on one line of stdout."""
    # ASCII only where the stream cannot hold more.
    utf8 = (sys.stdout.encoding or "").lower().replace("-", "") == "utf8"
    text = json.dumps(value, ensure_ascii=not utf8).encode("utf-8", "backslashreplace").decode()
    sys.stdout.write(text + "\n")
    sys.stdout.flush()


def _printable(text: str, stream: Any) -> str:
    encoding = stream.encoding or "utf-8"
    return text.encode(encoding, "replace").decode(encoding)


def clean(text: str) -> str:
    """`text` without control characters, line ends kept."""
    return _CONTROL.sub("", text.replace("\r\n", "\n"))


def line(text: str) -> str:
    """`text` on one line."""
    return " ".join(clean(text).split())


def clip(text: str, width: int) -> str:
    """One line of at most `width` characters."""
    text = line(text)
    return text if len(text) <= width else text[: max(width - 1, 0)].rstrip() + "…"


def wrapped(text: str, indent: str = "") -> str:
    """`text` filled to the width of the terminal."""
    return textwrap.fill(line(text), width=max(width() - 1, 40), initial_indent=indent, subsequent_indent=indent)


def width() -> int:
    """Columns of the terminal; 100 where there is none."""
    return shutil.get_terminal_size((100, 24)).columns


def bold(text: str) -> str:
    return f"\x1b[1m{text}\x1b[0m" if _colour(sys.stdout) else text


def dim(text: str) -> str:
    return f"\x1b[2m{text}\x1b[0m" if _colour(sys.stdout) else text


def coloured(text: str, colour: str) -> str:
    """`colour` is green, yellow or red."""
    code = {"green": 32, "yellow": 33, "red": 31}[colour]
    return f"\x1b[{code}m{text}\x1b[0m" if _colour(sys.stdout) else text


def _colour(stream: Any) -> bool:
    return bool(stream.isatty()) and "NO_COLOR" not in os.environ and os.environ.get("TERM") != "dumb"


def money(usd: float | None) -> str:
    if usd is None:
        return "$?"
    if usd == 0:
        return "$0"
    return f"${usd:.2f}" if usd >= 1 else f"${usd:.4f}" if usd >= 0.0001 else "<$0.0001"


def count(number: int, noun: str, plural: str = "") -> str:
    """`1 page`, `1,204 pages`."""
    return f"{number:,} {noun if number == 1 else plural or noun + 's'}"


def duration(seconds: float) -> str:
    """`3.2 s`, `2 min 05 s`, `1 h 12 min`, `3 d 4 h`."""
    if seconds < 59.95:
        return f"{seconds:.1f} s"
    minutes, rest = divmod(round(seconds), 60)
    if minutes < 60:
        return f"{minutes} min {rest:02d} s"
    hours, minutes = divmod(minutes, 60)
    return f"{hours} h {minutes:02d} min" if hours < 48 else f"{hours // 24} d {hours % 24} h"


def ago(when: float) -> str:
    """`just now`, `5 min ago`, `yesterday`'s hours, then the date."""
    seconds = time.time() - when
    if seconds < 60:
        return "just now"
    if seconds < 3600:
        return f"{int(seconds / 60)} min ago"
    if seconds < 48 * 3600:
        return f"{int(seconds / 3600)} h ago"
    return time.strftime("%Y-%m-%d", time.localtime(when))


def size(number: float) -> str:
    """`14.2 MB`."""
    for unit in ("B", "kB", "MB", "GB"):
        if number < 1000 or unit == "GB":
            break
        number /= 1000
    return f"{number:.0f} B" if unit == "B" else f"{number:.1f} {unit}"


def table(head: Sequence[str], rows: Sequence[Sequence[str]], right: Sequence[int] = ()) -> None:
    """Columns as wide as their widest cell; on a terminal the last one takes what is left. `right`: right-aligned."""
    cells = [[line(cell) for cell in row] for row in rows]
    widths = [max(len(head[i]), *(len(row[i]) for row in cells), 0) for i in range(len(head))]
    narrow = sys.stdout.isatty()
    last = max(width() - sum(widths[:-1]) - 2 * (len(head) - 1) - 1, 20)

    def shown(row: Sequence[str]) -> str:
        padded = zip(row, widths, strict=True)
        fixed = [cell.rjust(w) if i in right else cell.ljust(w) for i, (cell, w) in enumerate(padded)]
        return "  ".join([*fixed[:-1], clip(row[-1], last) if narrow else row[-1]]).rstrip()

    out(bold(shown(head)))
    for row in cells:
        out(shown(row))
