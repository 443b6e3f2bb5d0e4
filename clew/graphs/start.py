"""START: a long chain of thought that runs Python, led to it by hints (arXiv 2503.04625).

The model reasons in one text and writes programs in fenced blocks; each is run in a session of a sandbox, and what it
printed comes back as an `output` block. When the model ends, a hint (Hint-infer) takes the end away and makes it think
on. The paper gives the hints, the places for them and the limit of six programs; how programs run and what the block
shows follows the code of CoRT by the same authors; what is done about repeats, failures and malformed text is ours.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any, cast

from clew.errors import ConfigError
from clew.graphs.base import END_PHASE, Graph, Phase, State, graph_of, prompt_hashes, render_notes
from clew.graphs.calls import MISCALLED, Call, MarkerTool, Result
from clew.graphs.fences import FencedTool, blocks, outside
from clew.graphs.final import TASK_INSTRUCTIONS
from clew.graphs.hints import CLASS_TEMPLATE, HINTS, LEADS, SELF_DEBUG, STDIN_TEMPLATE, Hint, Placement, choose, point
from clew.graphs.markers import MarkerLoop, before_result
from clew.journal import Recipe, Segment, Transcript, current, note
from clew.models import Model
from clew.sandbox.sessions import session
from clew.sandbox.types import Limits, Sandbox
from clew.scoring import extract_answer
from clew.task import Answer, Status, Task, TaskKind
from clew.tools.output import FORGOTTEN, SILENT, shown

# Prompts ---------------------------------------------------------------------------------------------------------

INSTRUCTION = """\
You are solving a problem step by step. You can run Python while you think.

To run a program, write it in a block that begins with a line ```python and ends with a line ```. Then stop: the \
program is run, and what it printed is inserted for you in a block that begins with ```output; never write such a \
block yourself. Print what you want to see. Names stay defined from one program to the next, as in a notebook. There \
is no network. You may run up to {max_programs} programs.{tools}

Compute whatever is long or easy to get wrong. When you know enough, go on reasoning and finish."""

NATIVE_INSTRUCTION = """\
You are solving a problem step by step. You can run Python with the function `python`: it takes a program and returns \
what the program printed. Names stay defined from one program to the next, as in a notebook. There is no network. You \
may run up to {max_programs} programs.

Compute whatever is long or easy to get wrong. When you know enough, finish without calling a function."""

OTHER_TOOL = """

You can also use a tool called {name}. {description} To use it, write {begin} the {argument} {end} and stop: the \
result is inserted for you between {open_result} and {close_result}."""

NO_MORE = "[No further program can be run. Go on reasoning with what you know and finish.]"
SAME_PROGRAM = "[This is the program that ran just before; its output is shown again. Change it, or go on without it.]"
MISUSED = "[Nothing was run. To run a program, write {begin}then the {argument}, then {end}Otherwise go on and finish.]"

# Running programs ------------------------------------------------------------------------------------------------

# How a run ends that can be resumed: what follows its last hint is not known yet.
UNFINISHED = ("error", "partial", "budget")

# So many failing programs in a row bring the self-debug hint; one more, and there is no other.
FAILING = 3


@dataclass(frozen=True)
class Notebook:
    """What happens between a program and its output block. The history of the session is kept in the graph's state."""

    sandbox: Sandbox
    limits: Limits | None
    output_chars: int

    async def __call__(self, call: Call) -> Result:
        """Runs the program. Raises `SandboxFailed`, which is no fault of the program."""
        memory = call.memory or {"history": [], "program": None, "text": "", "failing": 0, "hinted": False}
        if call.argument == memory["program"]:
            note("repeated", {"tool": "python", "argument": call.argument})
            return Result(f"{memory['text']}\n{SAME_PROGRAM}", failed=True, memory=memory)
        notebook = session(self.sandbox, memory["history"], self.limits)
        done = await notebook.run(call.argument)
        text = shown(done, self.limits or self.sandbox.limits, self.output_chars)
        failing = 0 if done.ok else memory["failing"] + 1
        memory = {**memory, "history": notebook.history, "program": call.argument, "text": text, "failing": failing}
        if failing < FAILING:
            return Result(text, memory=memory)
        if memory["hinted"]:
            note("tool_withdrawn", {"tool": "python", "failing": failing})
            return Result(text, memory=memory, withdraw=True)
        note("hint", {"hint": SELF_DEBUG.id, "function": SELF_DEBUG.function, "position": "after_output"})
        return Result(text, memory={**memory, "hinted": True}, then=SELF_DEBUG.render(call.task, "end").lstrip())

    async def close(self, memory: dict[str, Any] | None) -> None:
        """Ends the interpreter of a question that is over."""
        if memory is not None:
            await session(self.sandbox, memory["history"]).close()


# Hints -----------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Hinting:
    """Which hints, where, and how often at the end of a chain."""

    hints: Sequence[Hint]
    placement: Placement
    rounds: int


class StartLoop(MarkerLoop):
    """The marker loop with one more phase: `hint`, which takes the end of the model's text away and goes on."""

    def __init__(
        self,
        model: Model,
        tools: Sequence[MarkerTool],
        prompt: Callable[[Task, bool], str],
        notebook: Notebook,
        hinting: Hinting,
        *,
        max_turns: int,
        final_tokens: int,
    ) -> None:
        super().__init__(model, tools, prompt, max_turns=max_turns, final_tokens=final_tokens)
        self.notebook, self.hinting = notebook, hinting

    def phases(self) -> dict[str, Phase]:
        return {name: self._tidied(phase) for name, phase in {**super().phases(), "hint": self.hint}.items()}

    async def start(self, task: Task) -> State:
        return {**await super().start(task), "hints": [], "compared": 0, "before": ""}

    def _ended(self, state: State, written: Transcript) -> State:
        state = self._compared(state, written)
        out_of_programs = state["used"]["python"] >= self.tools["python"].quota
        if len(state["hints"]) >= self.hinting.rounds or out_of_programs:
            return super()._ended(state, written)
        return {**state, "calls": [], "phase": "hint"}

    async def hint(self, state: State) -> State:
        """HINT? and INSERT: a chain that ended goes on after a hint, when there is a place and a sentence for one."""
        written = current().transcript(state["head"])
        words = last_words(written)
        place = point(words, self.hinting.placement)
        task = Task.model_validate(state["task"])
        seed = current().seed("hint", len(state["hints"]))
        chosen = choose(self.hinting.hints, task, place.position, state["hints"], seed) if place else None
        if place is None or chosen is None:
            return super()._ended(state, written)
        native = state["native"]
        text = chosen.render(task, place.position, fence=not native)
        event = {"turn": state["turn"], "hint": chosen.id, "function": chosen.function, "position": place.position}
        if native:
            # Nobody continues that text: the hint comes from the user, and nothing is taken away.
            note("hint", {**event, "degraded": True})
            hinted = written.add("user", text.strip(), "notice")
        else:
            removed = len(words) - place.offset
            note("hint", {**event, "offset": place.offset, "removed": removed, "degraded": False})
            hinted = without_end(written, removed).add("assistant", text, "notice")
        before = self._answer(written, state) or state["before"]
        state = {**state, "hints": [*state["hints"], chosen.id], "before": before}
        return {**state, "head": current().keep(hinted), "phase": "generate"}

    def _compared(self, state: State, written: Transcript) -> State:
        """Notes what became of the answer after a hint. Whether that was for the better only a scorer knows."""
        if state["compared"] == len(state["hints"]):
            return state
        before, after = state["before"], self._answer(written, state)
        change = "same" if after == before else "changed"
        note("answer_after_hint", {"hint": state["hints"][-1], "before": before, "after": after, "change": change})
        return {**state, "compared": len(state["hints"])}

    def _tidied(self, phase: Phase) -> Phase:
        async def tidied(state: State) -> State:
            state = await phase(state)
            if state["phase"] == END_PHASE:
                if state["status"] not in UNFINISHED:
                    state = self._compared(state, current().transcript(state["head"]))
                await self.notebook.close(state["memory"]["python"])
            return state

        return tidied

    def _settled(self, transcript: Transcript) -> Transcript:
        """A block that is open is closed, or taken away when nothing is in it: what follows is no program."""
        text = before_result(transcript)
        last = next(reversed(blocks(text)), None)
        if last is None or last.closed:
            return transcript
        if last.content(text).strip():
            return transcript.add("assistant", last.ending(text), "notice")
        return without_end(transcript, len(text) - last.start)

    def _answer(self, transcript: Transcript, state: State) -> str:
        """The answer in the model's own words: programs hold none, except where a program is the answer."""
        kind = state["task"]["kind"]
        if state["native"]:
            return super()._answer(transcript, state)
        texts, programs = [], []
        for whole, own in stretches(transcript):
            found = [block for block in blocks(whole) if block.runs]
            texts.append(own if kind == "code" else outside(own, found))
            programs += [content for block in found if (content := block.content(own).strip("\n")).strip()]
        if kind == "code" and programs:
            return programs[-1]
        return extract_answer("\n".join(texts), kind)

    def finish(self, state: State) -> Answer:
        """A limit that was met on the way is the status, also when the model then answered. An answer that a hint took
        away counts where none came after it."""
        answer = super().finish(state)
        status, reason = answer.status, answer.stop_reason
        if status in ("no_answer", "malformed") and state["before"]:
            status = "ok"
        if status == "ok" and reason in ("tool_quota", "search_quota"):
            status = cast(Status, reason)
        memory = state["memory"]["python"]
        if reason == "tool_quota" and memory and memory["hinted"] and memory["failing"] > FAILING:
            reason = "tool_withdrawn"
        text = answer.text or state["before"]
        return answer.model_copy(update={"text": text, "status": status, "stop_reason": reason})


def last_words(transcript: Transcript) -> str:
    """What the model wrote last, up to where somebody else had the word."""
    parts: list[str] = []
    for _, segment in transcript.links():
        if segment.role != "assistant" or segment.origin != "model":
            break
        parts.append(segment.text)
    return "".join(reversed(parts))


def stretches(transcript: Transcript) -> Iterator[tuple[str, str]]:
    """What the assistant wrote between one result and the next, beyond which no block goes: the whole text, and that of
    the model alone. A fence that a hint opened counts, though the hint's words do not: blanks keep every place."""
    parts: list[Segment] = []
    for segment in [*transcript.segments, Segment("user", "", "prompt")]:
        if segment.role == "assistant" and segment.origin != "injected":
            parts.append(segment)
        elif parts:
            own = [part.text if part.origin == "model" else _blank(part.text) for part in parts]
            yield "".join(part.text for part in parts), "".join(own)
            parts = []


def without_end(transcript: Transcript, chars: int) -> Transcript:
    """`transcript` without its last `chars` characters."""
    segments = list(transcript.segments)
    while chars and segments:
        last = segments.pop()
        if len(last.text) > chars:
            segments.append(replace(last, text=last.text[: len(last.text) - chars]))
        chars = max(chars - len(last.text), 0)
    shorter = Transcript()
    for segment in segments:
        shorter = shorter.append(segment)
    return shorter


def _blank(text: str) -> str:
    return "".join(character if character == "\n" else " " for character in text)


# The graph ---------------------------------------------------------------------------------------------------------


def start(
    model: Model,
    sandbox: Sandbox,
    *,
    max_programs: int = 6,
    max_turns: int = 32,
    hint_rounds: int = 1,
    hints: Sequence[Hint] = HINTS,
    placement: Placement = "end",
    tools: Sequence[MarkerTool] = (),
    limits: Limits | None = None,
    output_chars: int = 800,
    final_tokens: int = 2_048,
    instruction: str = INSTRUCTION,
    native_instruction: str = NATIVE_INSTRUCTION,
    forms: Mapping[TaskKind, str] | None = None,
    recipe: Recipe | None = None,
) -> Graph:
    """The START graph: `{"task": ...}` in, `{"answer": ...}` out.

    `max_programs` (paper: 6) bounds the programs of a question, `max_turns` the calls of the model. A program may use
    `limits` (default: the sandbox's); of its stdout and of its error the model sees `output_chars` characters each
    (CoRT: 800, half from the head). `hint_rounds` is how often the end of the chain is taken away and a hint put in its
    place (the paper's test-time scaling); 0 is plain generation. `placement` says where hints stand (see
    `clew.graphs.hints.point`), `hints` which there are; the choice among those that fit is drawn from the run's seed.
    `tools` are further tools of the same chain, such as `clew.graphs.search_o1.search_tool`. `instruction` and
    `native_instruction` replace the prompts (`{max_programs}` and `{tools}` are filled in), `forms` what is said about
    the form of the answer.

    Code tasks may carry `inputs["starter_code"]` and `inputs["samples"]`, which the debug hint shows.

    Models that cannot continue their own text get `python` as a function, and hints as user messages (the note `hint`
    is then `degraded`).

    Status `ok`; `tool_quota` (stop reason `tool_quota` or, after failing programs, `tool_withdrawn`), `turn_cap` and
    `budget` with the best answer that was left; `no_answer`, `malformed`, `partial` (context overflow) or `error`, also
    when the sandbox failed: resume when it is back.

    Raises `ConfigError` for limits that make no sense, an unknown placement, and two tools of one name.
    """
    names = ["python", *(tool.name for tool in tools)]
    if len(set(names)) < len(names) or {"generate", "close", "hint"} & set(names):
        raise ConfigError(f"tools are named {names}: give each its own name, none of them generate, close or hint")
    if placement not in ("end", "last_wait", "all", "arithmetic"):
        raise ConfigError(f"placement={placement!r} is unknown: give 'end', 'last_wait', 'all' or 'arithmetic'")
    if min(max_programs, hint_rounds) < 0 or max_turns < 1 or output_chars < 2:
        given = f"max_programs={max_programs}, hint_rounds={hint_rounds}, max_turns={max_turns}"
        raise ConfigError(f"{given}, output_chars={output_chars}: no number below 0, at least 1 turn and 2 characters")
    wanted = {**TASK_INSTRUCTIONS, **(forms or {})}
    notebook = Notebook(sandbox, limits, output_chars)
    python = FencedTool(
        name="python",
        description="Runs a Python program and returns what it printed. Names stay defined for the next program.",
        argument="program",
        begin="```python\n",
        end="```\n",
        open_result="```output",
        close_result="```",
        handle=notebook,
        quota=max_programs,
        over_quota=NO_MORE,
        repeated=SAME_PROGRAM,
        verbatim=True,
        repeats=lambda program, earlier: False,  # the notebook knows what ran just before, and what it printed
        misused=MISUSED,
    )

    def prompt(task: Task, native: bool) -> str:
        text = native_instruction if native else instruction
        others = "".join(OTHER_TOOL.format_map(vars(tool)) for tool in tools)
        # Not str.format: a user's own instruction holds braces of LaTeX.
        filled = text.replace("{max_programs}", str(max_programs)).replace("{tools}", others)
        starter = task.inputs.get("starter_code")
        code = f"\n\nStarter code:\n{starter}" if isinstance(starter, str) else ""
        return f"{filled}\n\n{wanted[task.kind]}\n\nQuestion:\n{task.prompt.strip()}{code}{render_notes(task)}\n\n"

    hinting = Hinting(hints, placement, hint_rounds)
    both = [python, *tools]
    loop = StartLoop(model, both, prompt, notebook, hinting, max_turns=max_turns, final_tokens=final_tokens)
    fingerprint: dict[str, Any] = {
        "method": "start",
        "prompts": prompt_hashes(
            instruction=instruction,
            native=native_instruction,
            forms=str(wanted),
            hints=str([asdict(hint) for hint in hints]) + CLASS_TEMPLATE + STDIN_TEMPLATE + str(LEADS),
            tools=str([(tool.name, tool.description, tool.begin, tool.end, tool.quota) for tool in tools]),
            notices=NO_MORE + SAME_PROGRAM + MISUSED + MISCALLED + SILENT + FORGOTTEN + SELF_DEBUG.text + OTHER_TOOL,
        ),
        "model": model.fingerprint(),
        "sandbox": sandbox.name,
        "tools": {tool.name: dict(tool.behind) for tool in tools},
        "limits": {
            "max_programs": max_programs,
            "max_turns": max_turns,
            "hint_rounds": hint_rounds,
            "placement": placement,
            "program": (limits or sandbox.limits).to_json(),
            "output_chars": output_chars,
        },
    }
    return graph_of(loop.steps(), name="start", fingerprint=fingerprint, recipe=recipe)
