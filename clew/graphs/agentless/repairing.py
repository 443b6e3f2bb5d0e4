"""REPAIR: edits by a model, as many candidates for each location set as are asked for (specification, section 2).

One wave is one candidate of every set: all greedy ones first, then sample by sample, so that an early stop has asked
every set equally often. All candidates of a set have the same prompt, and the sets share its beginning, which a server
keeps in its prefix cache. Differs from the released code: what the model should do about edits that cannot be used is
told to it, once; a failed call is a candidate with a reason, not an empty one; messages of failing tests are evidence;
the heads of what is around the code shown, its imports, the constructors of its classes, and elements of an earlier
step are shown.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

from clew.errors import EffectFailed, Refused
from clew.graphs.base import Phase, State, side_by_side
from clew.graphs.final import stopped
from clew.journal import Cost, scope
from clew.models import Reply
from clew.models.tokens import estimate
from clew.task import Task
from clew.tools.output import cut

from .asking import Asker, Material, Prompt, prompt_of, with_complaint
from .candidates import from_answer
from .context import assemble, imports, render, spans_of, surroundings, without
from .edits import parse_edits
from .evidence import tests_block
from .job import VALIDATE, Job, flagged, happened, told
from .sampling import Sampled, learned, sampled, seed_of
from .types import Candidate, Location, Span

REPAIR = "repair"

STEP = """\
Your step: fix the issue in the code above.

First say in a few sentences what causes the issue, and where. The issue may be wrong about the inside of the code: \
the code above tells what is there. Then write the edits that fix it. An edit is a block under a line with the path of \
its file, exactly in this form, with or without a fence around it:

### path/of/file.py
<<<<<<< SEARCH
    if len(names) > limit:
=======
    if len(names) >= limit:
>>>>>>> REPLACE

Rules
- SEARCH holds whole lines of the code above, copied exactly, with all spaces or tabs at their beginning; as few as \
you need, but enough that they stand only once in the code shown. A line such as `... lines 7-12 left out` is no code: \
do not copy it.
- REPLACE holds all the new lines. They take the place of the SEARCH lines as they are, so write every one with its \
full indentation, as the lines beside it have it above.
- Write a block for each place that has to change, in one file or in several, each with its path.
- To delete lines leave REPLACE empty. To make a new file leave SEARCH empty.
- Fix the cause, not only the case that the issue shows, also in places that look alike and have the same flaw. Change \
nothing else, and no tests."""

TO_READ = "## Only to read"
READ = f"""
- What stands below `{TO_READ}` is there to understand the rest; it seldom has to change."""

LIKE_MARKERS = """
- Some lines of the code above look like the first or the last line of a block. Leave such lines out of SEARCH and \
REPLACE: choose other lines next to them."""

UNUSABLE = """\
{what} could not be used:
{reasons}

Write {again} in the form that was asked for: the path of the file, then the block with its SEARCH and REPLACE parts. \
Copy the SEARCH lines exactly from the code above."""

EMPTY = "(An earlier answer was empty. Answer now, with the edits in the form above.)"

# With such an edit half of the fix may be lost. Those that repeat, overlap or change nothing lose nothing.
_LOST = frozenset(
    f"edit_{kind}"
    for kind in (
        "no_path", "bad_path", "unfinished", "no_divider", "empty_search", "elided", "not_text", "ambiguous",
        "not_found",
    )
)  # fmt: skip
_LIKE_MARKERS = re.compile(r"^[ \t]*(?:<{5,9}[ \t]*SEARCH\b.*|>{5,9}[ \t]*(?:REPLACE\b.*)?)\r?$", re.MULTILINE | re.I)
_LONGEST_REASONS = 3_000
# Tokens of code that is only to read.
_MOST_TO_READ = 3_000


class _Ask:
    """The prompt of a location set for as many tokens as there are, and the lines that it shows."""

    def __init__(self, job: Job, state: State, locations: Sequence[Location], window: int) -> None:
        self.task = Task.model_validate(state["task"])
        self.locations, self.window = locations, window
        self.outlines = job.structure.outlines
        self.elements = [Location.model_validate(each) for each in state.get("elements") or ()]
        self.evidence = tests_block(job, state)
        named = dict.fromkeys([*state["files"], *(location.path for location in locations)])
        self.texts = {path: text for path in named if (text := job.texts.get(path)) is not None}
        markers = any(map(_LIKE_MARKERS.search, self.texts.values()))
        self.step = STEP + READ * bool(self.elements) + LIKE_MARKERS * markers
        self.shown: tuple[Span, ...] = ()

    def __call__(self, room: int) -> Prompt:
        return prompt_of(self.task, self.step, room, "CODE", self._code, self.evidence)

    def _code(self, limit: int) -> Material:
        """The code around the locations; where there is room left, also what one must see to read it."""
        context = assemble(list(self.texts), self.locations, self.texts, limit=limit, window=self.window)
        self.shown = context.spans
        around = surroundings(context.spans, self.locations, self.outlines, self.texts)
        around += imports(context.spans, self.texts)
        spans = spans_of([*context.spans, *around], self.texts, 0)
        text = render(spans, self.texts)
        if estimate(text) > limit:
            return Material(context.text, context.events)
        read = self._to_read(spans, min(limit - estimate(text), _MOST_TO_READ))
        return Material(f"{text}\n{TO_READ}\n\n{read}" if read else text, context.events)

    def _to_read(self, spans: Sequence[Span], room: int) -> str:
        """What is not among `spans` of the elements, of the first ones that fit."""
        text, chosen = "", list[Span]()
        for element in self.elements:
            more = [*chosen, *without(element, spans)]
            heads = surroundings(more, (), self.outlines, self.texts)
            around = [part for head in heads for part in without(head, spans)]
            wider = render(spans_of([*more, *around], self.texts, 0), self.texts)
            if len(more) > len(chosen) and estimate(wider) <= room:
                text, chosen = wider, more
        return text


@dataclass(frozen=True)
class _Attempt:
    """`candidate` is None where a limit `refused` its call. `effects` are the replies behind it, the last one that of
    its edits."""

    sampled: Sampled
    candidate: Candidate | None = None
    effects: tuple[str, ...] = ()
    refused: Refused | None = None


@dataclass(frozen=True)
class Repairer:
    """The phase `repair`.

    Args:
        candidates: how many for each location set, the first of them greedy; default 10.
        temperature: of the others; default 0.8.
        max_tokens: of an answer; default 1,024. The second try at one has the model's own limit.
        window: lines of code shown on either side of a location; default 10.
    """

    asker: Asker
    candidates: int = 10
    temperature: float = 0.8
    max_tokens: int = 1024
    window: int = 10

    def phases(self, job: Job) -> dict[str, Phase]:
        return {REPAIR: partial(self.wave, job)}

    def reserve(self, job: Job, state: State) -> Cost:
        """What the first candidate of every location set takes at most, with two runs of tests for each."""
        room, model = self.asker.room(state), self.asker.model
        prompts = [ask(room) for ask in self._asks(job, state)]
        calls = (model.reserve(prompt.transcript, self.max_tokens) for prompt in prompts)
        return sum(calls, Cost(code_runs=2 * len(prompts)))

    def _asks(self, job: Job, state: State) -> list[_Ask]:
        sets = [[Location.model_validate(each) for each in one] for one in state["sets"]] or [[]]
        return [_Ask(job, state, locations, self.window) for locations in sets]

    async def wave(self, job: Job, state: State) -> State:
        """The next candidate of every location set. Nothing that calls end with is raised: a candidate whose call
        failed has a reason; a limit, or a wave of failed calls alone, is in `state["ended"]`, beside what arrived."""
        await job.ready()
        asks = self._asks(job, state)
        if not any(ask.texts for ask in asks):
            return {**flagged(state, "no_code"), "pending": 0, "again": REPAIR, "phase": VALIDATE}
        sample = state.get("wave", 0)
        attempts = await side_by_side(
            [partial(self._attempt, job, state, ask, number, sample) for number, ask in enumerate(asks)]
        )
        samples = [attempt.sampled for attempt in attempts]
        if sample == 0:
            cuts = [
                {**event, "stage": REPAIR, "set": n} for n, one in enumerate(samples) for event in one.prompt.events
            ]
            state = happened(state, *cuts)
        state = learned(self.asker, state, REPAIR, samples)
        made = []
        for attempt in attempts:
            if attempt.candidate is not None:
                made.append(attempt.candidate.model_dump(mode="json"))
                told("candidate", **made[-1], effects=list(attempt.effects))
        error = _ending(attempts)
        return {
            **state,
            "candidates": [*state["candidates"], *made],
            "wave": sample + 1,
            "pending": len(asks) * (self.candidates - sample - 1) if error is None else 0,
            "again": REPAIR,
            "ended": state["ended"] if error is None else list(stopped(error)),
            "phase": VALIDATE,
        }

    async def _attempt(self, job: Job, state: State, ask: _Ask, number: int, sample: int) -> _Attempt:
        with scope("candidate", f"{number}.{sample}"):
            one = await sampled(
                self.asker,
                state,
                REPAIR,
                sample,
                ask,
                max_tokens=self.max_tokens,
                usable=lambda reply: bool(parse_edits(reply.text, job.texts).edits),
                temperature=self.temperature,
            )
            if isinstance(one.error, Refused):
                return _Attempt(one, refused=one.error)
            if one.reply is None:
                reason = f"the call failed: {type(one.error).__name__}: {one.error}"
                return _Attempt(one, Candidate(id=f"{number}.{sample}", set=number, sample=sample, reason=reason))
            first = await _read(job, ask, one.reply, number, sample)
            complaint = _complaint(first, one.reply)
            if not complaint:
                return _Attempt(one, first, (one.reply.key,))
            return await self._again(job, ask, one, first, complaint)

    async def _again(self, job: Job, ask: _Ask, one: Sampled, first: Candidate, complaint: str) -> _Attempt:
        """One more try, in the same conversation; the better of the two."""
        assert one.reply is not None, "there is an answer to complain about"
        model, sample = self.asker.model, first.sample
        transcript = one.reply.transcript.add("user", complaint, "notice")
        if not one.reply.text.strip():  # some servers refuse a conversation with an empty message
            transcript = with_complaint(one.prompt, EMPTY).transcript
        event = {"kind": "format_retry", "message": complaint[:_LONGEST_REASONS]}
        effects = (one.reply.key,)
        try:
            reply = await model.chat(
                transcript,
                max_tokens=model.max_tokens,
                temperature=0.0 if sample == 0 else self.temperature,
                **seed_of(model, sample),
            )
        except (Refused, EffectFailed) as error:
            kept = _noted(first, {**event, "helped": False, "error": f"{type(error).__name__}: {error}"})
            return _Attempt(one, kept, effects, error if isinstance(error, Refused) else None)
        second = await _read(job, ask, reply, first.set, sample)
        if _worth(second) > _worth(first):
            return _Attempt(one, _noted(second, {**event, "helped": True}), (*effects, reply.key))
        return _Attempt(one, _noted(first, {**event, "helped": False}), effects)


async def _read(job: Job, ask: _Ask, reply: Reply, number: int, sample: int) -> Candidate:
    candidate = await asyncio.to_thread(
        from_answer, reply.text, job.workspace, job.texts, ask.shown, set=number, sample=sample
    )
    return _noted(candidate, {"kind": "reply_cut"}) if reply.finish == "length" else candidate


def _complaint(candidate: Candidate, reply: Reply) -> str:
    """What to tell the model about its edits; "" when all of them could be used, or lost nothing."""
    lost = _lost(candidate)
    if candidate.diff and not lost:
        return ""
    reasons = [f"- {event['message']}" for event in lost] or [f"- {line}" for line in candidate.reason.split("\n")]
    return UNUSABLE.format(
        what="Some of your edits" if candidate.diff else "Your answer",
        reasons=cut("\n".join(dict.fromkeys(reasons)), _LONGEST_REASONS),
        again="all of your edits again, the others too," if candidate.diff else "your edits",
    )


def _lost(candidate: Candidate) -> list[dict[str, Any]]:
    return [event for event in candidate.events if event["kind"] in _LOST]


def _worth(candidate: Candidate) -> tuple[bool, bool, int]:
    return bool(candidate.diff), bool(candidate.key) and candidate.syntax_ok, -len(_lost(candidate))


def _noted(candidate: Candidate, event: dict[str, Any]) -> Candidate:
    return candidate.model_copy(update={"events": (*candidate.events, event)})


def _ending(attempts: Sequence[_Attempt]) -> Refused | EffectFailed | None:
    """What ends the sampling: a limit, or that every call of a wave failed, as the others then would."""
    refused = next((attempt.refused for attempt in attempts if attempt.refused is not None), None)
    if refused is not None or any(attempt.sampled.reply for attempt in attempts):
        return refused
    return attempts[0].sampled.error
