"""Filters on values, by the rules that LangGraph states for its stores (`langgraph.store.base.SearchOp`)."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from operator import ge, gt, le, lt
from typing import Any

_ORDERS: dict[str, Callable[[float, float], bool]] = {"$gt": gt, "$gte": ge, "$lt": lt, "$lte": le}


def matches(value: Mapping[str, Any], wanted: Mapping[str, Any] | None) -> bool:
    """Whether all fields of `wanted` fit those of `value`: equal, or as operators say (`$eq $ne $gt $gte $lt $lte`).

    A mapping is compared field by field, a list element by element. What is no number is neither more nor less than
    any. Raises `ValueError` for an unknown operator.
    """
    return all(_fits(value.get(field), asked) for field, asked in (wanted or {}).items())


def _fits(value: Any, asked: Any) -> bool:
    if isinstance(asked, Mapping):
        if any(str(name).startswith("$") for name in asked):
            return all(_compares(value, str(operator), operand) for operator, operand in asked.items())
        return isinstance(value, Mapping) and matches(value, asked)
    if isinstance(asked, list | tuple):
        return (
            isinstance(value, list | tuple)
            and len(value) == len(asked)
            and all(_fits(one, other) for one, other in zip(value, asked, strict=True))
        )
    return bool(value == asked)


def _compares(value: Any, operator: str, operand: Any) -> bool:
    if operator in ("$eq", "$ne"):
        return bool(value == operand) is (operator == "$eq")
    if operator not in _ORDERS:
        raise ValueError(f"the operator {operator!r} is unknown: give $eq, $ne, $gt, $gte, $lt or $lte")
    try:
        return _ORDERS[operator](float(value), float(operand))
    except (TypeError, ValueError):
        return False
