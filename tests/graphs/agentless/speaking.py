"""What a scripted model says to every step of `ModelProposer` about the shop of `proposing`, over real HTTP."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from clew.testing import Request, Rule, ScriptedServer, vllm
from tests.graphs.agentless.proposing import FIX, words

FILES = "Your step: name the files"
FOLDERS = "Your step: name the folders"
ELEMENTS = "Your step: name the elements"
PLACES = "Your step: name the places"
CHOOSING = "Your step: choose the tests"
REPRODUCING = "Your step: write a Python script"
REPAIRING = "Your step: fix the issue"

STEPS = {
    "files": FILES, "folders": FOLDERS, "elements": ELEMENTS, "places": PLACES, "choosing": CHOOSING,
    "reproducing": REPRODUCING, "repairing": REPAIRING,
}  # fmt: skip

Words = str | Callable[[Request], Any]

SCRIPT = """\
Two prices at a rate of 2 make 6.

```python
def check():
    import sys

    sys.path.insert(0, "src")
    try:
        from shop import cart

        found = cart.total([1, 2])
    except Exception as error:
        print("Other problem", repr(error))
        return
    print({4: "Issue reproduced", 6: "Issue resolved"}.get(found, "Other problem"))


check()
```"""

ANSWERS: dict[str, Words] = {
    FILES: "```\nsrc/shop/cart.py\n./src/shop/price.py\n```",
    FOLDERS: "```\n```",
    ELEMENTS: "```\nsrc/shop/cart.py\nfunction: total\n\nsrc/shop/price.py\nfunction: taxed\n```",
    PLACES: "```\nsrc/shop/cart.py\nfunction: total\n\nsrc/shop/price.py\nfunction: taxed\nline: 5\n```",
    CHOOSING: "```\nnone\n```",
    REPRODUCING: SCRIPT,
    REPAIRING: words(*FIX),
}


def step_of(request: Request) -> str:
    """The step that a request asks for, "" for something else."""
    return next((step for step in ANSWERS if step in request.prompt), "")


def talk(*each: Callable[[Request], Any], **answers: Words) -> ScriptedServer:
    """A server that answers every step, with `answers` (by the names of `STEPS`) in place of its own. `each` are
    awaited with every request before it is answered."""
    said = {**ANSWERS, **{STEPS[name]: answer for name, answer in answers.items()}}

    def reply(step: str) -> Callable[[Request], Any]:
        async def answer(request: Request) -> Any:
            for first in each:
                await first(request)
            text = said[step]
            return text(request) if callable(text) else text

        return answer

    return ScriptedServer([Rule(step, reply(step)) for step in said], features=vllm)


def one_of(*choices: Sequence[Any]) -> Callable[[Request], str]:
    """One of several repairs, which one by the request alone: a request that is sent again gets the same."""
    return lambda request: words(*choices[int(request.digest[:8], 16) % len(choices)])
