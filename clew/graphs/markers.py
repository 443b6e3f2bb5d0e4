"""The marker loop: a model that reasons in one long text and calls tools from inside it.

Search-o1 (arXiv 2501.05366) and START (arXiv 2503.04625) are this loop with other markers and handlers. The model
writes until the end marker of a tool, a handler acts on what stands between the markers, its result is appended to the
model's own text, and the model goes on. Models that cannot continue their own text get the same tools as native
function calls.
"""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Any

from clew.errors import ContextOverflow, EffectFailed, Refused
from clew.graphs.base import END_PHASE, Phase, State, Steps, hold_final, take_hold
from clew.journal import Transcript, current, note
from clew.models import Model, Reply
from clew.scoring import extract_answer
from clew.task import Answer, Evidence, Status, Task, Trace

MISUSED = (
    "The text between {begin} and {end} was empty or the markers did not match. To use the tool, write {begin}, then "
    "the {argument}, then {end}. Otherwise go on and give the final answer."
)
FINAL = (
    "No further tool calls are possible. I will now give the final answer from what I know so far, "
    "in the format that was asked for."
)


# An open call longer than this is prose after a stray marker.
LONGEST_OPEN_CALL = 1_000
# A model that keeps asking after the quota has been told this often; it would go on until the turn cap.
MOST_REFUSED = 2


@dataclass(frozen=True)
class Result:
    """What a handler returns: the text that the model gets to read, the evidence behind it, and whether the call may be
    repeated and does not count (`failed`)."""

    text: str
    evidence: tuple[Evidence, ...] = ()
    failed: bool = False


@dataclass(frozen=True)
class Call:
    """One use of a tool: `argument` is stripped; `transcript` is the model's text up to the call."""

    argument: str
    transcript: Transcript
    task: Task
    tools: Sequence[MarkerTool]

    @property
    def reasoning(self) -> str:
        """The `digest` of the transcript."""
        return digest(self.transcript, self.tools)


@dataclass(frozen=True)
class MarkerTool:
    """A tool that a model calls by writing `begin` argument `end`.

    `quota` limits the calls that count; then the model reads `over_quota`. An argument that `repeats` an earlier one
    gets `repeated`. `open_result` and `close_result` enclose what the model reads; a model that writes `open_result`
    itself is inventing results and is stopped there.
    """

    name: str
    description: str
    argument: str
    begin: str
    end: str
    open_result: str
    close_result: str
    handle: Callable[[Call], Awaitable[Result]]
    quota: int
    over_quota: str
    repeated: str
    quota_status: Status = "tool_quota"
    repeats: Callable[[str, list[str]], bool] = lambda argument, earlier: argument in earlier
    count_failed: bool = False

    @property
    def schema(self) -> dict[str, Any]:
        """The tool as an OpenAI function."""
        properties = {self.argument: {"type": "string", "description": f"The {self.argument}."}}
        parameters = {"type": "object", "properties": properties, "required": [self.argument]}
        function = {"name": self.name, "description": self.description, "parameters": parameters}
        return {"type": "function", "function": function}

    def block(self, text: str) -> str:
        """A result as it stands in the model's text."""
        return f"\n\n{self.open_result}{text}{self.close_result}\n\n"

    def usage(self) -> dict[str, str]:
        return {"begin": self.begin, "end": self.end, "argument": self.argument}


@dataclass(frozen=True)
class Parsed:
    """What a segment asks for. `problem` is set when a marker was used wrongly; `closed` when the end marker is missing
    and must be added."""

    tool: MarkerTool | None = None
    argument: str = ""
    problem: bool = False
    closed: bool = True
    keep: int = 0


def neutralise(text: str) -> str:
    """Text of others, made unable to act as a control marker: `<|name|>` becomes `< |name| >`."""
    return text.replace("<|", "< |").replace("|>", "| >")


def parse(segment: str, tools: Sequence[MarkerTool], *, repair: bool = True) -> Parsed:
    """Reads one newly written segment. Never raises.

    The last query counts, and the segment must end with an end marker. An open query at the end of the text is closed
    once (`repair`); an end marker without a beginning, an empty query and an invented result are problems. `keep` is
    the length of the segment that stays in the transcript.
    """
    text = segment.rstrip()
    for tool in tools:
        if text.endswith(tool.end):
            _, found, argument = text[: -len(tool.end)].rpartition(tool.begin)
            argument = argument.strip() if found and tool.end not in argument else ""
            return Parsed(tool, argument, problem=not argument, keep=len(segment))
    invented = next((tool for tool in tools if text.endswith(tool.open_result)), None)
    keep = len(text) - len(invented.open_result) if invented else len(segment)
    for tool in tools:
        _, found, rest = segment[:keep].rpartition(tool.begin)
        if found and tool.end not in rest:
            argument = rest.strip()
            usable = repair and bool(argument) and len(argument) <= LONGEST_OPEN_CALL
            return Parsed(tool, argument if usable else "", problem=not usable, closed=False, keep=keep)
    return Parsed(invented, problem=invented is not None, keep=keep)


class MarkerLoop:
    """The phases of a marker method: `generate`, one per tool, `close`. `prompt` makes the first user message from the
    task and the transport. See `search_o1` for the meaning of the limits."""

    def __init__(
        self,
        model: Model,
        tools: Sequence[MarkerTool],
        prompt: Callable[[Task, bool], str],
        *,
        max_turns: int,
        repair: bool = True,
        final_tokens: int = 1024,
    ) -> None:
        self.model, self.tools, self.prompt = model, {tool.name: tool for tool in tools}, prompt
        self.max_turns, self.repair, self.final_tokens = max_turns, repair, final_tokens
        self.schemas = [tool.schema for tool in tools]
        self.stops = [marker for tool in tools for marker in (tool.end, tool.open_result)]

    def steps(self) -> Steps:
        phases: dict[str, Phase] = {"generate": self.generate}
        phases |= {name: self._act(tool) for name, tool in self.tools.items()}
        phases["close"] = self.close
        return Steps(self.start, phases, self.finish, "generate")

    async def start(self, task: Task) -> State:
        capabilities = await self.model.capabilities()
        native = capabilities.transport == "tools"
        note("transport", {"transport": capabilities.transport})
        transcript = Transcript().add("user", self.prompt(task, native), "prompt")
        head = current().keep(transcript)
        return {
            "first": head,
            "head": head,
            "native": native,
            "turn": 0,
            "calls": [],
            "used": dict.fromkeys(self.tools, 0),
            "refused": 0,
            "misused": 0,
            "seen": {name: [] for name in self.tools},
            "evidence": [],
            "status": "ok",
            "stop_reason": "",
        }

    async def generate(self, state: State) -> State:
        """Continues the model's own text up to an end marker, and reads what it asks for."""
        if state["turn"] >= self.max_turns:
            return _closing(state, "turn_cap", "turn_cap")
        transcript = current().transcript(state["head"])
        try:
            # The final prompt is this one plus what is written now.
            ahead = self.model.max_tokens + self.final_tokens
            hold_final(state["first"], lambda: self.model.reserve(transcript, ahead))
            reply = await self._continue(transcript, state["native"])
        except Refused as refusal:
            return _closing(state, "budget", refusal.limit)
        except EffectFailed as error:
            return _failed(state, error)
        state = {**state, "turn": state["turn"] + 1}
        return self._read_calls(state, reply) if state["native"] else self._read_markers(state, transcript, reply)

    async def _continue(self, transcript: Transcript, native: bool) -> Reply:
        if native:
            return await self.model.chat(transcript, tools=self.schemas)
        return await self.model.extend(transcript, stop=self.stops)

    def _read_markers(self, state: State, before: Transcript, reply: Reply) -> State:
        found = parse(reply.text, list(self.tools.values()), repair=self.repair)
        written = before.add("assistant", reply.text[: found.keep], "model", effect=reply.key)
        if found.tool is None:
            state = {**state, "head": current().keep(written)}
            if reply.finish == "length" and not self._answer(written, state):
                return {**state, "phase": "generate"}  # cut in the middle of a thought
            return self._ended(state, written)
        if found.problem:
            return self._misused(state, written, found.tool, None)
        if not found.closed:
            note("query_closed", {"tool": found.tool.name, "argument": found.argument})
            written = written.add("assistant", found.tool.end, "notice")
        call = {"tool": found.tool.name, "argument": found.argument, "id": None}
        return {**state, "head": current().keep(written), "calls": [call], "phase": found.tool.name}

    def _read_calls(self, state: State, reply: Reply) -> State:
        written = reply.transcript
        if not reply.tool_calls:
            return self._ended({**state, "head": current().keep(written)}, written)
        calls = []
        for call in reply.tool_calls:
            tool = self.tools.get(call.name)
            argument = call.arguments.get(tool.argument) if tool else None
            usable = isinstance(argument, str) and argument.strip() and not call.error
            calls.append(
                {
                    "tool": tool.name if tool else next(iter(self.tools)),
                    "argument": str(argument).strip() if usable else "",
                    "id": call.id,
                }
            )
        return {**state, "head": current().keep(written), "calls": calls, "phase": calls[0]["tool"]}

    def _misused(self, state: State, written: Transcript, tool: MarkerTool, call_id: str | None) -> State:
        """A wrong use of a tool is explained once; the second one ends the tool use."""
        note("malformed_call", {"tool": tool.name, "turn": state["turn"]})
        state = {**state, "misused": state["misused"] + 1}
        written = self._inject(written, tool, MISUSED.format(**tool.usage()), call_id)
        state["head"] = current().keep(written)
        if state["misused"] > 1:
            return _closing(state, "ok", "malformed")
        return {**state, "phase": "generate"}

    def _act(self, tool: MarkerTool) -> Phase:
        async def act(state: State) -> State:
            call, *rest = state["calls"]
            transcript = current().transcript(state["head"])
            if not call["argument"]:
                state = {**self._misused(state, transcript, tool, call["id"]), "calls": rest}
                return state if state["phase"] == "close" else _after(state)
            try:
                state, text = await self._answer_call(tool, call["argument"], transcript, state)
            except Refused as refusal:
                return _closing(state, "budget", refusal.limit)
            written = self._inject(transcript, tool, text, call["id"])
            state = {**state, "head": current().keep(written), "calls": rest}
            if state["refused"] > MOST_REFUSED:
                return _closing(state, tool.quota_status, tool.quota_status)
            return _after(state)

        return act

    async def _answer_call(
        self, tool: MarkerTool, argument: str, transcript: Transcript, state: State
    ) -> tuple[State, str]:
        """The text that the model reads in reply to a call. Over quota comes before repeated, as in the paper."""
        if state["used"][tool.name] >= tool.quota:
            note("over_quota", {"tool": tool.name, "argument": argument})
            return {**state, "refused": state["refused"] + 1, "stop_reason": tool.quota_status}, tool.over_quota
        if tool.repeats(argument, state["seen"][tool.name]):
            note("repeated", {"tool": tool.name, "argument": argument})
            return state, tool.repeated
        task = Task.model_validate(state["task"])
        result = await tool.handle(Call(argument, transcript, task, list(self.tools.values())))
        counts = not result.failed or tool.count_failed
        known = {item["id"] for item in state["evidence"]}
        fresh = [item.model_dump(mode="json") for item in result.evidence if item.id not in known]
        seen = state["seen"][tool.name] + ([] if result.failed else [argument])
        state = {
            **state,
            "used": {**state["used"], tool.name: state["used"][tool.name] + counts},
            "seen": {**state["seen"], tool.name: seen},
            "evidence": [*state["evidence"], *fresh],
        }
        left = tool.quota - state["used"][tool.name]
        return state, neutralise(result.text) + (f" [{tool.name} calls left: {left}]" if left <= 1 else "")

    def _inject(self, transcript: Transcript, tool: MarkerTool, text: str, call_id: str | None) -> Transcript:
        if call_id is not None:
            return transcript.add("tool", text, "injected", extra={"tool_call_id": call_id})
        return transcript.add("assistant", tool.block(text), "injected")

    def _ended(self, state: State, written: Transcript) -> State:
        if self._answer(written, state):
            return {**state, "calls": [], "phase": END_PHASE}
        return _closing(state, state["status"], state["stop_reason"])

    async def close(self, state: State) -> State:
        """One last answer without tools, whatever ended the loop."""
        transcript = current().transcript(state["head"])
        note("closing", {"stop_reason": state["stop_reason"]})
        try:
            reply = await self._last_words(transcript, state)
        except Refused as refusal:
            return {**state, "status": "budget", "stop_reason": refusal.limit, "phase": END_PHASE}
        except EffectFailed as error:
            return _failed(state, error)
        return {**state, "head": current().keep(reply.transcript), "phase": END_PHASE}

    async def _last_words(self, transcript: Transcript, state: State) -> Reply:
        hold = take_hold(state["first"])
        if state["native"]:
            for call in state["calls"]:  # a function call without a result is an error in the protocol
                transcript = transcript.add("tool", "Not performed.", "notice", extra={"tool_call_id": call["id"]})
            asked = transcript.add("user", FINAL.replace("I will now give", "Give"), "notice")
            # Some providers reject a conversation with calls in it when the tools are not named again.
            return await self.model.chat(
                asked, tools=self.schemas, tool_choice="none", max_tokens=self.final_tokens, hold=hold
            )
        asked = transcript.add("assistant", f"\n\n{FINAL}\n\n", "notice")
        return await self.model.extend(asked, stop=self.stops, max_tokens=self.final_tokens, hold=hold)

    def _answer(self, transcript: Transcript, state: State) -> str:
        """The answer in what the model itself wrote, which excludes every result that it was given."""
        text, origin = "", ""
        for segment in transcript.segments:
            if segment.origin == "model":
                text += ("" if origin == "model" else "\n") + segment.text
            origin = segment.origin
        return extract_answer(text, state["task"]["kind"])

    def finish(self, state: State) -> Answer:
        run = current()
        text = self._answer(run.transcript(state["head"]), state)
        status = state["status"]
        if not text and status not in ("error", "budget"):
            status = "malformed" if state["stop_reason"] == "malformed" else "no_answer"
        return Answer(
            text=text,
            status=status,
            stop_reason=state["stop_reason"],
            evidence=tuple(Evidence(**item) for item in state["evidence"]),
            trace=Trace(run=run.id),
        )


def _after(state: State) -> State:
    return {**state, "phase": state["calls"][0]["tool"] if state["calls"] else "generate"}


def _closing(state: State, status: str, reason: str) -> State:
    return {**state, "status": status, "stop_reason": reason, "phase": "close"}


def _failed(state: State, error: EffectFailed) -> State:
    """The run ends with what there is: a text that no longer fits the context can be read, but not continued."""
    status = "partial" if isinstance(error, ContextOverflow) else "error"
    reason = "context_overflow" if isinstance(error, ContextOverflow) else f"{type(error).__name__}: {error}"
    return {**state, "status": status, "stop_reason": reason, "phase": END_PHASE}


_STEP_BREAK = re.compile(r"\n\s*\n")


def digest(transcript: Transcript, tools: Sequence[MarkerTool], *, head: int = 1, tail: int = 4) -> str:
    """The model's reasoning so far as numbered steps, for a reader that knows nothing of markers: the first, the last
    four and all that hold a call; skipped ones become an ellipsis (Search-o1, section 2: previous-reasoning digest).
    Results stand under the step that asked for them."""
    steps: list[str] = []
    calls: set[int] = set()
    for segment in transcript.segments:
        if segment.role not in ("assistant", "tool"):
            continue
        text = segment.text
        if segment.origin == "model":
            for tool in tools:
                call = re.escape(tool.begin) + r"\s*(.*?)\s*(?:" + re.escape(tool.end) + r"|\Z)"
                text = re.sub(call, rf"[{tool.name}: \1]", text, flags=re.DOTALL)
            new = [step.strip() for step in _STEP_BREAK.split(text) if step.strip()]
            for made in (segment.extra or {}).get("tool_calls", ()):
                new.append(f"[{made['function']['name']}: {made['function']['arguments']}]")
            steps += new
        elif segment.origin == "injected":
            for tool in tools:
                text = text.replace(tool.open_result, "").replace(tool.close_result, "")
            steps = steps or ["(no words)"]
            steps[-1] += f"\n[result: {text.strip()}]"
            calls.add(len(steps) - 1)
    return _numbered(steps, calls, head, tail)


def _numbered(steps: Sequence[str], calls: set[int], head: int, tail: int) -> str:
    wanted = {*range(head), *range(max(len(steps) - tail, 0), len(steps)), *calls}
    lines: list[str] = []
    for i, step in enumerate(steps):
        if i in wanted:
            lines.append(f"Step {i + 1}: {step}")
        elif lines and lines[-1] != "...":
            lines.append("...")
    return neutralise("\n\n".join(lines))
