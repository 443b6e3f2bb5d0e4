"""A small repository with a bug, tests that are quick, and a model that knows how to mend it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from clew.testing import Rule, ScriptedServer, Template, vllm
from tests.graphs.agentless.repositories import repository

from .conftest import PROBE

ISSUE = "total() takes too much off\n\nA discount of 20 per cent on 100 gives -100.0, but 80 are right."
WRONG, RIGHT = "discount / 10\n", "discount / 100\n"
FILES = {
    "src/shop/__init__.py": "",
    "src/shop/price.py": '"""Prices."""\n\n\ndef total(prices, discount=0):\n'
    f"    subtotal = sum(prices)\n    return subtotal - subtotal * {WRONG}\n\ndef cheapest(prices):\n"
    "    return min(prices)\n",
    "tests/test_price.py": "from shop.price import cheapest, total\n\n\ndef test_total():\n"
    "    assert total([1, 2, 3]) == 6\n\n\ndef test_discount():\n    assert total([50, 50], discount=20) == 80\n\n\n"
    "def test_cheapest():\n    assert cheapest([3, 1, 2]) == 1\n",
    # A command whose exit code is all that is known of it: quick, and no other runner is needed.
    "check.py": 'import sys\n\nsys.path.insert(0, "src")\nfrom shop.price import total\n\n'
    "sys.exit(0 if total([50, 50], 20) == 80 and total([1, 2, 3]) == 6 else 1)\n",
}
CHECK = ("--test-cmd", "python3 check.py", "--sandbox", "process")
FEW = ("--candidates", 2, "--location-samples", 1, "--reproduction-samples", 0)


def shop(folder: Path, files: dict[str, str] | None = None) -> Path:
    return repository(folder, {**FILES, **(files or {})})


def edit(new: str = RIGHT) -> str:
    """An answer of the repair stage. The line that it replaces is copied from the code that was shown."""
    search = "{{ prompt | find('    return subtotal [^\\n]*') }}"
    replace = f"    return subtotal - subtotal * {new}".rstrip("\n")
    return (
        "The discount is in per cent.\n\n### src/shop/price.py\n```python\n<<<<<<< SEARCH\n"
        f"{search}\n=======\n{replace}\n>>>>>>> REPLACE\n```\n"
    )


def words(repair: Any = None) -> list[Any]:
    """What the model says in each stage."""
    place = "```\nsrc/shop/price.py\nfunction: total\n```"
    return [
        PROBE,
        Rule("name the files that have to be changed", "```\nsrc/shop/price.py\n```"),
        Rule("name the folders that have surely nothing", "```\n```"),
        Rule("name the elements of these files", place),
        Rule("name the places that have to be edited", place),
        Rule("choose the tests that a right fix", "```\nnone\n```"),
        Rule("fix the issue in the code above", repair if repair is not None else Template(edit())),
    ]


def mender(repair: Any = None) -> ScriptedServer:
    return ScriptedServer(words(repair), features=vllm)
