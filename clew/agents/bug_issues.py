"""An issue text from what failing tests said: what was expected, what came, and no word of where the cause is."""

from __future__ import annotations

import re
from collections.abc import Sequence

from clew.graphs.agentless.types import TestResult

_MOST_TESTS, _MOST_LINES, _LONGEST_LINE = 3, 12, 200
_PLACE = re.compile(r"[\w./\\-]+\.py:\d+|\bline \d+\b|File \"[^\"]+\"")


def issue_text(failing: Sequence[TestResult]) -> str:
    """The issue of failing tests, at least one: of up to three that say different things, what each asked and what it
    got."""
    told: dict[str, tuple[str, str, str]] = {}
    for result in failing:
        asked, got = _asked(result.message), _got(result.message)
        told.setdefault(got.partition("\n")[0] or result.name, (result.name, asked, got))
    some = list(told.values())[:_MOST_TESTS]
    name, _, got = some[0]
    parts = [f"{_spoken(name)} fails: {_shortened(got.partition(chr(10))[0] or 'no result')}"]
    for name, asked, got in some:
        lines = [f"The test `{name}` should pass, and does not."]
        if asked:
            lines += ["It asks:", f"```\n{asked}\n```"]
        if got:
            lines += ["What comes:", f"```\n{got}\n```"]
        parts.append("\n\n".join(lines))
    more = len(failing) - len(some)
    if more:
        parts.append("One more test fails." if more == 1 else f"{more} more tests fail.")
    return "\n\n".join(parts) + "\n"


def _asked(message: str) -> str:
    """The statement of the test itself that failed or led to the error: the first one that pytest marks."""
    marked = re.search(r"^>\s+(.*)$", message, re.MULTILINE)
    return _shortened(marked[1]) if marked else ""


def _got(message: str) -> str:
    lines = [match[1] for match in re.finditer(r"^E(?: {1,7}(.*))?$", message, re.MULTILINE) if match[1]]
    if not lines:
        lines = [line for line in message.strip().splitlines()[-1:] if line]
    lines[:1] = [line.strip() for line in lines[:1]]
    return "\n".join(_shortened(_PLACE.sub("...", line)) for line in lines[:_MOST_LINES])


def _spoken(test: str) -> str:
    """`tests/test_a.py::TestCart::test_total[1-2]` as `test total (1-2)`."""
    name, _, case = test.rpartition("::")[2].partition("[")
    return name.replace("_", " ").strip().capitalize() + (f" ({case.rstrip(']')})" if case else "")


def _shortened(line: str) -> str:
    return line if len(line) <= _LONGEST_LINE else line[:_LONGEST_LINE] + " ..."
