"""Real bugs of one line: what a repository's own commits changed, as it was before."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from pathlib import Path

from clew.graphs.agentless.git import git
from clew.graphs.agentless.source import Source

from .bug_kinds import Bug, compiled

KIND = "one_line"
_MOST_COMMITS = 200
_HUNK = re.compile(r"^@@ -\d+(?:,1)? \+\d+(?:,1)? @@")


def history_bugs(repo: Path, commit: str, texts: Mapping[str, str]) -> Iterator[Bug]:
    """For every line that a commit before `commit` changed into another one, the newest first: the file of `texts` with
    the old line. Left out: lines that are not in the file any more, or more than once, and changes of nothing that
    runs."""
    git_dir = Source.find(repo).git_dir
    options = (
        "--first-parent", "--no-merges", f"--max-count={_MOST_COMMITS}", "--format=", "--no-show-signature",
        "--no-renames", "--no-ext-diff", "--no-textconv", "--unified=0", "-p",
    )  # fmt: skip
    where = {"GIT_DIR": str(git_dir)}
    log = git("log", *options, commit or "HEAD", "--", *texts, cwd=git_dir, environment=where)
    seen: set[tuple[str, str]] = set()
    path = ""
    lines = log.decode("utf-8", "replace").split("\n")
    for at, line in enumerate(lines):
        if line.startswith("+++ b/"):
            path = line[len("+++ b/") :].rstrip("\t")
        if not _HUNK.match(line) or path not in texts or [each[:1] for each in lines[at + 1 : at + 3]] != ["-", "+"]:
            continue
        old, new = lines[at + 1][1:], lines[at + 2][1:]
        bug = _bug(path, texts[path], old, new)
        if bug is not None and (path, bug.after) not in seen:
            seen.add((path, bug.after))
            yield bug


def _bug(path: str, text: str, old: str, new: str) -> Bug | None:
    lines = text.split("\n")
    places = [number for number, line in enumerate(lines) if line == new]
    if len(places) != 1 or not new.strip():
        return None
    number = places[0]
    after = "\n".join([*lines[:number], old, *lines[number + 1 :]])
    right, wrong = compiled(text), compiled(after)
    if wrong is None or wrong == right:
        return None
    return Bug(KIND, path, text, after, number + 1, number + 1)
