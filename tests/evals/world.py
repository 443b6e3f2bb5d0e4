"""A small world for evaluations: documents, tasks with gold answers, and a model that reads what it was given."""

from __future__ import annotations

import json
import re
from pathlib import Path

from clew.graphs.search_o1 import BEGIN_QUERY, END_QUERY
from clew.testing import Reply, Request

LAMPS = {"Arvo": "Berta Quill", "Bela": "Tom Ander", "Cilla": "Ida Marsh", "Dorn": "Hugo Vane"}
MOTHERS = {"Berta Quill": "Ann Stone", "Tom Ander": "Eva Brook"}
# What the model remembers without reading.
REMEMBERED = {"Arvo": "Berta Quill", "Bela": "Tom Wood"}


def documents() -> dict[str, str]:
    """Pages by their name in `documents/`."""
    pages = {
        f"lamp-{name.lower()}.md": f"# The lamp of {name}\n\nThe lamp of {name} is kept by {keeper}, year after year.\n"
        for name, keeper in LAMPS.items()
    }
    for child, mother in MOTHERS.items():
        pages[_page_of(child)] = f"# {child}\n\nThe mother of {child} is {mother}. She was a weaver.\n"
    return pages


def _page_of(person: str) -> str:
    return f"person-{person.lower().replace(' ', '-')}.md"


def lines() -> list[dict[str, object]]:
    """Four questions of one hop, two of two hops, and one without an answer."""
    found: list[dict[str, object]] = [
        {
            "id": f"k-{name}", "prompt": f"Who keeps the lamp of {name}?", "answers": [keeper], "hops": 1,
            "type": "keeper", "documents": [f"lamp-{name.lower()}.md"],
        }
        for name, keeper in LAMPS.items()
    ]  # fmt: skip
    for name in ("Arvo", "Bela"):
        keeper = LAMPS[name]
        found.append(
            {
                "id": f"m-{name}", "prompt": f"Who is the mother of the keeper of the lamp of {name}?", "hops": 2,
                "answers": [MOTHERS[keeper]], "type": "mother",
                "documents": [f"lamp-{name.lower()}.md", _page_of(keeper)],
            }
        )  # fmt: skip
    zeno = {"id": "u-Zeno", "prompt": "Who keeps the lamp of Zeno?", "answers": [], "hops": 1, "type": "unanswerable"}
    return [*found, zeno]


def make(folder: Path) -> Path:
    """Writes the world as `clew labyrinth make` does: `tasks.jsonl` and `documents/`."""
    (folder / "documents").mkdir(parents=True)
    for name, text in documents().items():
        (folder / "documents" / name).write_text(text)
    (folder / "tasks.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines()))
    return folder


def model(request: Request) -> Reply:
    """A reply that depends on the request alone: facts come from the text that stands in it, or from memory where no
    text was given. It searches once if it can."""
    prompt = request.prompt
    name = re.findall(r"lamp of (\w+)\?", prompt)[-1]
    if prompt.startswith("You help someone who is solving a problem"):
        keeper = _read(prompt, rf"lamp of {name} is kept by (\w+ \w+)")
        known = f"The lamp of {name} is kept by {keeper}." if keeper else "No helpful information found."
        return Reply(f"**Final Information**\n{known}\nPages: 1")
    question, _, after = prompt.rpartition("Question:\n")
    if "You can search" in question and END_QUERY not in after:
        return Reply(f"I look it up. {BEGIN_QUERY} keeper of the lamp of {name} {END_QUERY}")
    reads = "Passages:" in prompt or END_QUERY in after
    keeper = _read(prompt, rf"lamp of {name} is kept by (\w+ \w+)") if reads else REMEMBERED.get(name)
    answer = keeper
    if "mother of the keeper" in prompt:
        answer = _read(prompt, rf"mother of {keeper} is (\w+ \w+)") if keeper else None
    return Reply(f"It is \\boxed{{{answer or 'unknown'}}}.")


def _read(prompt: str, pattern: str) -> str | None:
    found = re.search(pattern, prompt)
    return found[1] if found else None
