"""A small world, and what a model would say about it, for tests of CoRAG. A model's words are made from what it was
shown: without retrieval there is nothing that it could answer."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from typing import Any

from clew.graphs.corag_links import NOTHING_FOUND
from clew.models import Capabilities, Model
from clew.testing import Features, Request, Rule, ScriptedSearcher, ScriptedServer, Template, vllm

PLAN = r"Write the next question"
READ = r"Answer a question from passages"
VERDICT = r"Decide whether these answers"
FINAL = r"Answer the main question that stands at the end"

PAGES = {
    "ariel.html": "The Ariel bridge was designed by Ilse Maar. It opened in 1931.",
    "maar.html": "Ilse Maar was born in Ghent, a city in Belgium.",
    "other.html": "Bread is made from flour.",
}
QUESTION = "Where was the designer of the Ariel bridge born?"
DESIGNER = "Who designed the Ariel bridge?"
BIRTHPLACE = Template("Where was {{ prompt | find('Answer 1: ([^\n]*)') }} born?")
ANSWER_2 = Template(r"So it is \boxed{ {{ prompt | find('Answer 2: ([^\n]*)') }} }.")

FACTS = [("design", r"designed by (\w+ \w+)"), ("born", r"born in (\w+)"), ("open", r"opened in (\d+)")]


def scores(request: Request) -> bool:
    """Whether only the probability of the prompt is asked for."""
    return request.body.get("prompt_logprobs") is not None


def passages_of(request: Request) -> str:
    return request.prompt.rpartition("Passages:")[2].rpartition("\n\nQuestion:")[0]


def question_of(request: Request) -> str:
    return request.prompt.rpartition("Question:\n")[2].strip()


def reading(request: Request) -> str:
    """The sub-answer of a model that reads: the fact that is asked for, if a passage holds it."""
    for word, fact in FACTS:
        found = re.search(fact, passages_of(request))
        if word in question_of(request) and found:
            return found[1]
    return NOTHING_FOUND


def talk(
    *plans: Any,
    final: Any = ANSWER_2,
    read: Any = reading,
    verdict: Any = "no",
    score: Any = ".",
    features: Features = vllm,
    logprob: Callable[[str, str], float] | None = None,
    **options: Any,
) -> ScriptedServer:
    """A server that plans in turn (one function: always by it), reads, judges and concludes. `score` is what it says
    to a request for the scores of its prompt."""
    more: dict[str, Any] = {} if logprob is None else {"logprob": logprob}
    planned: Any = plans[0] if len(plans) == 1 and callable(plans[0]) else list(plans)
    rules = [Rule(scores, score), Rule(PLAN, planned), Rule(VERDICT, verdict), Rule(READ, read), Rule(FINAL, final)]
    return ScriptedServer(rules, features=features, **more, **options)


def model(server: ScriptedServer, **options: Any) -> Model:
    return door(server.url, **options)


def door(url: str, **options: Any) -> Model:
    """A model at an address, whose server's abilities are known."""
    options.setdefault("capabilities", Capabilities("completion", stop_kept=True, tools=False))
    return Model("hosted_vllm/scripted", api_base=url, api_key="test-key-0123456789", **options)


def searcher(pages: Any = None, **options: Any) -> ScriptedSearcher:
    return ScriptedSearcher(PAGES if pages is None else pages, **options)


def asked(server: ScriptedServer, what: str) -> list[Request]:
    """The requests of one kind: PLAN, READ, VERDICT or FINAL, in order; without those that only score."""
    return [r for r in server.requests if re.search(what, r.prompt) and not scores(r)]


def scored(server: ScriptedServer) -> list[Request]:
    return [request for request in server.requests if scores(request)]


SEED = 7


def chain_of(request: Request) -> tuple[int, int]:
    """(chain, planning call) behind a request of a model with the fixed seed `SEED`."""
    return divmod(int(request.body["seed"]) - SEED, 1_000)


def own_plan(request: Request) -> str:
    """Another sub-query for every chain and planning call."""
    chain, call = chain_of(request)
    return f"What is part {call} of thing {chain}?"


def things(count: int, calls: int) -> dict[str, str]:
    """Pages for the sub-queries of `own_plan`."""
    cells = [(i, j) for i in range(count) for j in range(calls)]
    return {f"t{i}-{j}": f"Part {j} of thing {i} opened in {1000 + 10 * i + j}." for i, j in cells}


def likelihoods(values: Sequence[float]) -> Callable[[str, str], float]:
    """log p of every token of the nothing-found sentence, by the chain that stands before it."""

    def logprob(context: str, token: str) -> float:
        said = re.findall(r"thing (\d+)", context)
        return values[int(said[-1])] if said else -1.0

    return logprob
