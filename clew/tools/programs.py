"""The tool `python`: programs in a notebook."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from langgraph.prebuilt import ToolRuntime
from pydantic import BaseModel, Field

from clew.errors import AmbiguousScope, ConfigError
from clew.sandbox.sessions import session
from clew.sandbox.types import Limits, Sandbox
from clew.tools.conversation import ByHand, Made, calling
from clew.tools.output import neutralise, shown
from clew.tools.recording import NO_RUNTIME, RecordedTool, recorded_tool

DESCRIPTION = (
    "Runs a Python program and returns what it printed; the value of a last line that is an expression is printed too. "
    "Names stay defined from one call to the next, as in a notebook. There is no network."
)


class Program(BaseModel):
    program: str = Field(description="The program. Print what you want to see.")


def python_tool(
    sandbox: Sandbox,
    *,
    limits: Limits | None = None,
    output_chars: int = 4_000,
    name: str = "python",
    description: str = DESCRIPTION,
) -> RecordedTool:
    """A LangChain tool that runs Python in `sandbox`; each program is an effect of kind `program` and a code run of the
    budget.

    Names live as long as the conversation: the notebook is rebuilt from the calls before, wherever and whenever the
    next call comes. Calls in one reply do not see each other in a ToolNode, which makes them at once; later calls see
    all of them, in their order. `react` makes them one after another. Called by hand, the tool has one notebook for
    each run, scope and node; two calls in one at a time raise `AmbiguousScope`.

    A program may use `limits` (default: the sandbox's). The model sees `output_chars` characters of its stdout and as
    many of its error, half from the head. `name` tells two notebooks of one agent apart. Raises `SandboxFailed` when
    the sandbox failed, `Refused` when the budget has no code run left; a program that fails is a text.
    """
    if output_chars < 2:
        raise ConfigError(f"output_chars={output_chars!r} shows nothing: give 2 or more")
    by_hand = ByHand()

    async def python(program: str, runtime: ToolRuntime = NO_RUNTIME) -> tuple[str, dict[str, Any]]:
        with calling(name, runtime, by_hand) as (before, leave):
            if name in before.beside and not before.told_apart:
                raise AmbiguousScope(
                    f"two programs at once in one notebook of the tool {name!r}: give each branch its own, as in: "
                    'with scope("branch", i)'
                )
            notebook = session(sandbox, _history(name, before.made), limits)
            done = await notebook.run(program)
            artifact = {"program": notebook.history[-1]}
            leave(artifact)
        return neutralise(shown(done, limits or sandbox.limits, output_chars)), artifact

    async def ended(made: Sequence[Made]) -> None:
        if history := _history(name, made):
            await session(sandbox, history).close()

    return recorded_tool(name, description, Program, python, in_order=True, ended=ended)


def _history(name: str, made: Sequence[Made]) -> list[dict[str, Any]]:
    artifacts = [one.artifact for one in made if one.tool == name and one.artifact is not None]
    return [artifact["program"] for artifact in artifacts if "program" in artifact]
