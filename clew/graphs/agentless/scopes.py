"""Python sources as byte offsets, and the names that are visible in them."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property

Node = ast.expr | ast.stmt
Function = ast.FunctionDef | ast.AsyncFunctionDef


class File:
    """A source in UTF-8; lines and columns are those of `ast`."""

    def __init__(self, data: bytes) -> None:
        self.data = data
        first = 3 if data.startswith(b"\xef\xbb\xbf") else 0
        self.starts = [first, *(match.end() for match in re.finditer(rb"\r\n|\r|\n", data))]
        self.newline = b"\r\n" if b"\r\n" in data else b"\n"

    def span(self, node: Node | ast.arg) -> tuple[int, int]:
        assert node.end_lineno is not None and node.end_col_offset is not None
        return (self.starts[node.lineno - 1] + node.col_offset, self.starts[node.end_lineno - 1] + node.end_col_offset)

    def text(self, node: Node) -> bytes:
        start, end = self.span(node)
        return self.data[start:end]

    def operator(self, left: Node, right: Node, pattern: str) -> tuple[int, int] | None:
        """Where the operator between two operands stands; what is between may hold brackets and comments."""
        start, end = self.span(left)[1], self.span(right)[0]
        between = re.sub(rb"#[^\r\n]*", lambda comment: b" " * len(comment[0]), self.data[start:end])
        found = re.search(pattern.encode(), between)
        return (start + found.start(), start + found.end()) if found else None


@dataclass(frozen=True)
class Scope:
    """The function (or module) around a statement: what it binds, and what its class calls its own."""

    node: ast.Module | Function
    names: tuple[str, ...]
    attributes: tuple[str, ...]
    outer: Scope | None
    in_loop: bool = False

    @classmethod
    def of(cls, node: ast.Module | Function, outer: Scope | None, owner: ast.ClassDef | None = None) -> Scope:
        arguments = [] if isinstance(node, ast.Module) else [arg.arg for arg in _arguments(node)]
        names = dict.fromkeys([*arguments, *_stored(node)])
        attributes = outer.attributes if outer is not None and owner is None else ()
        if owner is not None:
            attributes = tuple(
                dict.fromkeys(
                    each.attr
                    for each in ast.walk(owner)
                    if isinstance(each, ast.Attribute) and isinstance(each.value, ast.Name) and each.value.id == "self"
                )
            )
        return cls(node, tuple(names), attributes, outer)

    @property
    def is_function(self) -> bool:
        return not isinstance(self.node, ast.Module)

    @cached_property
    def visible(self) -> tuple[str, ...]:
        """Names that may stand for one another: those of the function and of functions around it; of a module, its
        variables."""
        if self.outer is None or not self.outer.is_function:
            return self.names
        return tuple(dict.fromkeys([*self.names, *self.outer.visible]))

    @cached_property
    def texts(self) -> tuple[str, ...]:
        found = (each.value for each in ast.walk(self.node) if isinstance(each, ast.Constant))
        return tuple(dict.fromkeys(text for text in found if isinstance(text, str) and len(text) <= 40))

    @cached_property
    def returned(self) -> tuple[ast.expr, ...]:
        return tuple(each.value for each in ast.walk(self.node) if isinstance(each, ast.Return) and each.value)


def _arguments(node: Function) -> list[ast.arg]:
    of = node.args
    return [*of.posonlyargs, *of.args, *filter(None, [of.vararg]), *of.kwonlyargs, *filter(None, [of.kwarg])]


def _stored(node: ast.AST) -> Iterator[str]:
    """Names that a function or a module binds, without those of functions and classes in it."""
    for child in ast.iter_child_nodes(node):
        if isinstance(child, ast.Name) and isinstance(child.ctx, ast.Store):
            yield child.id
        if not isinstance(child, Function | ast.ClassDef | ast.Lambda):
            yield from _stored(child)
