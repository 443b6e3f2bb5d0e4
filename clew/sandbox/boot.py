"""How a fork server gets into a sandbox: its sources go first through the control stream, so an image needs only
Python."""

from __future__ import annotations

import json
from functools import lru_cache
from importlib import resources
from typing import Any

# Each module may import those before it.
_MODULES = ("frames", "kept", "system", "refused", "leftovers", "program", "jail", "supervisor")

# Reads ten digits, that many bytes, and from those the modules; the rest of the stream is left to them.
BOOT = """
import json, os, sys, types
def take(n):
    data = b""
    while len(data) < n:
        piece = os.read(0, n - len(data))
        if not piece: os._exit(0)
        data += piece
    return data
sent = json.loads(take(int(take(10))))
inside = sys.modules["inside"] = types.ModuleType("inside")
inside.__path__ = []
for name, source in sent["modules"]:
    module = sys.modules["inside." + name] = types.ModuleType("inside." + name)
    module.__package__ = "inside"
    exec(compile(source, name + ".py", "exec"), module.__dict__)
sys.modules["inside.supervisor"].main(sent["settings"])
"""

# Sets iterate alike in every interpreter, so that a session that is rebuilt becomes what it was.
PYTHON = {"PYTHONHASHSEED": "0", "PYTHONDONTWRITEBYTECODE": "1", "PYTHONNOUSERSITE": "1", "PYTHONUTF8": "1"}


def command(python: str) -> list[str]:
    return [python, "-c", BOOT]


def greeting(settings: dict[str, Any]) -> bytes:
    """What is sent first; `settings` go to `inside.supervisor.main`."""
    data = json.dumps({"modules": _sources(), "settings": settings}).encode()
    return b"%010d" % len(data) + data


@lru_cache(maxsize=1)
def _sources() -> list[tuple[str, str]]:
    folder = resources.files("clew.sandbox") / "inside"
    return [(name, (folder / f"{name}.py").read_text(encoding="utf-8")) for name in _MODULES]


def environment(work: str, path: str) -> dict[str, str]:
    """What programs see as their environment, and nothing else."""
    return {"PATH": path, "HOME": work, "TMPDIR": "/tmp", "LANG": "C.UTF-8", "USER": "nobody", **PYTHON}
