"""Tables of what projects declare (`pyproject.toml`, `setup.py`), read as data, whatever somebody wrote there."""

from __future__ import annotations

import ast
from collections.abc import Mapping
from typing import Any

from .listed import canonical, constraint_of


def table_of(table: Any, name: str) -> Mapping[str, Any]:
    found = table.get(name) if isinstance(table, dict) else None
    return found if isinstance(found, dict) else {}


def list_of(table: Mapping[str, Any], name: str) -> list[Any]:
    found = table.get(name)
    return found if isinstance(found, list) else []


def texts_of(found: Any) -> list[str]:
    items = [found] if isinstance(found, str) else found if isinstance(found, list | tuple) else []
    return [each for each in items if isinstance(each, str)]


def group_needs(groups: Mapping[str, Any], name: str) -> list[str]:
    """A dependency group with those that it includes (PEP 735), each once."""
    by_name = {canonical(key): value for key, value in groups.items()}
    todo, seen, found = [canonical(name)], set[str](), list[str]()
    while todo:
        each = todo.pop()
        value = () if each in seen else by_name.get(each)
        seen.add(each)
        for item in value if isinstance(value, list) else ():
            if isinstance(item, str):
                found.append(item)
            elif isinstance(item, dict) and isinstance(other := item.get("include-group"), str):
                todo.append(canonical(other))
    return found


def poetry_needs(table: Mapping[str, Any]) -> list[str]:
    """Poetry's dependencies by PEP 508; optional ones, and those by address or path, left out."""
    found = []
    for name, given in table.items():
        for one in given if isinstance(given, list) else [given]:
            data = {"version": one} if isinstance(one, str) else one
            if name == "python" or not isinstance(data, dict) or data.get("optional") or "version" not in data:
                continue
            extras = ",".join(texts_of(data.get("extras", [])))
            marker = f"; {data['markers']}" if isinstance(data.get("markers"), str) else ""
            found.append(f"{name}{f'[{extras}]' if extras else ''}{constraint_of(str(data['version']))}{marker}")
    return found


def setup_arguments(text: str) -> Mapping[str, Any]:
    """The arguments of `setup(...)` that are written as plain values, or as names of such values."""
    try:
        tree = ast.parse(text)
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return {}
    known: dict[str, Any] = {}

    def value(node: ast.expr) -> Any:
        if isinstance(node, ast.Name):
            return known.get(node.id)
        try:
            return ast.literal_eval(node)
        except (ValueError, TypeError, SyntaxError, MemoryError, RecursionError):
            return None

    for statement in tree.body:
        if (
            isinstance(statement, ast.Assign)
            and len(statement.targets) == 1
            and isinstance(statement.targets[0], ast.Name)
        ):
            known[statement.targets[0].id] = value(statement.value)
    calls = [node for node in ast.walk(tree) if isinstance(node, ast.Call)]
    setups = [call for call in calls if "setup" in (getattr(call.func, "id", ""), getattr(call.func, "attr", ""))]
    return {
        word.arg: found
        for call in setups
        for word in call.keywords
        if word.arg and (found := value(word.value)) is not None
    }
