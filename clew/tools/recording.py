"""LangChain tools whose calls are recorded: those of Clew, which work through its doors, and everybody else's."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from contextlib import nullcontext
from typing import Any

from langchain_core.tools import BaseTool, StructuredTool, ToolException
from langchain_core.utils.function_calling import convert_to_openai_tool
from langchain_core.utils.pydantic import get_fields
from langgraph.prebuilt import ToolRuntime
from pydantic import BaseModel, Field, ValidationError

from clew.errors import ClewError, ConfigError, EffectFailed, ModelError, SandboxFailed, ToolFailed
from clew.journal import effect, scope
from clew.journal.redact import redact_json
from clew.retrieval import Hit
from clew.tools.conversation import Made, in_messages
from clew.tools.output import cut, neutralise

KIND = "tool"
LONGEST_TEXT = 20_000

RUNTIME = "runtime"
NO_RUNTIME: Any = None
"""Default of a tool's `runtime` parameter, which a ToolNode fills in and a call by hand leaves out."""


class RecordedTool(StructuredTool):
    """A tool that records what it does: its calls need no effect around them.

    `in_order`: calls of one reply are made one after another where the graph can do that, because each finds what the
    one before it left. `ended` is called with the calls of a conversation that is over. `passages` tells what of a
    searcher's documents the model reads in a result, by its artifact; only tools that read documents have it.
    """

    in_order: bool = False
    ended: Callable[[Sequence[Made]], Awaitable[None]] | None = Field(default=None, exclude=True)
    passages: Callable[[dict[str, Any]], list[Hit]] | None = Field(default=None, exclude=True)

    def _parse_input(self, tool_input: str | dict[str, Any], tool_call_id: str | None) -> str | dict[str, Any]:
        """Arguments by a JSON schema come as one dict: LangChain would take `config` among them for its own."""
        parsed = super()._parse_input(tool_input, tool_call_id)
        if not isinstance(self.args_schema, dict) or isinstance(parsed, str):
            return parsed
        arguments = {name: value for name, value in parsed.items() if name != RUNTIME}
        return {"arguments": arguments, RUNTIME: parsed.get(RUNTIME)}

    def _run(self, *args: Any, **kwargs: Any) -> Any:
        raise ConfigError(f"the tool {self.name!r} is async: use ainvoke, and ainvoke or clew.run for the whole graph")


def recorded_tool(
    name: str,
    description: str,
    arguments: type[BaseModel] | dict[str, Any],
    coroutine: Callable[..., Awaitable[tuple[str, Any]]],
    **options: Any,
) -> RecordedTool:
    """A tool over a coroutine that returns what the model reads and an artifact; `arguments` is a pydantic model, or a
    JSON schema, with which the coroutine gets one dict `arguments`. A `ToolException` of it, and arguments
    that do not fit, are texts for the model (messages of status `error`); other errors are raised."""
    return RecordedTool(
        name=name,
        description=description,
        args_schema=arguments,
        coroutine=coroutine,
        response_format="content_and_artifact",
        handle_tool_error=True,
        handle_validation_error=lambda error: misfit(name, error),
        **options,
    )


def misfit(name: str, error: Any) -> str:
    """What a model reads whose arguments do not fit the tool `name`."""
    if not isinstance(error, ValidationError):
        return f"Nothing was done: the arguments of {name} do not fit: {error}"
    problems = [f"{'.'.join(map(str, one['loc'])) or 'arguments'}: {one['msg']}" for one in error.errors()[:5]]
    return f"Nothing was done: the arguments of {name} do not fit ({'; '.join(problems)}). Correct them."


def journaled(tool: BaseTool) -> BaseTool:
    """`tool`, each call of which is one effect of kind `tool`: performed once per run, found in the journal after that.

    Its result must be text; an artifact is kept when it is JSON. Its exceptions are texts for the model. A failing
    model, a failing sandbox and a budget that refuses end the run as everywhere. Tools of Clew come back as they are:
    they record themselves. Raises `ConfigError` for a tool that wants something injected (`InjectedState`).
    """
    if isinstance(tool, RecordedTool):
        return tool
    if injected := set(get_fields(tool.get_input_schema())) - set(tool.args):
        raise ConfigError(
            f"the tool {tool.name!r} wants {', '.join(sorted(injected))} injected by a graph, which is no request that "
            "could be recorded: give it to a ToolNode as it is, or make it a function of its arguments"
        )

    async def call(arguments: dict[str, Any], runtime: ToolRuntime = NO_RUNTIME) -> tuple[Any, Any]:
        async def perform() -> dict[str, Any]:
            asked = {"type": "tool_call", "name": tool.name, "args": arguments, "id": f"call_{tool.name}"}
            message = await tool.ainvoke(asked)
            content = getattr(message, "content", None)
            if content is None:
                raise TypeError(f"it returned a {type(message).__name__}, not a text for the model")
            return {"content": content, "status": message.status, **_jsonable(message.artifact)}

        request = {"tool": tool.name, "arguments": arguments}
        with place_of(tool.name, runtime):
            outcome = await told(KIND, request, perform)
        if outcome["status"] == "error":
            raise ToolException(readable(outcome["content"]))
        return readable(outcome["content"]), outcome.get("artifact")

    parameters = convert_to_openai_tool(tool)["function"].get("parameters") or {"type": "object", "properties": {}}
    return recorded_tool(tool.name, tool.description, parameters, call, return_direct=tool.return_direct)


def place_of(tool: str, runtime: Any) -> Any:
    """A scope for a call that a ToolNode makes beside others; nothing where the caller has set one."""
    if runtime is None:
        return nullcontext()
    found = in_messages(tool, runtime)
    return scope(tool, runtime.tool_call_id if found is None else found[1])


async def told(kind: str, request: dict[str, Any], perform: Callable[[], Awaitable[dict[str, Any]]]) -> dict[str, Any]:
    """The outcome of an effect of a tool; what fails in the tool itself is a `ToolException`, which tells the model."""

    async def performed() -> dict[str, Any]:
        try:
            return await perform()
        except asyncio.CancelledError as error:
            task = asyncio.current_task()
            if task is None or task.cancelling():
                raise
            raise ToolFailed(f"it cancelled itself: {error}" if str(error) else "it cancelled itself") from error

    try:
        return (await effect(kind, request, performed)).outcome
    except (ModelError, SandboxFailed):
        raise
    except EffectFailed as error:
        raise ToolException(readable(f"The tool failed: {_without_kind(error)}")) from error


def readable(content: Any) -> Any:
    """The text of a tool as a model reads it; of content in parts, the texts of the parts."""
    if isinstance(content, str):
        return cut(neutralise(content), LONGEST_TEXT)
    if not isinstance(content, list):
        return readable(str(content))
    return [_readable_part(part) for part in content]


def _readable_part(part: Any) -> Any:
    text = part.get("text") if isinstance(part, dict) else part
    if not isinstance(text, str):
        return part
    return {**part, "text": readable(text)} if isinstance(part, dict) else readable(text)


def _without_kind(error: ClewError) -> str:
    return str(error).removeprefix(f"{KIND} raised ")


def _jsonable(artifact: Any) -> dict[str, Any]:
    if artifact is None:
        return {}
    try:
        return {"artifact": redact_json(artifact)}
    except TypeError:
        return {}
