"""What a run is a run of: the recipe that rebuilds its graph, and the fingerprint that must not change unnoticed."""

from __future__ import annotations

import importlib
import inspect
import secrets
from collections.abc import Collection
from dataclasses import dataclass, field
from typing import Any

from clew.errors import ConfigError
from clew.journal.redact import redact_json


@dataclass(frozen=True, slots=True)
class Recipe:
    """What rebuilds a graph in another process: `builder` is `package.module:function`, `args` its JSON arguments."""

    builder: str
    args: dict[str, Any] = field(default_factory=dict)

    def build(self, trusted: Collection[str] = ("clew",)) -> Any:
        """Calls the builder. A journal is data that may come from elsewhere, so only packages in `trusted` are
        imported, and only functions that they define are called; raises `ConfigError` for others."""
        module, _, name = self.builder.partition(":")
        trust = ConfigError(
            f"the run's recipe names the builder {self.builder!r}, which is in none of the trusted packages "
            f"{sorted(trusted)}: resume it with clew.run(graph, task, run_id=...), or pass trusted=(...)"
        )
        if module.partition(".")[0] not in trusted:
            raise trust
        try:
            builder = getattr(importlib.import_module(module), name)
        except (ImportError, AttributeError, ValueError) as error:
            raise ConfigError(f"the run's builder {self.builder!r} cannot be imported: {error}") from error
        # A trusted module also holds what it imported itself.
        if not inspect.isfunction(builder) or builder.__module__.partition(".")[0] not in trusted:
            raise trust
        return builder(**self.args)

    def to_json(self) -> dict[str, Any]:
        return {"builder": self.builder, "args": self.args}


def fingerprint(graph: Any) -> dict[str, Any]:
    """What must be equal for a resume: the graph's shape, what its builder attached, and Clew's version."""
    from clew import __version__

    shape: dict[str, Any] = {"nodes": sorted(getattr(graph, "nodes", {}))}
    builder = getattr(graph, "builder", None)
    if builder is not None:
        shape["edges"] = sorted(map(list, builder.edges))
    found = {"graph": shape, "clew": __version__, **getattr(graph, "fingerprint", {})}
    recorded: dict[str, Any] = redact_json(found)
    return recorded


def difference(recorded: dict[str, Any], now: dict[str, Any]) -> str:
    """How two fingerprints differ, in words; empty when they do not."""
    recorded, now = _flat(recorded), _flat(now)
    changed = [
        f"{name} was {recorded.get(name)!r}, is {now.get(name)!r}"
        for name in sorted(recorded.keys() | now.keys())
        if recorded.get(name) != now.get(name)
    ]
    return "; ".join(changed)


def _flat(value: dict[str, Any], prefix: str = "") -> dict[str, Any]:
    found: dict[str, Any] = {}
    for name, item in value.items():
        found |= _flat(item, f"{prefix}{name}.") if isinstance(item, dict) else {f"{prefix}{name}": item}
    return found


def new_run_id() -> str:
    """A run id: eight characters, sortable by nothing, short enough to type."""
    return secrets.token_hex(4)
