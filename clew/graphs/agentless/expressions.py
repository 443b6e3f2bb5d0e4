"""Expressions of JavaScript in which definitions may stand: what brackets and casts hold, and what it is called."""

from __future__ import annotations

import re

from tree_sitter import Node

from . import names

# These hold definitions, and are what is in them.
HOLDERS = frozenset({"object", "call_expression", "new_expression"})
WORD = re.compile(r"[\w$]+")
_AROUND = frozenset(
    [
        "parenthesized_expression",
        "unary_expression",
        "await_expression",
        "return_statement",
        "as_expression",
        "satisfies_expression",
        "type_assertion",
    ]
)


def bare(node: Node) -> Node:
    """An expression without what stands around it."""
    while node.type in _AROUND:
        inner = [each for each in node.named_children if not each.type.endswith("comment")]
        if not inner:
            break
        node = inner[-1 if node.type == "type_assertion" else 0]
    return node


def given(node: Node, *kinds: str) -> Node:
    """The same; of an arrow that gives one of these kinds, what it gives."""
    node = bare(node)
    body = node.child_by_field_name("body") if node.type == "arrow_function" else None
    inner = bare(body) if body is not None else node
    return inner if inner.type in kinds else node


def assigned(node: Node) -> str:
    """What an assignment names, without what every export has before it; "" for no plain name."""
    parts = names.plain(names.text(node.child_by_field_name("left"))).split(".")
    while parts and parts[0] in ("module", "exports"):
        parts = parts[1:]
    return ".".join(each for each in parts if each != "prototype") if all(map(WORD.fullmatch, parts)) else ""


def default_name(node: Node) -> str:
    """What a function or class that is exported without a name is called; "" for all else."""
    if not (names.is_function(node) or names.is_class(node)) or node.child_by_field_name("name") is not None:
        return ""
    return "default" if node.parent is not None and node.parent.type == "export_statement" else ""
