"""The names that a node of a syntax tree defines."""

from __future__ import annotations

import re
from collections.abc import Iterator

from tree_sitter import Node

# A function or a class may be the value of a variable.
_FUNCTIONS = ("arrow_function", "function_expression", "generator_function", "function", "lambda_expression")
_CLASSES = ("class",)
_GENERICS = re.compile(r"<[^<>]*>|\[[^\[\]]*\]")
_EXPORTS = re.compile(r"^(?:module\.)?exports(?:\.|$)|\bprototype\.")


def text(node: Node | None) -> str:
    """The source of a node; "" for none."""
    return node.text.decode("utf-8", "replace") if node is not None and node.text else ""


def plain(name: str) -> str:
    """A type's or a member's name without type arguments, with dots between its parts: `a::Box<T>` is `a.Box`."""
    while (shorter := _GENERICS.sub("", name)) != name:
        name = shorter
    return "".join(name.split()).replace("::", ".").strip("*&.")


def declared(node: Node | None) -> tuple[str, bool]:
    """The name in a declarator of C or C++, with the last scope before it, and whether it is that of a function (a
    pointer to one is none)."""
    function = False
    for _ in range(50):
        if node is None:
            break
        if node.type == "function_declarator":
            inner = node.child_by_field_name("declarator")
            function = inner is None or inner.type != "parenthesized_declarator"
        inner = node.child_by_field_name("declarator")
        if inner is None and node.type in ("parenthesized_declarator", "reference_declarator"):
            inner = next(iter(node.named_children), None)
        if inner is None:
            break
        if node.type == "operator_cast":
            return "operator " + text(node.child_by_field_name("type")), True
        node = inner
    if node is not None and node.type == "operator_cast":
        return "operator " + text(node.child_by_field_name("type")), True
    if node is None or not node.type.endswith(("identifier", "name")):
        return "", function
    return ".".join(plain(text(node)).split(".")[-2:]), function


def receiver(node: Node) -> str:
    """The type that a method of Go belongs to."""
    found = node.child_by_field_name("receiver")
    words = plain(text(found)).strip("()") if found is not None else ""
    kinds = [each for each in (found.named_children if found is not None else ())]
    kind = kinds[0].child_by_field_name("type") if kinds else None
    return plain(text(kind)) or words


def bound(node: Node) -> Iterator[tuple[str, Node | None]]:
    """(name, value) of each variable that a node defines; a value is given where it may be a function or a class."""
    for pair in _pairs(node):
        name, value = pair
        if name:
            yield name, value


def is_function(value: Node | None) -> bool:
    return value is not None and value.type in _FUNCTIONS


def is_class(value: Node | None) -> bool:
    return value is not None and value.type in _CLASSES


def _pairs(node: Node) -> Iterator[tuple[str, Node | None]]:
    match node.type:
        case "expression_statement":
            inner = node.named_children[0] if node.named_children else None
            if inner is not None and inner.type == "assignment":
                yield from _python(inner)
            elif inner is not None and inner.type == "assignment_expression":
                value = inner.child_by_field_name("right")
                if is_function(value) or is_class(value):
                    yield plain(_EXPORTS.sub("", text(inner.child_by_field_name("left")))), value
        case "type_alias_statement":
            yield plain(text(node.child_by_field_name("left"))), None
        case "lexical_declaration" | "variable_declaration":
            for each in node.named_children:
                name = each.child_by_field_name("name")
                if name is not None and name.type == "identifier":
                    yield text(name), each.child_by_field_name("value")
        case "field_definition" | "public_field_definition":
            name = node.child_by_field_name("property") or node.child_by_field_name("name")
            yield text(name), node.child_by_field_name("value")
        case _ if node.children_by_field_name("declarator"):
            for each in node.children_by_field_name("declarator"):
                name = each.child_by_field_name("name")
                yield text(name) if name is not None else declared(each)[0], None
        case _:
            for name in node.children_by_field_name("name"):
                if name.is_named:
                    yield text(name), None


def _python(assignment: Node) -> Iterator[tuple[str, Node | None]]:
    node: Node | None = assignment
    while node is not None and node.type == "assignment":  # a = b = ...
        left, node = node.child_by_field_name("left"), node.child_by_field_name("right")
        if left is not None and left.type == "identifier":
            yield text(left), None
        elif left is not None and left.type in ("pattern_list", "tuple_pattern", "list_pattern"):
            yield from ((text(each), None) for each in left.named_children if each.type == "identifier")
