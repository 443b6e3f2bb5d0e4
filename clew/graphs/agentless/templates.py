"""Small edits of Python sources, as classic template repair makes them: each undoes one common slip.

A mutation is a piece of the file and what to put there; all else stays byte for byte. Places come from the positions of
`ast`. Left alone: docstrings, annotations, and what stands inside of f-strings, whose parts have no positions of their
own before Python 3.12.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import combinations, pairwise

from .scopes import File, Function, Scope

# How often one mutation of a kind is what a one-line fix needs, relative to the others: a guess, to be measured.
PRIORS = {
    "boundary": 0.9, "boolean": 0.7, "arithmetic": 0.7, "comparison": 0.65, "off_by_one": 0.65, "constant": 0.6,
    "sibling": 0.6, "negate": 0.55, "variable": 0.5, "swap": 0.5, "drop": 0.4, "return": 0.35, "statement": 0.3,
    "guard": 0.25, "text": 0.2,
}  # fmt: skip
_COMPARED = {
    ast.Lt: ("<", ["<="], [">", ">="]),
    ast.LtE: ("<=", ["<"], [">=", ">"]),
    ast.Gt: (">", [">="], ["<", "<="]),
    ast.GtE: (">=", [">"], ["<=", "<"]),
    ast.Eq: ("==", [], ["!=", "<=", ">="]),
    ast.NotEq: ("!=", [], ["==", "<", ">"]),
    ast.Is: (r"is\b", [], ["is not", "=="]),
    ast.IsNot: (r"is\s+not\b", [], ["is", "!="]),
    ast.In: (r"in\b", [], ["not in", "=="]),
    ast.NotIn: (r"not\s+in\b", [], ["in", "!="]),
}
_ARITHMETIC = {
    ast.Add: ("+", ["-"]), ast.Sub: ("-", ["+"]), ast.Mult: ("*", ["/", "//", "+", "**"]), ast.Div: ("/", ["*", "//"]),
    ast.FloorDiv: ("//", ["/", "%", "*"]), ast.Mod: ("%", ["//", "/"]), ast.Pow: ("**", ["*"]),
    ast.LShift: ("<<", [">>"]), ast.RShift: (">>", ["<<"]), ast.BitAnd: ("&", ["|"]), ast.BitOr: ("|", ["&"]),
    ast.BitXor: ("^", ["&", "|"]),
}  # fmt: skip
_SIBLINGS = (
    ("min", "max"), ("any", "all"), ("sorted", "reversed"), ("floor", "ceil"), ("append", "extend"), ("add", "discard"),
    ("append", "insert"), ("lower", "upper"), ("strip", "lstrip", "rstrip"), ("find", "rfind"), ("index", "rindex"),
    ("split", "rsplit"), ("partition", "rpartition"), ("startswith", "endswith"), ("keys", "values", "items"),
    ("union", "intersection", "difference"), ("issubset", "issuperset"), ("ljust", "rjust"),
    ("removeprefix", "removesuffix"),
    ("appendleft", "append"), ("popleft", "pop"), ("isdigit", "isalpha", "isalnum"), ("match", "search", "fullmatch"),
    ("int", "float"), ("list", "tuple"), ("encode", "decode"), ("update", "setdefault"), ("isinstance", "issubclass"),
)  # fmt: skip
_CALLS_OFF = frozenset({"range", "len", "islice"})
_MOST_NAMES, _MOST_TEXTS = 6, 5


@dataclass(frozen=True, slots=True)
class Mutation:
    """`data[start:end]` of the file becomes `text`; `first` to `last` are the lines of the statement around it."""

    kind: str
    start: int
    end: int
    text: bytes
    first: int
    last: int


def mutations(source: str) -> Iterator[Mutation]:
    """All that the templates make of one file, in no order that means anything; none for what Python cannot parse."""
    try:
        tree = ast.parse(source.removeprefix("\ufeff"))
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return
    file = File(source.encode("utf-8", "surrogatepass"))
    yield from _block(file, tree.body, Scope.of(tree, None))


# Statements ------------------------------------------------------------------------------------------------------

_NOT_ITS_OWN = ("annotation", "returns", "body", "orelse", "finalbody", "type_params")
_Found = Iterator[tuple[str, int, int, bytes]]


def _block(file: File, body: Sequence[ast.stmt], scope: Scope, owner: ast.ClassDef | None = None) -> Iterator[Mutation]:
    for statement in body:
        first, last = _header(statement)
        if not (isinstance(statement, ast.Expr) and isinstance(statement.value, ast.Constant)):
            for kind, start, end, text in _statement(file, statement, scope):
                yield Mutation(kind, start, end, text, first, last)
        inner = scope
        if isinstance(statement, Function):
            inner = Scope.of(statement, scope, owner)
        elif isinstance(statement, ast.For | ast.AsyncFor | ast.While):
            inner = Scope(scope.node, scope.names, scope.attributes, scope.outer, True)
        within = statement if isinstance(statement, ast.ClassDef) else None
        for blocks in ("body", "orelse", "finalbody"):
            yield from _block(file, getattr(statement, blocks, []), inner, within)
        for part in [*getattr(statement, "handlers", []), *getattr(statement, "cases", [])]:
            yield from _block(file, part.body, inner)


def _header(statement: ast.stmt) -> tuple[int, int]:
    """The lines of a statement without those of the statements in it."""
    first = min([statement.lineno, *(each.lineno for each in getattr(statement, "decorator_list", []))])
    body = getattr(statement, "body", None) or getattr(statement, "cases", None)
    if not body:
        return first, statement.end_lineno or first
    begins = body[0].pattern.lineno if isinstance(body[0], ast.match_case) else body[0].lineno
    return first, max(first, begins - 1)


def _statement(file: File, statement: ast.stmt, scope: Scope) -> _Found:
    start, end = file.span(statement)
    match statement:
        case ast.If(test=test) | ast.While(test=test) | ast.Assert(test=test):
            yield from _condition(file, test)
            yield from _safe_condition(file, test, scope)
        case ast.AugAssign(op=op, target=target, value=value) if type(op) in _ARITHMETIC:
            symbol, others = _ARITHMETIC[type(op)]
            if place := file.operator(target, value, re.escape(symbol + "=")):
                for other in [*others[:2], ""]:
                    yield "arithmetic", *place, other.encode() + b"="
        case ast.Return(value=value) if scope.is_function:
            yield from _returned(file, start, value, scope)
        case ast.Break():
            yield "statement", start, end, b"continue"
        case ast.Continue():
            yield "statement", start, end, b"break"
    if isinstance(statement, ast.Expr | ast.Assign | ast.AugAssign | ast.Raise | ast.Delete):
        yield "statement", start, end, b"pass"
    if isinstance(statement, ast.Expr | ast.Assign | ast.AugAssign | ast.Return | ast.For) and scope.is_function:
        yield from _guards(file, statement, scope)
    for expression in _expressions(statement):
        yield from _expression(file, expression, scope)


def _expressions(node: ast.AST) -> Iterator[ast.expr]:
    """The expressions directly under a node, without annotations and what is not an expression's own."""
    for name, value in ast.iter_fields(node):
        if name in _NOT_ITS_OWN and isinstance(node, ast.stmt):
            continue
        for child in value if isinstance(value, list) else [value]:
            if isinstance(child, ast.expr):
                yield child
            elif isinstance(child, ast.arguments | ast.keyword | ast.withitem | ast.comprehension):
                yield from _expressions(child)


def _condition(file: File, test: ast.expr) -> _Found:
    start, end = file.span(test)
    if isinstance(test, ast.UnaryOp) and isinstance(test.op, ast.Not):
        yield "negate", start, end, file.text(test.operand)
    elif not isinstance(test, ast.Compare):  # a comparison is negated by its operator
        yield "negate", start, end, b"not (" + file.text(test) + b")"
    if isinstance(test, ast.Compare | ast.BoolOp | ast.NamedExpr):
        yield "negate", start, end, b"not (" + file.text(test) + b")"


def _returned(file: File, start: int, value: ast.expr | None, scope: Scope) -> _Found:
    begin, end = file.span(value) if value is not None else (start + len(b"return"), start + len(b"return"))
    space = b"" if value is not None else b" "
    texts = [b"None", b"True", b"False", *(file.text(each) for each in scope.returned), *_local(scope, b"")]
    for text in dict.fromkeys(texts[:12]):
        if value is None or text != file.text(value):
            yield "return", begin, end, space + text
    if value is not None and not isinstance(value, ast.Constant):
        yield "return", begin, end, b"not (" + file.text(value) + b")"
        yield "return", begin, end, b"-(" + file.text(value) + b")"


def _local(scope: Scope, but: bytes) -> list[bytes]:
    return [name.encode() for name in scope.visible if name.encode() != but and name not in ("self", "cls", "_")]


def _used(node: ast.AST, scope: Scope) -> list[str]:
    """The names of the function that the node takes apart: something of theirs, one of their items, their length."""
    found = []
    for each in ast.walk(node):
        taken = each.value if isinstance(each, ast.Attribute | ast.Subscript) else None
        if isinstance(each, ast.For | ast.comprehension):
            taken = each.iter
        if isinstance(each, ast.BinOp | ast.Call):
            taken = each.right if isinstance(each, ast.BinOp) else each.args[0] if each.args else None
        if isinstance(taken, ast.Name) and taken.id in scope.visible and taken.id not in ("self", "cls"):
            found.append(taken.id)
    return list(dict.fromkeys(found))[:3]


def _guards(file: File, statement: ast.stmt, scope: Scope) -> _Found:
    start, _ = file.span(statement)
    line = file.starts[statement.lineno - 1]
    indent = file.data[line:start]
    if indent.strip():
        return  # it stands behind another one on its line
    deeper = indent + (b"\t" if b"\t" in indent else b"    ")
    names = _used(statement.iter, scope) if isinstance(statement, ast.For) else _used(statement, scope)
    if isinstance(statement, ast.For) and isinstance(statement.iter, ast.Name):
        names.append(statement.iter.id)
    plain = (ast.Constant, ast.List, ast.Dict, ast.Tuple)
    values = [file.text(each) for each in scope.returned if isinstance(each, plain)]
    for name in map(str.encode, dict.fromkeys(names)):
        actions = [b"continue"] if scope.in_loop else []
        actions += [b"return " + value for value in dict.fromkeys([*values[:3], b"None", name, b"0", b"[]", b"''"])][:6]
        for test in (name + b" is None", b"not " + name):
            for action in actions:
                text = b"if " + test + b":" + file.newline + deeper + action + file.newline + indent
                yield "guard", start, start, text


def _safe_condition(file: File, test: ast.expr, scope: Scope) -> _Found:
    start, end = file.span(test)
    for name in map(str.encode, _used(test, scope)):
        for guard in (name + b" is not None and ", name + b" and ", b"not " + name + b" or "):
            yield "guard", start, end, guard + b"(" + file.text(test) + b")"


# Expressions -----------------------------------------------------------------------------------------------------


def _expression(file: File, node: ast.expr, scope: Scope) -> _Found:
    if isinstance(node, ast.JoinedStr):
        return
    start, end = file.span(node)
    match node:
        case ast.Compare(left=left, ops=ops, comparators=comparators):
            yield from _compared(file, [left, *comparators], ops)
        case ast.BoolOp(op=op, values=values):
            yield from _joined(file, values, "and" if isinstance(op, ast.And) else "or")
        case ast.BinOp(op=op, left=left, right=right) if type(op) in _ARITHMETIC:
            symbol, others = _ARITHMETIC[type(op)]
            if place := file.operator(left, right, re.escape(symbol)):
                for other in others:
                    yield "arithmetic", *place, other.encode()
            yield from _swapped(file, left, right)
            for kept in (left, right):
                yield "drop", start, end, file.text(kept)
        case ast.UnaryOp(operand=operand):
            yield "negate", start, end, b"(" + file.text(operand) + b")"
        case ast.IfExp(test=test, body=body, orelse=orelse):
            yield from _condition(file, test)
            yield from _swapped(file, body, orelse)
        case (
            ast.DictComp(generators=parts)
            | ast.ListComp(generators=parts)
            | ast.SetComp(generators=parts)
            | ast.GeneratorExp(generators=parts)
        ):
            for test in (test for part in parts for test in part.ifs):
                yield from _condition(file, test)
        case ast.Constant(value=value):
            yield from _constant(start, end, value, scope)
        case ast.Subscript(slice=ast.Slice() as cut):
            for bound in filter(None, [cut.lower, cut.upper]):
                yield from _shifted(file, bound)
                yield "drop", *file.span(bound), b""
        case ast.Subscript(slice=index):
            yield from _shifted(file, index)
        case ast.Call():
            yield from _call(file, node)
        case ast.Name(ctx=ast.Load(), id=name):
            yield from _variable(start, end, name, scope)
        case ast.Attribute(attr=name, value=value):
            for other in _siblings(name):
                yield "sibling", end - len(name.encode()), end, other.encode()
            if isinstance(value, ast.Name) and value.id == "self" and name in scope.attributes:
                for other in [each for each in scope.attributes if each != name][:_MOST_NAMES]:
                    yield "variable", end - len(name.encode()), end, other.encode()
    for child in _expressions(node):
        yield from _expression(file, child, scope)


def _compared(file: File, operands: Sequence[ast.expr], ops: Sequence[ast.cmpop]) -> _Found:
    for n, op in enumerate(ops):
        left, right = operands[n], operands[n + 1]
        symbol, near, far = _COMPARED[type(op)]
        if place := file.operator(left, right, symbol):
            for other in near:
                yield "boundary", *place, other.encode()
            for other in far:
                yield "comparison", *place, other.encode()
        if near and not isinstance(right, ast.Constant):
            yield from _shifted(file, right)
        if near and not isinstance(left, ast.Constant):
            yield from _shifted(file, left)


def _joined(file: File, values: Sequence[ast.expr], word: str) -> _Found:
    for left, right in pairwise(values):
        if place := file.operator(left, right, rf"\b{word}\b"):
            yield "boolean", *place, b"or" if word == "and" else b"and"
    for value in values:
        start, end = file.span(value)
        yield "drop", start, end, b"True" if word == "and" else b"False"
        if not isinstance(value, ast.Compare):
            yield from _condition(file, value)


def _constant(start: int, end: int, value: object, scope: Scope) -> _Found:
    if isinstance(value, bool):
        yield "constant", start, end, str(not value).encode()
    elif isinstance(value, int):
        near = [value + 1, value - 1, 0, 1, -value, value * 2, value * 10, value // 2, value // 10, 2, -1]
        for number in dict.fromkeys(near):
            if number != value:
                kind = "off_by_one" if abs(number - value) == 1 else "constant"
                yield kind, start, end, str(number).encode() if number >= 0 else f"({number})".encode()
    elif isinstance(value, float):
        for other in dict.fromkeys([value + 1, value - 1, -value, value * 2, value / 2, value * 10, value / 10, 0.0]):
            if other != value:
                yield "constant", start, end, repr(other).encode() if other >= 0 else f"({other!r})".encode()
    elif isinstance(value, str):
        for text in ["", " ", *[each for each in scope.texts if each != value][:_MOST_TEXTS]]:
            if text != value:
                yield "text", start, end, repr(text).encode("utf-8", "surrogatepass")
    elif value is None:
        for word in (b"True", b"False", b"0"):
            yield "constant", start, end, word


def _shifted(file: File, node: ast.expr) -> _Found:
    """A bound or an index one higher and one lower; of a number its constant does that."""
    if isinstance(node, ast.Constant | ast.Slice | ast.Tuple):
        return
    start, end = file.span(node)
    bare = isinstance(node, ast.Name | ast.Attribute | ast.Call | ast.Subscript | ast.BinOp)
    text = file.text(node) if bare else b"(" + file.text(node) + b")"
    for change in (b" + 1", b" - 1"):
        yield "off_by_one", start, end, text + change


def _swapped(file: File, one: ast.expr, other: ast.expr) -> _Found:
    (start, middle), (again, end) = file.span(one), file.span(other)
    if file.text(one) != file.text(other):
        yield "swap", start, end, file.text(other) + file.data[middle:again] + file.text(one)


def _call(file: File, node: ast.Call) -> _Found:
    start, end = file.span(node)
    name = node.func.id if isinstance(node.func, ast.Name) else ""
    if name:
        for other in _siblings(name):
            yield "sibling", *file.span(node.func), other.encode()
    plain = [each for each in node.args if not isinstance(each, ast.Starred)]
    for left, right in combinations(plain[:4], 2):
        yield from _swapped(file, left, right)
    if name in _CALLS_OFF:
        for each in plain:
            yield from _shifted(file, each)
        if name == "len":
            yield from _shifted(file, node)
    if len(node.args) == 1 and not node.keywords and plain and not isinstance(plain[0], ast.GeneratorExp):
        yield "drop", start, end, b"(" + file.text(plain[0]) + b")"
    if isinstance(node.func, ast.Attribute) and not node.args and not node.keywords:
        yield "drop", start, end, file.text(node.func.value)


def _variable(start: int, end: int, name: str, scope: Scope) -> _Found:
    """Another name of the same scope, those first that are most like it."""
    if name not in scope.visible:
        return
    others = [each for each in scope.visible if each not in (name, "self", "cls", "_")]
    for other in others[:_MOST_NAMES]:
        yield "variable", start, end, other.encode()


def _siblings(name: str) -> list[str]:
    groups = (group for group in _SIBLINGS if name in group)
    return [each for each in dict.fromkeys(each for group in groups for each in group) if each != name]
