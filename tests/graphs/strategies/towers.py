"""Strategies over methods over strategies, and one model that speaks to all of them: what it says is a function of what
it was asked, so that whoever asks the same hears the same."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from clew.graphs import (
    best_of,
    closed_book,
    corag,
    cot,
    mixture_of_agents,
    rag,
    search_o1,
    self_refine,
    sets,
    start,
    vote,
)
from clew.graphs.react import react
from clew.graphs.search_o1 import BEGIN_QUERY, END_QUERY
from clew.graphs.strategies import reflexion, remembering
from clew.memory import MemoryStore
from clew.models import Capabilities, Model
from clew.sandbox import Box
from clew.scoring import ModelJudge, Verdict
from clew.task import Answer, Task
from clew.testing import Call, Reply, Request, Rule, ScriptedSearcher, ScriptedServer, vllm
from clew.tools import search_tool
from tests.graphs import corag_words
from tests.graphs.start_words import process_box
from tests.graphs.words import READING, TRANSPORTS
from tests.retrieval.words_embedder import WordsEmbedder

PAGES = {f"p{i}": f"Part {i} of the bridge is {word}." for i, word in enumerate(["red", "green", "blue", "red"] * 3)}
QUESTION = "Which colour is the bridge?"
COLOURS = ("red", "green", "blue")


def number(request: Request, below: int) -> int:
    return int(request.digest[:8], 16) % below


def colour(request: Request) -> str:
    return COLOURS[number(request, len(COLOURS))]


def verdict(*words: str) -> Callable[[Request], str]:
    return lambda request: f"I looked at it. \nVerdict: {words[number(request, len(words))]}"


def critique(word: str) -> Callable[[Request], str]:
    def reply(request: Request) -> str:
        return f"Verdict: {word}" if number(request, 3) == 0 else f"Step {number(request, 7)} has no ground."

    return reply


def reflection(request: Request) -> str:
    return (
        f"Symptom: It was not {colour(request)}.\nCause: I guessed.\nEvidence: I think.\n"
        f"Plan: I look at part {number(request, 12)}.\nDo not repeat: Guessing."
    )


def method(request: Request) -> str | Reply:
    """What a method hears: first a question or a program where there is a tool, then an answer."""
    if request.tools and not any(message["role"] == "tool" for message in request.messages):
        query = f"part {number(request, 12)} of the bridge"
        # Not the server's own id for the call: that counts requests, and is another one after a kill.
        return Reply(text="I look it up.", tool_calls=(Call("search", {"query": query}, id=request.digest[:8]),))
    said, so_far = request.prompt, request.prompt.rpartition(QUESTION)[2]
    if "You can run Python" in said and "```output" not in so_far:
        return f"I compute it.\n```python\nprint({number(request, 100)} * 7)\n```\n"
    if "You can search" in said and "begin_search_result" not in so_far:
        return f"I need a fact. {BEGIN_QUERY}part {number(request, 12)} of the bridge{END_QUERY}"
    return rf"I think that it is {colour(request)}: \boxed{{{colour(request)}}}."


RULES = [
    Rule(corag_words.scores, "."),
    Rule(r"^You criticise an attempt", critique("FINE")),
    Rule(r"^You check an attempt", critique("CORRECT")),
    Rule(r"^You decide which of two answers", verdict("A", "B", "TIE")),
    Rule(r"^You help someone who works on a task in several attempts", reflection),
    Rule(READING, lambda request: f"**Final Information**\nIt is {colour(request)}.\nPages: 1"),
    Rule(corag_words.PLAN, lambda request: f"Which colour is part {number(request, 12)} of the bridge?"),
    Rule(corag_words.VERDICT, "no"),
    Rule(corag_words.READ, colour),
    Rule(lambda request: True, method),
]


class Lucky:
    """A scorer without gold answers and without effects: some colours please it."""

    name = "lucky"

    async def score(self, task: Task, answers: Sequence[Answer]) -> list[Verdict]:
        return [
            Verdict(value=float(answer.text == "red"), label="right" if answer.text == "red" else "wrong")
            for answer in answers
        ]


@dataclass
class World:
    """One model, one searcher and one sandbox, for as many runs as one likes."""

    url: str
    folder: Path
    box: Box = field(default_factory=process_box)

    def __post_init__(self) -> None:
        self.model, self.native = (
            Model("hosted_vllm/scripted", api_base=self.url, capabilities=capabilities)
            for capabilities in (TRANSPORTS[0].capabilities, Capabilities("tools", tools=True))
        )
        self.searcher = ScriptedSearcher(PAGES)
        self.memory = MemoryStore.open(self.folder / "memory", embedder=WordsEmbedder())

    async def __aenter__(self) -> World:
        return self

    async def __aexit__(self, *_: object) -> None:
        self.memory.close()
        await self.box.close()

    def method(self, name: str) -> Any:
        made: dict[str, Callable[[], Any]] = {
            "cot": lambda: cot(self.model),
            "closed_book": lambda: closed_book(self.model),
            "rag": lambda: rag(self.model, self.searcher, top_k=2),
            "search_o1": lambda: search_o1(self.model, self.searcher, max_searches=1, max_turns=3),
            "corag": lambda: corag(self.model, self.searcher, length=2),
            "start": lambda: start(self.model, self.box, max_programs=1, max_turns=3, hint_rounds=0),
            "react": lambda: react(self.native, [search_tool(self.searcher)], max_calls=1),
        }
        return made[name]()

    def over(self, name: str, inner: Any) -> Any:
        """Strategy `name` around `inner`."""
        made: dict[str, Callable[[], Any]] = {
            "vote": lambda: vote(inner, n=3),
            "best_of": lambda: best_of(inner, n=2, scorer=ModelJudge(self.model)),
            "self_refine": lambda: self_refine(inner, model=self.model, rounds=2),
            "sets": lambda: sets(inner, model=self.model, n=2, rounds=1),
            "mixture_of_agents": lambda: mixture_of_agents([inner, inner], model=self.model),
            "reflexion": lambda: reflexion(inner, scorer=Lucky(), model=self.model, max_trials=2),
            "remembering": lambda: remembering(inner, memory=self.memory),
        }
        return made[name]()

    def tower(self, name: str) -> Any:
        """`vote/best_of/cot` is a vote over best-of over cot."""
        *strategies, base = name.split("/")
        graph = self.method(base)
        for strategy in reversed(strategies):
            graph = self.over(strategy, graph)
        return graph


METHODS = ("cot", "closed_book", "rag", "search_o1", "corag", "start", "react")
STRATEGIES = ("vote", "best_of", "self_refine", "sets", "mixture_of_agents", "reflexion", "remembering")
HIGH = ("vote/self_refine/best_of/cot", "best_of/mixture_of_agents/sets/cot", "reflexion/remembering/vote/start")
TOWERS = (
    *(f"{strategy}/{method}" for strategy in STRATEGIES for method in METHODS),
    *(f"{outer}/{inner}/cot" for outer in STRATEGIES for inner in STRATEGIES),
    *HIGH,
)


def server(arrived: Callable[[], None] = lambda: None) -> ScriptedServer:
    """A server with the model's words, which calls `arrived` before it answers a request."""

    def told(reply: Any) -> Callable[[Request], str | Reply]:
        def say(request: Request) -> str | Reply:
            arrived()
            said: str | Reply = reply(request) if callable(reply) else reply
            return said

        return say

    return ScriptedServer([Rule(rule.when, told(rule.reply)) for rule in RULES], features=vllm)
