"""Small bugs for Python sources: slips that template repair can undo, and others that it cannot.

`known` are edits of the templates of `clew.graphs.agentless.mutate` that one more edit of a template takes back. All
`OTHER` kinds are what people also get wrong and templates do not make: a statement lost, two in the wrong order, a call
of the wrong method, an `else` gone. One of these that a template happens to undo is left out.
"""

from __future__ import annotations

import ast
import random
import warnings
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise

from clew.graphs.agentless.mutate import applied
from clew.graphs.agentless.scopes import File, Function
from clew.graphs.agentless.templates import Mutation, mutations

OTHER = (
    "lost_statement", "swapped_statements", "wrong_method", "lost_await", "lost_else", "wrong_exception", "wrong_key",
    "lost_argument", "wrong_expression",
)  # fmt: skip
_EXCEPTIONS = ("ValueError", "TypeError", "KeyError", "IndexError", "AttributeError", "RuntimeError", "LookupError")
_MOST_OTHERS = 3


Place = tuple[str, Mutation]


@dataclass(frozen=True)
class Bug:
    """`after` is the file with the bug; `first` to `last` are the lines of the statement that it is in."""

    kind: str
    path: str
    before: str
    after: str
    first: int
    last: int


def known_edits(path: str, source: str) -> Iterator[Place]:
    """The edits that templates make of a file; those that no template takes back are left out by `bug_of`."""
    return ((path, edit) for edit in mutations(source) if edit.kind != "guard")


def other_edits(path: str, source: str) -> Iterator[Place]:
    """Edits of all `OTHER` kinds."""
    try:
        tree = ast.parse(source.removeprefix("\ufeff"))
    except (SyntaxError, ValueError, RecursionError):
        return
    file = File(source.encode("utf-8", "surrogatepass"))
    for function in ast.walk(tree):
        if isinstance(function, Function):
            yield from ((path, edit) for edit in _of_function(file, function))


def bug_of(path: str, source: str, edit: Mutation) -> Bug | None:
    """The bug that an edit makes. None when the file does not compile with it or does the same, when templates do not
    undo an edit of theirs, and when they undo one of an `OTHER` kind."""
    after = applied(source, edit)
    if after is None:
        return None
    before, dumped = compiled(source), compiled(after)
    if dumped is None or dumped == before:
        return None
    bug = Bug(edit.kind, path, source, after, edit.first, edit.last)
    return bug if _undone(bug, edit, before) != (edit.kind in OTHER) else None


def _undone(bug: Bug, edit: Mutation, right: str | None) -> bool:
    """Whether one edit of a template makes the file what it was, but for layout and brackets."""
    end = edit.start + len(edit.text)
    near = (each for each in mutations(bug.after) if each.start <= end and each.end >= edit.start)
    texts = dict.fromkeys(applied(bug.after, each) for each in near)
    return any(text is not None and compiled(text) == right for text in texts)


def in_turns(found: Iterable[Place], seed: int) -> Iterator[Place]:
    """All edits in a random order in which the kinds take turns, so that frequent ones do not drown the rare."""
    dice = random.Random(seed)
    queues: dict[str, list[Place]] = {}
    for path, edit in found:
        queues.setdefault(edit.kind, []).append((path, edit))
    for kind in sorted(queues):
        dice.shuffle(queues[kind])
    while queues:
        for kind in sorted(queues):
            yield queues[kind].pop()
            if not queues[kind]:
                del queues[kind]


# ------------------------------------------------------------------------------------------------------------------


_Found = Iterator[tuple[str, int, int, bytes]]


def _of_function(file: File, function: Function) -> Iterator[Mutation]:
    methods, texts, expressions = _vocabulary(file, function)
    for body in _bodies(function):
        for here, after in zip(body, [*body[1:], None], strict=True):
            for kind, start, end, text in _of_statements(file, here, after, len(body)):
                yield Mutation(kind, start, end, text, here.lineno, (after or here).end_lineno or here.lineno)
        for statement in body:
            for node in _own(statement):
                for kind, start, end, text in _of_expression(file, node, methods, texts, expressions):
                    yield Mutation(kind, start, end, text, node.lineno, node.end_lineno or node.lineno)


def _bodies(function: Function) -> Iterator[list[ast.stmt]]:
    """The blocks of a function, without those of functions in it."""
    todo: list[ast.AST] = [function]
    while todo:
        node = todo.pop()
        for name in ("body", "orelse", "finalbody"):
            block = getattr(node, name, None)
            if isinstance(block, list) and block:
                yield block
                todo += [each for each in block if not isinstance(each, Function | ast.ClassDef)]
        todo += [*getattr(node, "handlers", []), *getattr(node, "cases", [])]


def _own(statement: ast.stmt) -> Iterator[ast.expr]:
    """The expressions of a statement without those of statements in it."""
    todo: list[ast.AST] = [
        child for child in ast.iter_child_nodes(statement) if not isinstance(child, ast.stmt | ast.ExceptHandler)
    ]
    if isinstance(statement, ast.Try):
        todo += [handler.type for handler in statement.handlers if handler.type is not None]
    while todo:
        node = todo.pop()
        if isinstance(node, ast.expr):
            yield node
        if not isinstance(node, ast.JoinedStr | ast.Lambda | ast.stmt):
            todo += ast.iter_child_nodes(node)


def _vocabulary(file: File, function: Function) -> tuple[list[str], list[str], list[bytes]]:
    """The methods that a function calls, its keys, and its expressions of several words."""
    methods: dict[str, None] = {}
    keys: dict[object, None] = {}
    expressions: dict[bytes, None] = {}
    for node in ast.walk(function):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute):
            methods[node.func.attr] = None
        if isinstance(node, ast.Subscript) and isinstance(node.slice, ast.Constant):
            keys[node.slice.value] = None
        if isinstance(node, ast.Call | ast.BinOp | ast.Subscript | ast.Compare) and node.end_lineno == node.lineno:
            expressions[file.text(node)] = None
    return list(methods), [key for key in keys if isinstance(key, str)], list(expressions)


def _of_statements(file: File, here: ast.stmt, after: ast.stmt | None, many: int) -> _Found:
    start, end = file.span(here)
    simple = ast.Assign | ast.AugAssign | ast.Expr | ast.Raise | ast.Delete
    text = isinstance(here, ast.Expr) and isinstance(here.value, ast.Constant)
    compound = ast.If | ast.For | ast.While | ast.With
    if not text and (many > 1 or isinstance(here, simple)) and isinstance(here, simple | compound):
        yield "lost_statement", start, end, b"pass"
    if isinstance(here, simple) and not text and isinstance(after, simple):
        first, last = file.span(after)
        if file.text(here) != file.text(after):
            between = file.data[end:first]
            yield "swapped_statements", start, last, file.text(after) + between + file.text(here)
    if isinstance(here, ast.If) and here.orelse:
        tail = file.span(here.body[-1])[1]
        yield "lost_else", tail, end, b""


def _of_expression(
    file: File, node: ast.expr, methods: Sequence[str], keys: Sequence[str], expressions: Sequence[bytes]
) -> _Found:
    start, end = file.span(node)
    match node:
        case ast.Await(value=value):
            yield "lost_await", start, end, file.text(value)
        case ast.Call(func=ast.Attribute(attr=name) as func):
            place = file.span(func)[1]
            for other in [each for each in methods if each != name][:_MOST_OTHERS]:
                yield "wrong_method", place - len(name.encode()), place, other.encode()
        case ast.Name(id=name) if name in _EXCEPTIONS:
            for other in [each for each in _EXCEPTIONS if each != name][:_MOST_OTHERS]:
                yield "wrong_exception", start, end, other.encode()
        case ast.Subscript(slice=ast.Constant(value=str(key)) as index):
            for wrong in [*(each for each in keys if each != key), f"{key}_"][:_MOST_OTHERS]:
                yield "wrong_key", *file.span(index), repr(wrong).encode()
    if isinstance(node, ast.Call) and len(node.args) + len(node.keywords) > 1:
        parts = [*(file.span(each) for each in node.args), *(_keyword(file, each) for each in node.keywords)]
        for before, part in pairwise(parts):
            if before[1] < part[0] < part[1]:
                yield "lost_argument", before[1], part[1], b""
    if isinstance(node, ast.Call | ast.BinOp | ast.Subscript | ast.Compare) and isinstance(
        getattr(node, "ctx", ast.Load()), ast.Load
    ):
        mine = file.text(node)
        others = [each for each in expressions if each != mine and each not in mine and mine not in each]
        for text in others[:_MOST_OTHERS]:
            yield "wrong_expression", start, end, b"(" + text + b")"


def _keyword(file: File, keyword: ast.keyword) -> tuple[int, int]:
    end = file.span(keyword.value)[1]
    if keyword.arg is None:
        return end, end
    return file.starts[keyword.lineno - 1] + keyword.col_offset, end


def compiled(source: str) -> str | None:
    """A file without layout and comments; None for one that does not compile."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            tree = ast.parse(source.removeprefix("\ufeff"))
            compile(source.removeprefix("\ufeff"), "bug", "exec", dont_inherit=True)
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return None
    return ast.dump(tree)
