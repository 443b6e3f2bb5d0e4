"""The lines of a repository that each test ran, as the plugin `inside/watch.py` brings them out of the sandbox."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

MOST_LINES = 5_000_000


@dataclass(frozen=True)
class Coverage:
    """`tests` holds, by test id, the lines of each file that the test ran, from 1.

    Lines of modules and classes run when they are imported, once and before or in whichever test comes first. They are
    in `modules`, and count as run by each test that runs a line of a function of the same file.
    """

    tests: Mapping[str, Mapping[str, frozenset[int]]] = field(default_factory=dict)
    modules: Mapping[str, frozenset[int]] = field(default_factory=dict)

    @classmethod
    def read(cls, data: Any) -> Coverage:
        """From the plugin's JSON. Raises `ValueError` for what is not that."""
        if not isinstance(data, dict) or not all(isinstance(data.get(key), dict) for key in ("tests", "modules")):
            raise ValueError("the coverage is not what the plugin writes")
        room = [MOST_LINES]
        modules = {str(path): _lines(ranges, room) for path, ranges in data["modules"].items()}
        tests = {
            str(test): {str(path): _lines(ranges, room) for path, ranges in files.items()}
            for test, files in data["tests"].items()
        }
        return cls(tests, modules)

    def lines(self, test: str) -> Iterator[tuple[str, int]]:
        """(path, line) of all that the test ran."""
        for path, lines in self.tests.get(test, {}).items():
            for line in lines | self.modules.get(path, frozenset()):
                yield path, line

    def tests_of(self, path: str, lines: Iterable[int]) -> list[str]:
        """The tests that ran any of these lines of a file."""
        wanted = set(lines)
        imported = bool(wanted & self.modules.get(path, frozenset()))
        return [
            test
            for test, files in self.tests.items()
            if path in files and (imported or not wanted.isdisjoint(files[path]))
        ]


def _lines(ranges: Any, room: list[int]) -> frozenset[int]:
    """ "1-3,7" as {1, 2, 3, 7}; `room` is how many more lines there may be in all."""
    if not isinstance(ranges, str):
        raise ValueError("lines are ranges in a string")
    found: set[int] = set()
    for piece in filter(None, ranges.split(",")):
        first, _, last = piece.partition("-")
        start, end = int(first), int(last or first)
        room[0] -= end - start + 1
        if not 1 <= start <= end or room[0] < 0:
            raise ValueError(f"{piece!r} is no range of lines, or there are too many")
        found.update(range(start, end + 1))
    return frozenset(found)
