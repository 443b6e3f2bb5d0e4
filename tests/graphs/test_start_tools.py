"""One chain with two tools: START that also searches with the markers of Search-o1; and texts in which the markers of
both meet."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

import clew
from clew.errors import Divergence
from clew.graphs import start
from clew.graphs.search_o1 import BEGIN_QUERY, BEGIN_RESULT, END_QUERY, END_RESULT, search_tool
from clew.journal import Journal, replay
from clew.sandbox import Box
from clew.testing import Reply, Request, Rule, ScriptedSearcher
from clew.testing.kills import Killer, die, run_killed
from tests.graphs.start_words import closing, compute, outputs, problem, process_box
from tests.graphs.test_search_o1 import Outcome, transports
from tests.graphs.words import TRANSPORTS, Transport, information, sent

pytestmark = pytest.mark.anyio

NO_TEXT = {"tools": "a function call has no fences and no markers"}
PAGES = {
    "bridge": "The Ariel bridge opened in 1931. It was designed by Ilse Maar.",
    "maar": "Ilse Maar was born in 1889 in Ghent.",
}
QUESTION = "How old was the designer of the Ariel bridge when it opened?"
# What Reason-in-Documents says of a page: its years, read from it.
YEAR = information("It was in {{ prompt | after('Pages:') | find('in ([0-9]{4})') }}.")


@pytest.fixture(scope="module")
def box() -> Iterator[Box]:
    made = process_box()
    yield made
    asyncio.run(made.close())


def years(request: Request) -> list[str]:
    """The years that searches have brought so far."""
    return [part[:4] for part in sent(request).split("It was in ")[1:]]


def words(by: Transport) -> Any:
    """A model that searches twice, computes with what it found, and closes with what the program printed."""

    def reply(request: Request) -> Any:
        found = years(request)
        if outputs(by, request) > (len(found) if by.native else 0):
            return closing(by)
        if len(found) < 2:
            return by.ask("Ilse Maar born" if found else "Ariel bridge opened")
        return compute(by, f"print({found[0]} - {found[1]})", "Now I subtract.")

    return Rule(lambda request: True, reply)


def graph_of(by: Transport, server: Any, box: Box, **options: Any) -> Any:
    model = by.model(server)
    tool = search_tool(model, ScriptedSearcher(PAGES, **options), top_k=1)
    return start(model, box, tools=[tool], hint_rounds=0)


async def solve(graph: Any, tmp_path: Path, task: Any = None) -> Outcome:
    with Journal(tmp_path / "j.db") as journal:
        return Outcome(await clew.run(graph, task or problem(QUESTION), journal=journal, run_id="run"), journal)


@transports()
async def test_one_chain_searches_and_computes(by: Transport, box: Box, tmp_path: Path) -> None:
    with by.server(words(by), reading=YEAR) as server:
        graph = graph_of(by, server, box)
        done = await solve(graph, tmp_path)
        assert (done.answer.text, done.answer.status) == ("42", "ok")
        assert [one.request["query"] for one in done.effects("search")] == ["Ariel bridge opened", "Ilse Maar born"]
        assert [one.request["program"] for one in done.effects("program")] == ["print(1931 - 1889)"]
        assert [item.source for item in done.answer.evidence] == ["bridge", "maar"]
        if not by.native:
            assert f"{BEGIN_QUERY} the query {END_QUERY}" in sent(server.requests[0])
    with Journal(tmp_path / "j.db") as journal:
        again = await replay("run", journal=journal, graph=graph)
        assert again.same and not again.unused


@transports()
async def test_without_its_pages_or_its_sandbox_the_chain_fails(by: Transport, box: Box, tmp_path: Path) -> None:
    with by.server(words(by), reading=YEAR) as server:
        model = by.model(server)
        graph = start(model, box, tools=[search_tool(model, ScriptedSearcher({}))], hint_rounds=0, max_turns=4)
        assert (await solve(graph, tmp_path)).answer.text != "42"


@pytest.mark.parametrize(
    "by", [pytest.param(by, id=by.name, marks=[pytest.mark.long] if n else []) for n, by in enumerate(TRANSPORTS)]
)
def test_killed_after_each_effect_the_chain_ends_the_same(by: Transport, tmp_path: Path) -> None:
    with by.server(words(by), reading=YEAR) as server:

        def work(run: str, after: int | None) -> None:
            seen = 0

            def watch(event: Mapping[str, Any]) -> None:
                nonlocal seen
                seen += event["event"] == "finished"
                if seen == after:
                    die()

            async def one() -> None:
                async with process_box() as own:
                    with Journal(tmp_path / "j.db") as journal:
                        graph = graph_of(by, server, own)
                        answer = await clew.run(graph, problem(QUESTION), journal=journal, run_id=run, watch=watch)
                        (tmp_path / run).write_text(f"{answer.text} {[item.source for item in answer.evidence]}")

            asyncio.run(one())

        killer, whole = Killer(), "42 ['bridge', 'maar']"
        assert not run_killed(lambda: work("whole", None), killer)
        with Journal(tmp_path / "j.db") as journal:
            effects = sum(event.state == "finished" for event in journal.events("whole"))
        assert (tmp_path / "whole").read_text() == whole and effects >= 9
        for after in range(1, effects):
            assert run_killed(lambda after=after: work(f"killed{after}", after), killer)
            assert not run_killed(lambda after=after: work(f"killed{after}", None), killer)
            assert (tmp_path / f"killed{after}").read_text() == whole
    with Journal(tmp_path / "j.db") as journal:
        for after in range(1, effects):
            done = [event.kind for event in journal.events(f"killed{after}") if event.state == "finished"]
            assert len(done) == effects, "nothing is done twice"


async def test_another_collection_is_another_chain(box: Box, tmp_path: Path) -> None:
    by = TRANSPORTS[0]
    with by.server(words(by), reading=YEAR) as server, Journal(tmp_path / "j.db") as journal:
        await clew.run(graph_of(by, server, box), problem(QUESTION), journal=journal, run_id="r")
        with pytest.raises(Divergence, match="searcher"):
            await clew.run(graph_of(by, server, box, name="another"), problem(QUESTION), journal=journal, run_id="r")


# Where markers meet ------------------------------------------------------------------------------------------------

SEARCH = f"{BEGIN_QUERY} Ariel bridge opened {END_QUERY}"
MEETING = {
    "a query in a string of a program": (f"```python\nq = '{SEARCH}'\nprint(len(q))\n```\n", 0, 1),
    "a query in a string of a program without an end": (f"```python\nq = '{SEARCH}'\nprint(len(q))", 0, 1),
    "a program, then a query": (f"```python\nprint(6 * 7)\n```\n{SEARCH}", 0, 1),
    "a query, then a program": (f"{SEARCH}\n```python\nprint(6 * 7)\n```\n", 1, 0),
    "a query without an end, then a program": (f"{BEGIN_QUERY} Ariel\n```python\nprint(6 * 7)\n```\n", 0, 1),
    "a query with a fence": (f"{BEGIN_QUERY} what is ```python\n in Markdown {END_QUERY}", 1, 0),
    "an invented result in a program": (f"```python\nx = '{BEGIN_RESULT}'\nprint(6 * 7)\n```\n", 0, 1),
    "both invent": (f"```python\nprint(6 * 7)\n```output\n41\n```\n{BEGIN_RESULT}no{END_RESULT}", 0, 1),
}


def going_on(text: str, request: Request) -> str:
    """What a model writes that wants to write `text` and was stopped somewhere in it."""
    said = sent(request).rstrip()
    begun = next((n for n in range(len(text), 0, -1) if said.endswith(text[:n].rstrip())), 0)
    return text[begun:] if begun else f"I think.\n{text}"


@transports(NO_TEXT)
@pytest.mark.parametrize("case", MEETING)
async def test_where_markers_meet_one_call_is_made(by: Transport, box: Box, tmp_path: Path, case: str) -> None:
    text, searches, programs = MEETING[case]

    def reply(request: Request) -> Any:
        if "It was in" in sent(request) or outputs(by, request):
            return "So it is \\boxed{done}."
        return going_on(text, request)

    with by.server(Rule(lambda request: True, reply), reading=YEAR) as server:
        done = await solve(graph_of(by, server, box), tmp_path)
        assert (len(done.effects("search")), len(done.effects("program"))) == (searches, programs)
        assert (done.answer.text, done.answer.status) == ("done", "ok")


@transports(NO_TEXT)
async def test_a_page_with_an_open_fence_does_not_hide_the_answer(by: Transport, box: Box, tmp_path: Path) -> None:
    replies = [by.ask("Ariel bridge opened"), "So it is \\boxed{1931}."]
    with by.server(*replies, reading=information("It says:\n```python\nprint('\\boxed{no}')")) as server:
        done = await solve(graph_of(by, server, box), tmp_path)
        assert (done.answer.text, done.answer.status) == ("1931", "ok") and not done.effects("program")


FENCES = {
    "carriage returns": "```python\r\nx = 6\r\nprint(x * 7)\r\n```\r\n",
    "four backticks": "````python\nx = '''\n```\n'''\nprint(6 * 7)\n````\n",
    "tildes": "~~~python\nprint(6 * 7)\n~~~\n",
    "an ornament of tildes": "The sum\n~~~~~~~\n```python\nprint(6 * 7)\n```\n",
    "a word after the language": "```python title=sum\nprint(6 * 7)\n```\n",
    "a version": "```python3.11\nprint(6 * 7)\n```\n",
    "in a list": "1. So:\n\n   ```python\n   print(6 * 7)\n   ```\n",
    "fences in strings": "```python\nx = '```'\nprint(\"```\" and 6 * 7)\n```\n",
    "an example in a docstring": (
        "```python\ndef f():\n    '''Example:\n\n    ```python\n    f()\n    ```\n    '''\n    return 42\n"
        "print(f())\n```\n"
    ),
    "words of other scripts": "```python\nрезультат = 6  # 結果 \u202e ✓\nprint(результат * 7)\n```\n",
    "a lone surrogate": "```python\nx = '\ud83d'\nprint(6 * 7)\n```\n",
    "text in a block before": "```text\nno program\n```\nNow:\n```python\nprint(6 * 7)\n```\n",
    "two at once": "```python\nprint(6 * 7)\n```\n```python\nprint(1)\n```\n",
}


@transports(NO_TEXT)
@pytest.mark.parametrize("case", FENCES)
async def test_programs_in_fences_of_every_kind(by: Transport, box: Box, tmp_path: Path, case: str) -> None:
    text = FENCES[case]

    def reply(request: Request) -> Any:
        return closing(by) if outputs(by, request) else going_on(text, request)

    with by.server(Rule(lambda request: True, reply)) as server:
        done = await solve(start(by.model(server), box, hint_rounds=0), tmp_path, problem())
        assert (done.answer.text, done.answer.status) == ("42", "ok"), sent(server.requests[-1])
        assert len(done.effects("program")) == 1


@transports()
async def test_of_twenty_boxed_answers_the_last_counts(by: Transport, box: Box, tmp_path: Path) -> None:
    text = " ".join(f"Or \\boxed{{\\text{{{number}}}^{{2}}}}." for number in range(20))
    with by.server(Reply(text=f"{text} Not \\boxed{{ unfinished")) as server:
        done = await solve(start(by.model(server), box, hint_rounds=0), tmp_path, problem())
        assert (done.answer.text, done.answer.status) == ("\\text{19}^{2}", "ok")
