"""What a model is asked, and what it chooses from."""

from __future__ import annotations

import pytest

import clew
from clew.graphs import closed_book, corag, cot, rag, search_o1
from clew.models import Capabilities, Model
from clew.task import Task
from clew.testing import ScriptedSearcher, ScriptedServer


def test_options_are_a_mapping_or_a_list() -> None:
    listed = Task(prompt="Pick one.", kind="choice", inputs={"options": ["red", "blue"]})
    named = Task(prompt="Pick one.", kind="choice", inputs={"options": {"a": "red", "B": "blue"}})
    assert listed.options == named.options == {"A": "red", "B": "blue"}
    assert listed.question == "Pick one.\nA. red\nB. blue"
    assert Task(prompt="?", inputs={"options": "red"}).options == {}


def test_options_are_not_listed_twice() -> None:
    task = Task(prompt="Pick: (a) red (b) blue", kind="choice", inputs={"options": ["red", "blue"]})
    assert task.question == task.prompt


@pytest.mark.anyio
@pytest.mark.parametrize("method", ["closed_book", "cot", "rag", "corag", "search_o1"])
async def test_every_method_shows_the_options(method: str) -> None:
    task = Task(prompt="Which colour?", kind="choice", inputs={"options": ["crimson", "azure"]})
    with ScriptedServer(lambda request: r"\boxed{B}") as server:
        known = Capabilities("completion", stop_kept=True)
        model = Model("hosted_vllm/scripted", api_base=server.url, capabilities=known)
        searcher = ScriptedSearcher({"a.txt": "Which colour is which?"})
        graphs = {
            "closed_book": lambda: closed_book(model), "cot": lambda: cot(model), "rag": lambda: rag(model, searcher),
            "corag": lambda: corag(model, searcher, length=1), "search_o1": lambda: search_o1(model, searcher),
        }  # fmt: skip
        answer = await clew.run(graphs[method](), task, journal=clew.Journal.memory())
    assert answer.text == "B"
    assert any("A. crimson\nB. azure" in request.prompt for request in server.requests)
