"""The whole thread on one page: index real documents, search them, ask, kill the run half-way, resume it, replay it;
and at the end repair a bug that a failing test shows, without any model.

    make demo        (or: python examples/demo.py [FOLDER])

Everything is real except the model: its words are scripted below and served over HTTP by `clew.testing`. The script
holds no result: what it "knows" is cut out of the pages that retrieval brings; without retrieval the demo fails.
"""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

QUESTION = (
    "Which method of a context manager is invoked when a with block ends, "
    "and what must it return to suppress an exception?"
)
FIRST = "with statement context manager method invoked at end of block"
SECOND = "__exit__ return value suppress exception"

# The rules of the scripted model: the first whose pattern stands in the request answers it.
SCRIPT: list[dict[str, Any]] = [
    {"when": "quick brown fox", "reply": "mps over the lazy dog."},  # the probe: can this server continue a text?
    {
        "when": rf"You help someone(?s:.*)Search query:\n{FIRST}",
        "reply": {
            "template": "**Final Information**\nAt the end of the block the method "
            "{{ prompt | find('(__exit__)\\\\(\\\\). method is invoked') }} of the manager is invoked.\nPages: 1"
        },
    },
    {
        "when": rf"You help someone(?s:.*)Search query:\n{SECOND}",
        "reply": {
            "template": "**Final Information**\nTo suppress the exception "
            "{{ prompt | find('(it should\\\\s+return a true value)') }}.\nPages: 1"
        },
    },
    {
        "when": SECOND,
        "reply": {
            "template": "Both facts are known now, so the answer is \\boxed{ "
            "{{ prompt | find('At the end of the block the method (\\\\w+)') }}, which must "
            "{{ prompt | find('it should\\\\s+(return a true value)') }} }."
        },
    },
    {
        "when": f"{FIRST}<",
        # Slow, so that the kill below lands while this request is under way.
        "reply": {
            "text": f"Now I need the return value.\n<|begin_search_query|>{SECOND}<|end_search_query|>",
            "delay": 2.0,
        },
    },
    {
        "when": "Which method of a context manager",
        "reply": f"First I need the method.\n<|begin_search_query|>{FIRST}<|end_search_query|>",
    },
]


def main(folder: Path) -> None:
    shutil.rmtree(folder, ignore_errors=True)
    documents, ledger = folder / "documents", folder / "ledger.jsonl"
    documents.mkdir(parents=True)
    os.environ |= {"CLEW_STORE": str(folder / "store"), "CLEW_JOURNAL": str(folder / "journal.db")}

    say("1. Real documents: the topics of Python's language reference that every Python carries")
    from pydoc_data.topics import topics

    for name, text in topics.items():
        (documents / f"{name}.rst").write_text(text, encoding="utf-8")
    print(f"   {len(topics)} files, {sum(map(len, topics.values())):,} characters in {documents}")

    say(
        "2. Index them (real MiniLM embeddings, real BM25, real Qdrant on disk), twice: the second time nothing changed"
    )
    clew("index", str(documents))
    clew("index", str(documents))

    say("3. Search them; no model is involved")
    clew("search", "how does a context manager suppress an exception", "-k", "3")

    say("4. Ask, with Search-o1 over real HTTP; the model's words are scripted, and kill -9 hits it half-way")
    script = folder / "script.jsonl"
    script.write_text("".join(json.dumps(rule) + "\n" for rule in SCRIPT))
    command = [
        sys.executable,
        "-m",
        "clew.testing",
        "--script",
        str(script),
        "--features",
        "vllm",
        "--ledger",
        str(ledger),
    ]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as server:
        assert server.stdout is not None
        try:
            os.environ |= {"CLEW_MODEL": "hosted_vllm/scripted", "CLEW_API_BASE": server.stdout.readline().strip()}
            ask = subprocess.Popen([sys.executable, "-m", "clew.cli", "ask", QUESTION], start_new_session=True)
            wait_for_requests(ledger, ask, 4)
            os.killpg(ask.pid, signal.SIGKILL)
            ask.wait()
            before = requests(ledger)
            print(f"   killed while request {before} was under way; the server was asked {before} times so far")

            say("5. Resume: what was recorded is not asked again")
            run = str(json.loads(clew("runs", "--json", quiet=True).splitlines()[0])["run"])
            clew("resume", run)
            after = requests(ledger)
            print(
                f"   the server was asked {after - before} times more: the request that the kill cut off, and the rest"
            )
        finally:
            server.terminate()

    say("6. Replay, strictly, with the server gone")
    clew("replay", run)

    say("7. Everything that happened")
    clew("show", run)

    say("8. Repair a bug in a repository: templates propose, the repository's own tests decide; no model is involved")
    shop = folder / "shop"
    make_repository(shop)
    patch = clew(*f"repair --repo {shop} --proposer mutate --sandbox process --out {folder / 'repair'}".split())
    if "+    return price - price * percent / 100" not in patch:
        sys.exit("the patch is not the one that the tests ask for")
    print(f"\nAll of it lies in {folder}; remove the folder and it is gone.")


def make_repository(place: Path) -> None:
    """A repository with one commit, one bug and a test that shows it."""
    (place / "tests").mkdir(parents=True)
    (place / "price.py").write_text("def reduced(price, percent):\n    return price - price * percent / 10\n")
    (place / "tests" / "test_price.py").write_text(
        "from price import reduced\n\n\ndef test_reduced():\n    assert reduced(100, 20) == 80\n"
    )
    git = ["git", "-C", str(place), "-c", "user.name=demo", "-c", "user.email=demo@example.org"]
    for command in (["init", "--quiet"], ["add", "--all"], ["commit", "--quiet", "--message", "A shop"]):
        subprocess.run([*git, *command], check=True)


def say(title: str) -> None:
    print(f"\n\033[1m{title}\033[0m" if sys.stdout.isatty() else f"\n{title}", flush=True)


def clew(*arguments: str, quiet: bool = False) -> str:
    """Runs one command of Clew as a person would, in its own process."""
    if not quiet:
        print("   $ clew " + " ".join(f'"{a}"' if " " in a else a for a in arguments), flush=True)
    done = subprocess.run([sys.executable, "-m", "clew.cli", *arguments], text=True, stdout=subprocess.PIPE)
    if not quiet:
        print("".join(f"   {line}\n" for line in done.stdout.splitlines()), end="", flush=True)
    if done.returncode:
        sys.exit(f"clew {arguments[0]} ended with exit code {done.returncode}")
    return done.stdout


def requests(ledger: Path) -> int:
    return len(ledger.read_text().splitlines()) if ledger.exists() else 0


def wait_for_requests(ledger: Path, process: subprocess.Popen[bytes], count: int) -> None:
    deadline = time.monotonic() + 120
    while requests(ledger) < count:
        if process.poll() is not None or time.monotonic() > deadline:
            sys.exit(f"the run ended (exit code {process.poll()}) before it had made {count} requests")
        time.sleep(0.02)


if __name__ == "__main__":
    main(Path(sys.argv[1] if len(sys.argv) > 1 else ".demo"))
