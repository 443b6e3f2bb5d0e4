"""Which files of a folder are looked at."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

SKIPPED = frozenset({"node_modules", "__pycache__", "site-packages", "dist-info", "egg-info"})
SPHINX = frozenset({"_sources", "_static", "_images", "_downloads"})
SPHINX_MARKS = frozenset({"objects.inv", ".buildinfo", "searchindex.js"})


def walk(folder: Path, without: Path | None = None) -> Iterator[tuple[str, Path | str]]:
    """(path inside `folder`, file) of every regular file, in order; a reason stands in for a file that is left out.

    Hidden folders and files, virtual environments, caches and `without` are passed over in silence; so are the
    copies of its sources and the assets that Sphinx puts into a built documentation. Symbolic links are not followed.
    """
    for here, folders, files in os.walk(folder, followlinks=False):
        built = not SPHINX_MARKS.isdisjoint(files)
        folders[:] = sorted(name for name in folders if not _passed_over(name) and not (built and name in SPHINX))
        folders[:] = [name for name in folders if not _foreign(Path(here, name), without)]
        for name in sorted(files):
            if name.startswith(".") or name in SPHINX_MARKS:
                continue
            file = Path(here, name)
            inside = file.relative_to(folder).as_posix()
            if file.is_symlink():
                yield inside, "symbolic link"
            elif file.is_file():
                yield inside, file


def _passed_over(name: str) -> bool:
    return name.startswith(".") or name in SKIPPED or name.endswith((".egg-info", ".dist-info"))


def _foreign(folder: Path, without: Path | None) -> bool:
    return folder == without or (folder / "pyvenv.cfg").exists()
