"""One sample of many: its failure ends no other, and what arrived is never lost."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from clew.errors import ContextOverflow, EffectFailed, Refused
from clew.graphs.base import State
from clew.journal import note, scope
from clew.models import Model, Reply

from .asking import Asker, Prompt
from .job import happened

LEAST_ROOM = 1_000


@dataclass(frozen=True)
class Sampled:
    """`prompt` is what was asked last, for `room` tokens. Either `reply` or `error` is None. `lifted`: the reply got
    the model's own limit."""

    prompt: Prompt
    reply: Reply | None
    error: Refused | EffectFailed | None
    room: int
    lifted: bool = False


async def sampled(
    asker: Asker,
    state: State,
    stage: str,
    number: int,
    build: Callable[[int], Prompt],
    *,
    max_tokens: int,
    usable: Callable[[Reply], bool],
    temperature: float,
) -> Sampled:
    """Sample `number` of `build(room)`: greedy for number 0, at `temperature` for the others. The caller gives it a
    scope of its own.

    As in `Asker.ask` a reply that its limit cut off and that is not `usable` is asked for again, once, with the model's
    own limit, and a prompt that the server finds too long is built for half of the room. Raises nothing that a call
    ends with.
    """
    model, lifted = asker.model, False
    room, limit = asker.room(state), min(state.get("reply_limits", {}).get(stage, max_tokens), model.max_tokens)
    options = {"temperature": 0.0 if number == 0 else temperature, **seed_of(model, number)}
    while True:
        prompt = build(room)
        try:
            reply = await model.chat(prompt.transcript, max_tokens=limit, **options)
            if reply.finish == "length" and not usable(reply) and limit < model.max_tokens:
                note("reply_limit_lifted", {"stage": stage, "max_tokens": limit, "then": model.max_tokens})
                limit, lifted = model.max_tokens, True
                with scope("longer"):
                    reply = await model.chat(prompt.transcript, max_tokens=limit, **options)
            return Sampled(prompt, reply, None, room, lifted)
        except ContextOverflow as error:
            if room // 2 < LEAST_ROOM:
                return Sampled(prompt, None, error, room, lifted)
            room //= 2
        except (Refused, EffectFailed) as error:
            return Sampled(prompt, None, error, room, lifted)


def seed_of(model: Model, number: int) -> dict[str, Any]:
    """The seed of a sample where the model has a fixed one, as in `Model.sample`."""
    seed = model.fingerprint().get("seed")
    return {"seed": seed + number} if isinstance(seed, int) else {}


def learned(asker: Asker, state: State, stage: str, samples: Sequence[Sampled]) -> State:
    """The state with the limits that the samples found, for those after them."""
    if any(sample.lifted for sample in samples):
        limit = asker.model.max_tokens
        state = {**state, "reply_limits": {**state.get("reply_limits", {}), stage: limit}}
        state = happened(state, {"kind": "reply_limit_lifted", "stage": stage, "max_tokens": limit})
    room = min(sample.room for sample in samples)
    if room < asker.room(state):
        state = {**state, "context_limit": room}
        state = happened(state, {"kind": "context_overflow", "stage": stage, "tokens": room})
    return state
