"""Patches that reach for the judge and not for the bug.

Tests run in one process with the code that they test, so a patch can pass by changing the runner: a new `pytest.py`
at the top of the repository is what `python -m pytest` starts, a module can overwrite how pytest runs a test, and a
function can ask whether it is being tested. Files that decide over tests are put back (`suites.guarded`); what is found
here makes a patch not eligible. It is a list of known means, and no proof of honesty: code that was written to deceive
from inside of the process cannot be told for certain.
"""

from __future__ import annotations

import ast
import re
import sys
import warnings
from collections.abc import Mapping, Sequence

from .repository import Workspace
from .structure import is_test
from .types import Change

_RUNNERS = frozenset({"pytest", "_pytest", "pluggy", "xdist", "pytest_cov", "unittest", "nose", "clew_watch"})
_BELOW_THEM = frozenset({"py", "iniconfig", "exceptiongroup", "packaging", "pygments", "coverage", "tomli", "execnet"})
_ROOTS = ("src/", "lib/")
_BY_NAME = frozenset({"__import__", "import_module", "find_spec", "modules", "exec", "eval"})
# From any class to all that are loaded, and from a call to its callers, the runner's among them.
_FRAMES = frozenset(
    {"f_back", "tb_frame", "gi_frame", "cr_frame", "ag_frame", "sys._getframe", "sys._current_frames"}
    | {"inspect.currentframe", "inspect.stack", "traceback.walk_stack"}
)
_MEANS = _FRAMES | {"__subclasses__", "gc.get_objects", "gc.get_referrers", "os._exit", "posix._exit"}
_MEANS |= {"sys.modules.values", "sys.modules.items"}
_UNDER_TEST = re.compile(r"^(?:PYTEST_\w+|pytest|_pytest(?:\.\w+)*|clew_watch)$")


def tampering(changes: Sequence[Change], workspace: Workspace) -> str:
    """What in the changes reaches for the tests' runner, "" for nothing. Only Python is read, test files are passed
    over, and a runner that the repository's own code imports already is its subject."""
    for change in changes:
        if change.after is None or not change.path.endswith(".py") or is_test(change.path):
            continue
        module = _module(change.path) or _beginning(change.path, workspace)
        if change.before is None and module in _RUNNERS | _BELOW_THEM | sys.stdlib_module_names:
            return f"{change.path}: a new module {module!r} would take the place of the one that tests run with"
        before = _reaches(change.before or "")
        before |= _FRAMES if before & _FRAMES else set()
        for what in sorted(_reaches(change.after) - before):
            if what in _MEANS:
                return f"{change.path}: it uses {what!r}, new to the file, by which code reaches the tests' runner"
            if what not in _RUNNERS or not _subject(workspace, what):
                return f"{change.path}: it uses {what!r}, which belongs to the tests' runner and not to code under test"
    return ""


def _module(path: str) -> str:
    """The name by which a file at a place where imports begin is imported, "" elsewhere."""
    for root in _ROOTS:
        path = path.removeprefix(root)
    name, _, rest = path.removesuffix(".py").partition("/")
    return name if not rest or rest == "__init__" else ""


def _beginning(path: str, workspace: Workspace) -> str:
    """The name of a runner whose place a file takes where the suite says that imports begin: anywhere but in a
    package."""
    folder, _, name = path.removesuffix(".py").removesuffix("/__init__").rpartition("/")
    return name if name in _RUNNERS and f"{folder}/__init__.py" not in workspace.entries else ""


def _reaches(text: str) -> set[str]:
    """Runners that Python code imports, and other means to notice or to change how it is tested."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            nodes = list(ast.walk(ast.parse(text)))
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return set()
    aliases = {alias.asname: alias.name for node in nodes if isinstance(node, ast.Import) for alias in node.names}
    classes = {node.name for node in nodes if isinstance(node, ast.ClassDef)}
    found: set[str] = set()
    words: set[str] = set()
    by_name = False
    for node in nodes:
        if isinstance(node, ast.Import):
            found |= {alias.name.partition(".")[0] for alias in node.names} & _RUNNERS
        elif isinstance(node, ast.ImportFrom) and not node.level:
            found |= {(node.module or "").partition(".")[0]} & _RUNNERS
            found |= {f"{node.module}.{alias.name}" for alias in node.names} & _MEANS
            by_name |= any(alias.name in _BY_NAME for alias in node.names)
        elif isinstance(node, ast.Attribute):
            by_name |= node.attr in _BY_NAME
            found |= {f"{_module_named(node.value, aliases)}.{node.attr}"} & _MEANS
            # A class of the file whose own kinds are looked for is a registry.
            if not (isinstance(node.value, ast.Name) and node.value.id in classes):
                found |= {node.attr} & _MEANS
        elif isinstance(node, ast.Name):
            by_name |= node.id in _BY_NAME
            found |= _hook(node.id) if isinstance(node.ctx, ast.Store) else set()
        elif isinstance(node, ast.FunctionDef):
            found |= _hook(node.name)
        elif isinstance(node, ast.Call) and len(node.args) > 1 and isinstance(node.args[1], ast.Constant):
            # `getattr` by whatever name.
            found |= {f"{_module_named(node.args[0], aliases)}.{node.args[1].value!s}"} & _MEANS
        elif isinstance(node, ast.Constant) and isinstance(node.value, str):
            found |= {node.value} & _MEANS
            words |= {node.value} if _UNDER_TEST.match(node.value) else set()
    # The name of a runner alone may be that of a dependency.
    return found | {word for word in words if by_name or word.startswith("PYTEST_")}


def _module_named(node: ast.expr, aliases: Mapping[str | None, str]) -> str:
    """What an expression stands for: "os" for `os`, `__import__("os")`, `sys.modules["os"]`; "sys.modules" for that."""
    if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name):
        return f"{_module_named(node.value, aliases)}.{node.attr}"
    if isinstance(node, ast.Name):
        return aliases.get(node.id, node.id)
    named = node.args[0] if isinstance(node, ast.Call) and node.args else getattr(node, "slice", None)
    return str(named.value) if isinstance(named, ast.Constant) else ""


def _hook(name: str) -> set[str]:
    """Pytest calls functions by their name in modules that are, or take the place of, its plugins."""
    return {"pytest"} if name.startswith("pytest_") else set()


def _subject(workspace: Workspace, name: str) -> bool:
    """Whether the repository's code, its tests apart, imports `name`."""
    paths = [path for path in workspace.paths() if path.endswith(".py") and not is_test(path)]
    imported = re.compile(rb"^[ \t]*(?:import|from)[ \t]+" + name.encode() + rb"\b", re.MULTILINE)
    return any(imported.search(data) for _, data in workspace.contents(paths))
