"""What a test's source says: the names that it means, and where it compares."""

from __future__ import annotations

import ast
import builtins
import importlib.util

LONGEST = 600
_BUILTINS = frozenset(vars(builtins))
_MAINS = ("unittest.main", "pytest.main")
# What a test takes or replaces to see what is printed, or to give what is read.
_STREAMS = ("stdout", "stderr", "stdin")
_CAPTURES = {f"redirect_{name}" for name in _STREAMS}
_PATCHED = {*(f"sys.{name}" for name in _STREAMS), "builtins.print", "builtins.input"}


class Names(ast.NodeVisitor):
    """Which names a test defines, reads, calls and takes attributes of. `foreign` are imports of modules that are not
    there, by which tests mean the program: name in the test to name in the program."""

    def __init__(self, tree: ast.Module) -> None:
        self.bound: set[str] = set()
        self.read: set[str] = set()
        self.called: set[str] = set()
        self.bases: set[str] = set()
        self.foreign: dict[str, str] = {}
        self.functions: list[str] = [
            node.name for node in tree.body if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef))
        ]
        self.visit(tree)

    def of_program(self, entry: str) -> dict[str, str]:
        """Names to look for in the program. A builtin keeps its meaning, whatever the program calls so, unless it is
        the entry point, or the test calls nothing else."""
        free = {name for name in self.read - self.bound if name not in _BUILTINS or name == entry}
        if not entry and not (self.called - self.bound - _BUILTINS) and not self.foreign:
            free |= self.called & _BUILTINS
        return {**{name: name for name in sorted(free)}, **self.foreign}

    def visit_Name(self, node: ast.Name) -> None:
        self.read.add(node.id)

    def visit_Attribute(self, node: ast.Attribute) -> None:
        if isinstance(node.value, ast.Name):
            self.bases.add(node.value.id)
        self.generic_visit(node)

    def visit_Call(self, node: ast.Call) -> None:
        if isinstance(node.func, ast.Name):
            self.called.add(node.func.id)
        self.generic_visit(node)

    def visit_FunctionDef(self, node: ast.FunctionDef) -> None:
        self.bound.add(node.name)
        self.generic_visit(node)

    def visit_AsyncFunctionDef(self, node: ast.AsyncFunctionDef) -> None:
        self.bound.add(node.name)
        self.generic_visit(node)

    def visit_ClassDef(self, node: ast.ClassDef) -> None:
        self.bound.add(node.name)
        self.generic_visit(node)

    def visit_Import(self, node: ast.Import) -> None:
        self.bound.update((alias.asname or alias.name).partition(".")[0] for alias in node.names)

    def visit_ImportFrom(self, node: ast.ImportFrom) -> None:
        names = {alias.asname or alias.name: alias.name for alias in node.names}
        if _there(node):
            self.bound.update(names)
        else:
            self.foreign.update({name: there for name, there in names.items() if name != "*"})


class Instrumented(ast.NodeTransformer):
    """Keeps what an assertion compares, counts what was compared, and drops imports of the program.

    Comparisons are an `assert` of what is no constant, a call of `assert...`, `raises`, `fail` or `exit`, the condition
    of an `if` around such a call or a `raise`, and an exception that was caught where its absence would be an error.
    """

    def visit_Assert(self, node: ast.Assert) -> ast.AST:
        self.generic_visit(node)
        test = node.test
        if isinstance(test, ast.Compare):
            if isinstance(test.left, ast.Constant):
                test.comparators[0] = _kept(test.comparators[0])
            else:
                test.left = _kept(test.left)
        elif isinstance(test, ast.UnaryOp) and isinstance(test.op, ast.Not):
            test.operand = _kept(test.operand)
        else:
            node.test = _kept(test)
        if not isinstance(test, ast.Constant):
            node.test = _marked(node.test)
        return node

    def visit_If(self, node: ast.If) -> ast.AST:
        if any(isinstance(inner, ast.Raise) or _is_check(inner) for inner in ast.walk(node)):
            node.test = _marked(node.test)
        return self.generic_visit(node)

    def visit_Try(self, node: ast.Try) -> ast.AST:
        """An exception that is expected: where it does not come, the test fails."""
        expected = any(
            isinstance(inner, (ast.Raise, ast.Assert)) or _is_check(inner)
            for one in (*node.body, *node.orelse)
            for inner in ast.walk(one)
        )
        self.generic_visit(node)
        for handler in node.handlers if expected else ():
            mark = ast.Expr(_marked(ast.copy_location(ast.Constant(None), handler)))
            handler.body.insert(0, ast.copy_location(mark, handler))
        return node

    def visit_Call(self, node: ast.Call) -> ast.AST:
        self.generic_visit(node)
        return _marked(node) if _is_check(node) else node

    def visit_Expr(self, node: ast.Expr) -> ast.AST:
        if isinstance(node.value, ast.Call) and ast.unparse(node.value.func) in _MAINS:
            return ast.copy_location(ast.Pass(), node)  # its tests run all the same
        return self.generic_visit(node)

    def visit_ImportFrom(self, node: ast.ImportFrom) -> ast.AST | None:
        return node if _there(node) else ast.copy_location(ast.Pass(), node)


def _kept(node: ast.expr, function: str = "__left__") -> ast.expr:
    call = ast.Call(ast.copy_location(ast.Name(function, ast.Load()), node), [node], [])
    return ast.copy_location(call, node)


def _marked(node: ast.expr) -> ast.expr:
    return _kept(node, "__checked__")


def _is_check(node: ast.AST) -> bool:
    if not isinstance(node, ast.Call):
        return False
    name = node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")
    return name.startswith("assert") or name in ("raises", "warns", "fail", "exit")


def _there(node: ast.ImportFrom) -> bool:
    try:
        return not node.level and importlib.util.find_spec((node.module or "").partition(".")[0]) is not None
    except (ImportError, ValueError):
        return False


def statement(tree: ast.Module, line: int) -> str:
    """The innermost statement of the test that a line belongs to; of a compound one nothing."""
    around = [
        node
        for node in ast.walk(tree)
        if isinstance(node, (ast.Assert, ast.Expr, ast.Assign, ast.Return))
        and node.lineno <= line <= (node.end_lineno or node.lineno)
    ]
    return ast.unparse(around[-1])[:LONGEST] if around else ""


def captures(node: ast.AST) -> bool:
    """Whether a node stands for streams of the test's own process in place of those of the program."""
    if isinstance(node, (ast.Name, ast.alias)):
        return (node.id if isinstance(node, ast.Name) else node.name) in _CAPTURES
    if isinstance(node, ast.Attribute):
        stored = isinstance(node.ctx, ast.Store) and node.attr in _STREAMS
        return node.attr in _CAPTURES or (stored and ast.unparse(node.value) == "sys")
    return isinstance(node, ast.Constant) and node.value in _PATCHED
