"""Scripts that tell whether an issue is there: read from answers, compared, and run in a workspace.

A script prints one of three phrases. Where it runs they carry a number that follows from the script and the files, so
that a patch cannot print them unless it reads the script while that runs.
"""

from __future__ import annotations

import ast
import re
import warnings
from collections.abc import Mapping
from dataclasses import replace
from hashlib import sha256
from pathlib import PurePosixPath
from typing import Literal

from clew.sandbox.types import Execution, Sandbox
from clew.scoring.extract import code_in

from .normalise import canonical
from .repository import Workspace
from .suites import Suite, run_inside, seal_of

REPRODUCED, RESOLVED, OTHER = "Issue reproduced", "Issue resolved", "Other problem"
SECONDS = 60.0
"""The wall time of one script."""

Said = Literal["reproduced", "resolved", "other", "invalid"]

_SAYS: Mapping[str, Said] = {REPRODUCED: "reproduced", RESOLVED: "resolved", OTHER: "other"}
_NOT_PYTHON = (SyntaxError, ValueError, RecursionError, MemoryError)
_LONGEST = 50_000


def script_in(answer: str) -> str:
    """The script of an answer; "" when there is none that is Python and can print what a reproduction test must."""
    script = code_in(answer)
    if len(script) > _LONGEST or REPRODUCED not in script or RESOLVED not in script:
        return ""
    return script if _parsed(script) is not None else ""


def script_key(script: str) -> str:
    """Equal for scripts that run alike: without comments, docstrings and layout, and whatever the function is called
    that they call at last."""
    tree = _parsed(script)
    if tree is None:
        return ""
    try:
        text = ast.unparse(_Renamed(_last_called(tree)).visit(tree))
    except RecursionError:
        text = script
    return sha256(canonical("script.py", text).encode("utf-8", "replace")).hexdigest()[:32]


def _parsed(script: str) -> ast.Module | None:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return ast.parse(script)
    except _NOT_PYTHON:
        return None


def _last_called(tree: ast.Module) -> str:
    """The name of the function of the script that it calls at last, at top level or under `if __name__ == ...`."""
    own = {node.name for node in tree.body if isinstance(node, ast.FunctionDef)}
    last = tree.body[-1] if tree.body else None
    while isinstance(last, ast.If):
        last = last.body[-1]
    called = last.value if isinstance(last, ast.Expr) else None
    function = called.func if isinstance(called, ast.Call) else None
    return function.id if isinstance(function, ast.Name) and function.id in own else ""


class _Renamed(ast.NodeTransformer):
    def __init__(self, name: str) -> None:
        self.name = name

    def visit_FunctionDef(self, node: ast.FunctionDef) -> ast.AST:
        node.name = "check" if node.name == self.name else node.name
        return self.generic_visit(node)

    def visit_Name(self, node: ast.Name) -> ast.AST:
        node.id = "check" if node.id == self.name else node.id
        return node


async def run_script(sandbox: Sandbox, suite: Suite, workspace: Workspace, script: str) -> Said:
    """What a script says in a copy of a workspace, with the suite's environment; "invalid" when that is nothing, two
    things at once, or when it is stopped. One effect of kind `program`. Raises `SandboxFailed`, `Refused`."""
    # The script does not find the number on its standard input: it runs code of the patch.
    seal = seal_of(workspace, script)[:12]
    name = f"clew_reproduction_{seal}.py"
    word = PurePosixPath(suite.command[0])
    python = suite.command[0] if re.fullmatch(r"python[\d.]*", word.name) else "python3"
    limits = replace(suite.limits, seconds=min(SECONDS, suite.limits.seconds))
    laid = {name: _sealed(script, seal)}
    execution, _ = await run_inside(sandbox, suite, workspace, seal, [python, name], {}, files=laid, limits=limits)
    return _said(execution, seal)


def _sealed(script: str, seal: str) -> str:
    for phrase in _SAYS:
        script = script.replace(phrase, f"{phrase} [{seal}]")
    return script


def _said(execution: Execution, seal: str) -> Said:
    found = [phrase for phrase in _SAYS if f"{phrase} [{seal}]" in execution.stdout]
    # An exit code above is that of a command that could not be run, or of a signal.
    if len(found) != 1 or execution.status not in ("ok", "error") or execution.exit_code >= 126:
        return "invalid"
    return _SAYS[found[0]]
