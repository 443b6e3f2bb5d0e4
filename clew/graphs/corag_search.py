"""How CoRAG spends compute at test time: greedy decoding, best-of-N and tree search over chains (arXiv 2501.14342).

Each strategy is a table of phases over one JSON state: `chains` (those that go on, or were compared last), `values`
(their scores), `picked` (the one that is answered from), `scorers` (those that the server may support) and `limit` (the
budget limit that ended the search). The first phase is the strategy's step; the last one leads to `final`.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from functools import partial

from clew.errors import EffectFailed, Refused
from clew.graphs.base import Phase, State
from clew.graphs.corag_links import PLANS_PER_LINK, Chain, Links, Proposal, branches, ended_by
from clew.graphs.corag_scores import Scorers, best
from clew.graphs.passages import from_state
from clew.journal import note
from clew.task import Task

FINAL = "final"
# The released code asks for half as many children again as it keeps, because some repeat each other.
OVERSAMPLE = 1.5


@dataclass(frozen=True)
class Parts:
    """What the strategies share. `hold` sets budget aside for the final answer of a state; it raises `Refused`."""

    links: Links
    scorers: Scorers
    early_stop: bool
    hold: Callable[[Task, State], None]

    async def grow(self, task: Task, chain: Chain, temperature: float) -> Chain:
        """A chain that is open, with its next link; with early stop it may end there as sufficient."""
        return chain if chain["ended"] else await self.judged(task, await self.links.extend(task, chain, temperature))

    async def judged(self, task: Task, chain: Chain) -> Chain:
        """With early stop, an open chain that is enough ends as sufficient. A verdict that fails stops nothing."""
        if not self.early_stop or chain["ended"]:
            return chain
        try:
            enough = await self.scorers.sufficient(task, chain)
        except Refused as refusal:
            return ended_by(chain, refusal)
        except EffectFailed as error:
            note("sufficiency_failed", {"chain": chain["index"], "error": f"{type(error).__name__}: {error}"})
            return chain
        return {**chain, "ended": "sufficient"} if enough else chain

    def step(self, phase: Callable[[Task, State], Awaitable[State]]) -> Phase:
        """A phase that is not begun when no final answer could be paid for after it."""

        async def held(state: State) -> State:
            task = Task.model_validate(state["task"])
            try:
                if any(not chain["ended"] for chain in state["chains"]):
                    self.hold(task, state)
            except Refused as refusal:
                return settled(state, refusal.limit)
            return await phase(task, state)

        return held


def settled(state: State, limit: str) -> State:
    """The search ends for a limit: without further calls, the chain with the most links that found something counts."""
    found = [float(sum(link["found"] for link in chain["links"])) for chain in state["chains"]]
    errors = [chain["ended"] == "error" for chain in state["chains"]]
    values = [None if error else value for error, value in zip(errors, found, strict=True)]
    return {**state, "picked": best(values)[0], "limit": limit, "phase": FINAL}


def limit_of(chains: Sequence[Chain]) -> str:
    """The limit that ended the first of `chains` which met one; empty when none did."""
    return next((chain["reason"] for chain in chains if chain["ended"] == "budget"), "")


def first_sufficient(chains: Sequence[Chain]) -> int | None:
    """The first chain that early stop ended, if any; the others are not continued then."""
    enough = [i for i, chain in enumerate(chains) if chain["ended"] == "sufficient"]
    if not enough:
        return None
    note("sufficient_chain", {"chain": enough[0], "cancelled": sum(not chain["ended"] for chain in chains)})
    return enough[0]


def usable(chains: Sequence[Chain]) -> list[Chain]:
    """The chains that did not fail, renumbered; the first failed one when all did."""
    alive = [chain for chain in chains if chain["ended"] not in ("error", "partial")] or list(chains[:1])
    return [{**chain, "index": i} for i, chain in enumerate(alive)]


async def scored(parts: Parts, task: Task, chains: Sequence[Chain], state: State) -> tuple[State, list[float | None]]:
    """The values of `chains`, all missing when no scorer works, and the state, which remembers the scorers left."""
    try:
        values, order = await parts.scorers.score(task, chains, state["scorers"], from_state(state["passages"]))
    except EffectFailed as error:
        note("chains_not_scored", {"error": f"{type(error).__name__}: {error}"})
        return state, [None] * len(chains)
    return {**state, "scorers": list(order)}, values


def greedy(parts: Parts, temperature: float) -> dict[str, Phase]:
    """One chain, link by link (the paper's greedy decoding at temperature 0)."""

    async def link(task: Task, state: State) -> State:
        chain = await parts.grow(task, state["chains"][0], temperature)
        state = {**state, "chains": [chain]}
        if limit := limit_of([chain]):
            return settled(state, limit)
        return {**state, "phase": FINAL if chain["ended"] else "link"}

    return {"link": parts.step(link)}


def best_of_n(parts: Parts, temperature: float) -> dict[str, Phase]:
    """N chains side by side, one link each per step; chain 0 at temperature 0, so it is the greedy one. The best score
    is answered from. A chain that is found sufficient ends the others; of several in one step the first counts."""

    async def extend(task: Task, state: State) -> State:
        grow = [partial(parts.grow, task, chain, temperature if i else 0.0) for i, chain in enumerate(state["chains"])]
        chains = await branches("chain", grow)
        state = {**state, "chains": chains}
        if limit := limit_of(chains):
            return settled(state, limit)
        if (enough := first_sufficient(chains)) is not None:
            return {**state, "picked": enough, "phase": FINAL}
        return {**state, "phase": "choose" if all(chain["ended"] for chain in chains) else "extend"}

    async def choose(task: Task, state: State) -> State:
        chains = usable(state["chains"])
        state = {**state, "chains": chains, "phase": FINAL}
        if len(chains) == 1:
            return state
        try:
            state, values = await scored(parts, task, chains, state)
        except Refused as refusal:
            return settled(state, refusal.limit)
        return {**state, "picked": best(values)[0], "values": values}

    return {"extend": parts.step(extend), "choose": parts.step(choose)}


def tree_search(
    parts: Parts, temperature: float, *, expand: int, rollouts: int, beam: int, look_ahead: int
) -> dict[str, Phase]:
    """Breadth first with a beam. A step gives every chain of the beam up to `expand` children of one link; when there
    are more than the beam holds, each is scored by the mean over `rollouts` continuations of at most `look_ahead`
    links (0: by itself), and the best stay. Children are kept in the order in which they were sampled."""

    async def expand_beam(task: Task, state: State) -> State:
        families = await branches("beam", [partial(children, task, chain) for chain in state["chains"]])
        frontier = [child for family in families for child in family]
        if limit := limit_of(frontier):
            return settled({**state, "chains": [*frontier, *state["chains"]], "values": []}, limit)
        frontier = usable(frontier)
        state = {**state, "chains": frontier, "values": []}
        if (enough := first_sufficient(frontier)) is not None:
            return {**state, "picked": enough, "phase": FINAL}
        return {**state, "phase": "prune" if len(frontier) > beam else _onward(frontier)}

    async def children(task: Task, chain: Chain) -> list[Chain]:
        if chain["ended"]:
            return [chain]
        samples = int(OVERSAMPLE * expand)
        try:
            sampled = await branches("sample", [partial(sample, task, chain, i) for i in range(samples)])
        except Refused as refusal:
            return [ended_by(chain, refusal)]
        proposals = [one for one in sampled if isinstance(one, Proposal)]
        if not proposals:
            return [one for one in sampled if not isinstance(one, Proposal)][:1]
        kept: list[Proposal] = []
        for proposal in proposals:
            siblings = [query for sibling in kept for query in sibling.queries]
            new = parts.links.new_queries(proposal, chain, siblings) if len(kept) < expand else []
            kept += [proposal._replace(queries=new)] if new else []
        if not kept:
            return [parts.links.truncated(chain)]
        return await branches("child", [partial(child, task, chain, proposal) for proposal in kept])

    async def sample(task: Task, chain: Chain, number: int) -> Proposal | Chain:
        """A sub-query, or the chain ended by a failure: one call that fails leaves the others."""
        try:
            return await parts.links.propose(task, chain, temperature, number)
        except EffectFailed as error:
            return ended_by(chain, error)

    async def child(task: Task, chain: Chain, proposal: Proposal) -> Chain:
        try:
            return await parts.judged(task, await parts.links.follow(chain, proposal))
        except (Refused, EffectFailed) as error:
            return ended_by(chain, error)

    async def roll_out(task: Task, chain: Chain, number: int) -> Chain:
        """A continuation by at most `look_ahead` links, never beyond the length; early stop does not look at it."""
        plans = PLANS_PER_LINK * len(chain["links"])  # what is left of the budget is that of the missing links
        rolled: Chain = {**chain, "index": number + 1, "plans": plans}
        for _ in range(look_ahead if rollouts else 0):
            if not rolled["ended"]:
                rolled = await parts.links.extend(task, rolled, temperature)
        return rolled

    async def prune(task: Task, state: State) -> State:
        frontier: list[Chain] = state["chains"]
        per_child = max(rollouts, 1)
        roll = [partial(roll_out, task, chain, r) for chain in frontier for r in range(per_child)]
        rolled = await branches("rollout", roll)
        if limit := limit_of(rolled):
            return settled(state, limit)
        try:
            state, flat = await scored(parts, task, rolled, state)
        except Refused as refusal:
            return settled(state, refusal.limit)
        values = [_mean(flat[i : i + per_child]) for i in range(0, len(flat), per_child)]
        kept = [frontier[i] for i in best(values, beam)]
        phase = _onward(kept)
        if phase == FINAL:  # all children are the answer's candidates
            return {**state, "picked": best(values)[0], "values": values, "phase": phase}
        return {**state, "chains": kept, "phase": phase}

    return {"expand": parts.step(expand_beam), "prune": parts.step(prune)}


def _onward(chains: Sequence[Chain]) -> str:
    return FINAL if all(chain["ended"] for chain in chains) else "expand"


def _mean(values: Sequence[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return sum(known) / len(known) if known else None
