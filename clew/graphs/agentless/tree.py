"""The tree of files as it stands in the prompts for files and folders.

The released code prints one name a line, four blanks a level, folders with a slash, and the whole repository however
large. Here a tree that would be too long has folders folded, the deepest and largest first, with the number of files
inside.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

_INDENT = "    "


@dataclass(slots=True)
class _Folder:
    name: str
    depth: int
    folders: dict[str, _Folder] = field(default_factory=dict)
    files: list[str] = field(default_factory=list)
    folded: bool = False

    def count(self) -> int:
        return len(self.files) + sum(folder.count() for folder in self.folders.values())

    def every(self) -> list[_Folder]:
        found, at = [self], 0
        while at < len(found):
            found += found[at].folders.values()
            at += 1
        return found


def rendered_tree(paths: Iterable[str], max_lines: int | None = None) -> str:
    """The paths as an indented tree, folders first, both in alphabetical order; "" for no paths.

    With `max_lines`, folders are folded to one line (`name/ (12 files)`) until that many lines are left, or nothing can
    be folded.
    """
    root = _Folder("", -1)
    for path in paths:
        *folders, name = path.split("/")
        place = root
        for folder in folders:
            place = place.folders.setdefault(folder, _Folder(folder, place.depth + 1))
        place.files.append(name)
    if max_lines is not None:
        _fold(root, max_lines)
    return "".join(f"{line}\n" for line in _lines(root))


def _fold(root: _Folder, max_lines: int) -> None:
    every = root.every()[1:]
    lines = {id(folder): len(folder.files) for folder in every}
    left = len(root.files) + sum(len(folder.files) + 1 for folder in every)
    # Deeper folders are folded before those around them, so a folded folder holds folded ones alone.
    for folder in sorted(every, key=lambda each: (-each.depth, -lines[id(each)], each.name)):
        if left <= max_lines:
            return
        folder.folded = True
        left -= len(folder.files) + len(folder.folders)


def _lines(folder: _Folder) -> Iterable[str]:
    for name, inner in sorted(folder.folders.items()):
        indent = _INDENT * inner.depth
        if inner.folded:
            count = inner.count()
            yield f"{indent}{name}/ ({count} file{'s' if count != 1 else ''})"
        else:
            yield f"{indent}{name}/"
            yield from _lines(inner)
    for name in sorted(folder.files):
        yield f"{_INDENT * (folder.depth + 1)}{name}"
