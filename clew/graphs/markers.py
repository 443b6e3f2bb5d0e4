"""The marker loop: a model that reasons in one long text and calls tools from inside it.

Search-o1 (arXiv 2501.05366) and START (arXiv 2503.04625) are this loop with other markers and handlers. The model
writes until the end marker of a tool, a handler acts on what stands between the markers, its result is appended to the
model's own text, and the model goes on. Models that cannot continue their own text get the same tools as native
function calls.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from clew.errors import ContextOverflow, EffectFailed, Refused
from clew.graphs.base import END_PHASE, Phase, State, Steps, hold_final, take_hold
from clew.graphs.calls import Call, MarkerTool, Parsed, Result, digest, explained, parse
from clew.journal import Hold, Transcript, current, note
from clew.models import Model, Reply
from clew.scoring import extract_answer
from clew.task import Answer, Evidence, Task, TaskKind, Trace
from clew.tools.output import neutralise

__all__ = ["Call", "MarkerLoop", "MarkerTool", "Parsed", "Result", "digest", "neutralise", "parse"]

FINAL = (
    "No further tool calls are possible. I will now give the final answer from what I know so far, "
    "in the format that was asked for."
)

# A model that keeps asking after the quota has been told this often; it would go on until the turn cap.
MOST_REFUSED = 2


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
        return Steps(self.start, self.phases(), self.finish, "generate")

    def phases(self) -> dict[str, Phase]:
        tools = {name: self._act(tool) for name, tool in self.tools.items()}
        return {"generate": self.generate, **tools, "close": self.close}

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
            "memory": dict.fromkeys(self.tools),
            "evidence": [],
            "status": "ok",
            "stop_reason": "",
        }

    async def generate(self, state: State) -> State:
        """Continues the model's own text up to an end marker, and reads what it asks for."""
        if state["turn"] >= self.max_turns:
            return closing(state, "turn_cap", "turn_cap")
        transcript = current().transcript(state["head"])
        try:
            # The final prompt is this one plus what is written now.
            ahead = self.model.max_tokens + self.final_tokens
            hold_final(state["first"], lambda: self.model.reserve(transcript, ahead))
            reply = await self._continue(transcript, state["native"])
        except Refused as refusal:
            return closing(state, "budget", refusal.limit)
        except EffectFailed as error:
            return failed(state, error)
        state = {**state, "turn": state["turn"] + 1}
        return self._read_calls(state, reply) if state["native"] else self._read_markers(state, transcript, reply)

    async def _continue(self, transcript: Transcript, native: bool) -> Reply:
        if native:
            return await self.model.chat(transcript, tools=self.schemas)
        return await self.model.extend(transcript, stop=self.stops)

    def _read_markers(self, state: State, before: Transcript, reply: Reply) -> State:
        earlier = before_result(before)
        found = parse(earlier + reply.text, list(self.tools.values()), repair=self.repair)
        kept = reply.text[: max(found.keep - len(earlier), 0)]
        written = before.add("assistant", kept, "model", effect=reply.key)
        if found.invented and found.tool is not None:
            note("hallucinated_output", {"tool": found.tool.name, "turn": state["turn"]})
        if found.problem and found.tool is not None:
            corrected = self._inject(written, found.tool, found.tool.correction(), None)
            return self._misused(state, corrected, found.tool.name)
        if self._goes_on(reply, found, written, state):
            return {**state, "head": current().keep(written), "phase": "generate"}
        if found.tool is None:
            return self._ended({**state, "head": current().keep(written)}, written)
        if found.missing.strip():
            note("query_closed", {"tool": found.tool.name, "argument": found.argument})
        if found.missing:
            written = written.add("assistant", found.missing, "notice")
        call = {"tool": found.tool.name, "argument": found.argument, "id": None}
        return {**state, "head": current().keep(written), "calls": [call], "phase": found.tool.name}

    def _goes_on(self, reply: Reply, found: Parsed, written: Transcript, state: State) -> bool:
        """Whether there is nothing to do but to write on: after a marker that calls nothing and ends no call, or where
        the limit of one reply cut a thought or a call."""
        cut, stopped = reply.finish == "length", reply.stop is not None and not found.invented
        if found.tool is None:
            return stopped or (cut and not self._answer(written, state))
        return found.open and (cut or stopped)

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
                    "name": call.name,
                }
            )
        return {**state, "head": current().keep(written), "calls": calls, "phase": calls[0]["tool"]}

    def _misused(self, state: State, corrected: Transcript, name: str) -> State:
        """A wrong use of a tool is explained once; the second one ends the tool use."""
        note("malformed_call", {"tool": name, "turn": state["turn"]})
        state = {**state, "misused": state["misused"] + 1, "head": current().keep(corrected)}
        if state["misused"] > 1:
            return closing(state, "ok", "malformed")
        return {**state, "phase": "generate"}

    def _act(self, tool: MarkerTool) -> Phase:
        async def act(state: State) -> State:
            call, *rest = state["calls"]
            transcript = current().transcript(state["head"])
            if not call["argument"]:  # of a function: what stands between markers was read before
                corrected = self._inject(transcript, tool, explained(call["name"], self.tools.values()), call["id"])
                state = {**self._misused(state, corrected, call["name"]), "calls": rest}
                return state if state["phase"] == "close" else _after(state)
            try:
                state, text, then = await self._answer_call(tool, call["argument"], transcript, state)
            except Refused as refusal:
                return closing(state, "budget", refusal.limit)
            except EffectFailed as error:
                return failed(state, error)
            written = self._inject(transcript, tool, text, call["id"], then)
            state = {**state, "head": current().keep(written), "calls": rest}
            if state["refused"] > MOST_REFUSED:
                return closing(state, tool.quota_status, tool.quota_status)
            return _after(state)

        return act

    async def _answer_call(
        self, tool: MarkerTool, argument: str, transcript: Transcript, state: State
    ) -> tuple[State, str, str]:
        """The text that the model reads in reply to a call, and what it then goes on with. Over quota comes before
        repeated, as in the paper."""
        if state["used"][tool.name] >= tool.quota:
            note("over_quota", {"tool": tool.name, "argument": argument})
            return {**state, "refused": state["refused"] + 1, "stop_reason": tool.quota_status}, tool.over_quota, ""
        if tool.repeats(argument, state["seen"][tool.name]):
            note("repeated", {"tool": tool.name, "argument": argument})
            return state, tool.repeated, ""
        task = Task.model_validate(state["task"])
        result = await tool.handle(
            Call(argument, transcript, task, list(self.tools.values()), state["memory"][tool.name])
        )
        counts = not result.failed or tool.count_failed
        used = tool.quota if result.withdraw else state["used"][tool.name] + counts
        known = {item["id"] for item in state["evidence"]}
        fresh = [item.model_dump(mode="json") for item in result.evidence if item.id not in known]
        seen = state["seen"][tool.name] + ([] if result.failed else [argument])
        state = {
            **state,
            "used": {**state["used"], tool.name: used},
            "memory": {**state["memory"], tool.name: result.memory},
            "seen": {**state["seen"], tool.name: seen},
            "evidence": [*state["evidence"], *fresh],
        }
        return state, neutralise(result.text) + tool.countdown(tool.quota - used), result.then

    def _inject(
        self, transcript: Transcript, tool: MarkerTool, text: str, call_id: str | None, then: str = ""
    ) -> Transcript:
        if call_id is not None:
            said = f"{text}\n\n{then}" if then else text
            return transcript.add("tool", said, "injected", extra={"tool_call_id": call_id})
        transcript = transcript.add("assistant", tool.block(text), "injected")
        return transcript.add("assistant", then, "notice") if then else transcript

    def _ended(self, state: State, written: Transcript) -> State:
        if self._answer(written, state):
            return {**state, "calls": [], "phase": END_PHASE}
        return closing(state, state["status"], state["stop_reason"])

    async def close(self, state: State) -> State:
        """One last answer without tools, whatever ended the loop."""
        transcript = current().transcript(state["head"])
        note("closing", {"stop_reason": state["stop_reason"]})
        try:
            reply = await self._last_words(transcript, state)
        except Refused as refusal:
            return {**state, "status": "budget", "stop_reason": refusal.limit, "phase": END_PHASE}
        except EffectFailed as error:
            return failed(state, error)
        return {**state, "head": current().keep(reply.transcript), "phase": END_PHASE}

    async def _last_words(self, transcript: Transcript, state: State) -> Reply:
        hold = take_hold(state["first"])
        if state["native"]:
            unanswered = [call["id"] for call in state["calls"]]
            return await last_words(self.model, transcript, unanswered, self.schemas, self.final_tokens, hold)
        asked = self._settled(transcript).add("assistant", f"\n\n{FINAL}\n\n", "notice")
        invented = [tool.open_result for tool in self.tools.values()]
        return await self.model.extend(asked, stop=invented, max_tokens=self.final_tokens, hold=hold)

    def _settled(self, transcript: Transcript) -> Transcript:
        """`transcript` made ready for a text that belongs to no call."""
        return transcript

    def _answer(self, transcript: Transcript, state: State) -> str:
        return own_answer(transcript, state["task"]["kind"])

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


def own_answer(transcript: Transcript, kind: TaskKind) -> str:
    """The answer in what the model itself wrote, which excludes every result that it was given."""
    text, origin = "", ""
    for segment in transcript.segments:
        if segment.origin == "model":
            text += ("" if origin == "model" else "\n") + segment.text
        origin = segment.origin
    return extract_answer(text, kind)


async def last_words(
    model: Model,
    transcript: Transcript,
    unanswered: Sequence[str],
    schemas: Sequence[dict[str, Any]],
    max_tokens: int,
    hold: Hold | None,
) -> Reply:
    """The final answer of a model that calls functions; `unanswered` are the ids of calls that were not performed."""
    for call in unanswered:  # a function call without a result is an error in the protocol
        transcript = transcript.add("tool", "Not performed.", "notice", extra={"tool_call_id": call})
    asked = transcript.add("user", FINAL.replace("I will now give", "Give"), "notice")
    # Some providers reject a conversation with calls in it when the tools are not named again.
    return await model.chat(asked, tools=schemas, tool_choice="none", max_tokens=max_tokens, hold=hold)


def before_result(transcript: Transcript) -> str:
    """The assistant's own text since the last result: a reply may end in the middle of a call."""
    parts: list[str] = []
    for _, segment in transcript.links():
        if segment.role != "assistant" or segment.origin == "injected":
            break
        parts.append(segment.text)
    return "".join(reversed(parts))


def _after(state: State) -> State:
    return {**state, "phase": state["calls"][0]["tool"] if state["calls"] else "generate"}


def closing(state: State, status: str, reason: str) -> State:
    return {**state, "status": status, "stop_reason": reason, "phase": "close"}


def failed(state: State, error: EffectFailed) -> State:
    """The run ends with what there is: a text that no longer fits the context can be read, but not continued."""
    status = "partial" if isinstance(error, ContextOverflow) else "error"
    reason = "context_overflow" if isinstance(error, ContextOverflow) else f"{type(error).__name__}: {error}"
    return {**state, "status": status, "stop_reason": reason, "phase": END_PHASE}
