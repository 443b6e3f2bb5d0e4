"""The page of an evaluation: whole, alone, and harmless whatever models wrote."""

from __future__ import annotations

import asyncio
import re
import shutil
import subprocess
from html.parser import HTMLParser
from pathlib import Path

import pytest

import clew
from clew.evals import Evaluation, evaluate
from clew.evals.page import LONGEST, page
from clew.evals.svg import Series, Spot, plot
from clew.evals.tasks import Gold, Item, TaskSet
from clew.graphs import closed_book, cot
from clew.graphs.strategies import vote
from clew.journal import Budget, Journal
from clew.testing import Reply, Request, ScriptedServer, vllm

pytestmark = pytest.mark.anyio

EVIL = "<script>alert('x')</script><img src=x onerror=alert(1)>&amp;{{ 7*7 }}\u202e\x07"
LABEL = 'vote(cot, n=3) "<b>"'


class Reader(HTMLParser):
    """The tags with their attributes, and the text."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.text = ""
        self.feed(html)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    def handle_data(self, data: str) -> None:
        self.text += data


def say(request: Request) -> Reply:
    number = int(request.prompt.rpartition("item ")[2][0])
    right = int(request.body["seed"]) % 3 > 0
    return Reply(f"\\boxed{{{number if right else EVIL}}}")


async def evaluation(**options: object) -> Evaluation:
    items = tuple(
        Item(task=clew.Task(id=f"t{i}{EVIL}", prompt=f"{EVIL} item {i}"), gold=Gold(answers=(str(i),) if i else ()))
        for i in range(4)
    )
    with ScriptedServer(say, features=vllm) as server:
        model = clew.Model("hosted_vllm/scripted", api_base=server.url, price=(1e-6, 1e-6))
        graphs = {"closed_book": closed_book(model), LABEL: vote(cot(model), n=3, adaptive=False)}
        return await evaluate(TaskSet(f"set {EVIL}", items), graphs, journal=Journal.memory(), **options)  # type: ignore[arg-type]


async def test_nothing_that_a_model_wrote_is_markup() -> None:
    done = await evaluation()
    assert any("onerror" in row.prediction for row in done.rows)
    html = page(done, done.figures())
    read = Reader(html)
    assert not {"script", "img", "b", "iframe", "link", "object", "form"} & {tag for tag, _ in read.tags}
    assert not [name for _, attributes in read.tags for name in attributes if name.startswith("on")]
    assert "<script>alert('x')</script><img src=x onerror=alert(1)>&amp;{{ 7*7 }}\ufffd\ufffd" in read.text
    assert "\u202e" not in html and "\x07" not in html


async def test_it_needs_nothing_else() -> None:
    done = await evaluation(repeats=2)
    html = page(done, done.figures())
    read = Reader(html)
    for _, attributes in read.tags:
        assert not {"src", "href", "srcset", "data", "action"} & attributes.keys()
    assert "://" not in html and "url(" not in html and "@import" not in html
    (policy,) = [attributes["content"] for _, attributes in read.tags if "http-equiv" in attributes]
    assert policy == "default-src 'none'; style-src 'unsafe-inline'"
    assert ("meta", {"name": "viewport", "content": "width=device-width, initial-scale=1"}) in read.tags
    assert "prefers-color-scheme: dark" in html
    # A picture for each cost, and one for coverage; each says what it shows.
    pictures = [attributes for tag, attributes in read.tags if tag == "svg"]
    assert len(pictures) == 5 and all(picture["role"] == "img" and picture["aria-label"] for picture in pictures)
    for title in (
        "Accuracy against cost",
        "At equal tokens",
        "By number of candidates",
        "pass@k of whole runs",
        "Questions",
    ):
        assert title in read.text
    for row in done.rows:
        assert row.run in read.text


async def test_it_is_the_same_each_time_but_for_the_clock() -> None:
    """Figures of a page that is written again from the journal do not move."""
    done = await evaluation()
    assert page(done, done.figures()) == page(done, done.figures())


async def test_an_evaluation_without_runs_has_a_page_too() -> None:
    done = await evaluation(budget=Budget(tokens=0))
    read = Reader(page(done, done.figures()))
    assert "Incomplete: 8 of 8 runs are missing." in read.text and "not run" in read.text
    assert not [tag for tag, _ in read.tags if tag == "svg"]


async def test_a_long_answer_is_cut() -> None:
    items = (Item(task=clew.Task(id="a", prompt="x"), gold=Gold(answers=("y",))),)
    with ScriptedServer(Reply(f"\\boxed{{{'word ' * 2000}}}"), features=vllm) as server:
        graphs = {"g": closed_book(clew.Model("hosted_vllm/scripted", api_base=server.url))}
        done = await evaluate(TaskSet("s", items), graphs, journal=Journal.memory())
    text = Reader(page(done, done.figures())).text
    assert "… (9,999 characters)" in text and text.count("word") <= LONGEST


def test_a_plot_of_nothing_is_nothing() -> None:
    assert plot([], "x", "y") == "" and plot([Series(1, [])], "x", "y") == ""
    (only,) = re.findall(r"<svg.*</svg>", plot([Series(1, [Spot(0.0, 50, 0, 100)])], "<x>", "y"), re.DOTALL)
    assert "&lt;x&gt;" in only and "nan" not in only and "inf" not in only


@pytest.mark.skipif(shutil.which("chromium") is None, reason="no chromium is installed")
async def test_a_browser_draws_it_without_a_word(tmp_path: Path) -> None:
    """No script runs, nothing is asked for, and on a narrow screen no part but the tables is wider than it."""
    done = await evaluation()
    # The policy forbids scripts, so a copy without it measures itself.
    html = page(done, done.figures())
    probe = "<script>document.title = document.documentElement.scrollWidth + ' of ' + innerWidth</script></body>"
    (tmp_path / "measured.html").write_text(
        re.sub(r"<meta http-equiv[^>]*>", "", html).replace("</body>", probe), encoding="utf-8"
    )
    (tmp_path / "page.html").write_text(html, encoding="utf-8")
    for name in ("measured", "page"):
        shown = await asyncio.to_thread(
            subprocess.run,
            [
                "chromium", "--headless", "--no-sandbox", "--disable-gpu", "--disable-background-networking",
                "--disable-component-update", "--disable-sync", "--no-first-run", "--disable-quic",
                f"--user-data-dir={tmp_path / 'profile'}", "--window-size=500,900", "--enable-logging=stderr",
                "--dump-dom", (tmp_path / f"{name}.html").as_uri(),
            ],
            capture_output=True, text=True, timeout=120,
        )  # fmt: skip
        assert "CONSOLE" not in shown.stderr
        if name == "measured":
            found = re.search(r"<title>(\d+) of (\d+)</title>", shown.stdout)
            assert found and int(found[1]) <= int(found[2]), shown.stdout[:500]
        else:
            assert shown.stdout.count("<svg") == 5
