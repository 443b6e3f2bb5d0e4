"""`clew memory`: entries of a real store, listed, shown, changed and forgotten."""

from __future__ import annotations

import json
import shutil
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from clew.cli import main
from clew.cli.memory import app
from clew.errors import ClewError
from clew.memory import Entry, MemoryStore, Origin
from tests.cli.conftest import Result

Memory = Callable[..., Result]
PLACE = ".clew/memory"
LESSON = {"text": "Carry the one.", "fields": {}, "family": "math", "task_id": "t1", "situation": "17+5"}
ENTRIES = [
    Entry(
        ("lessons", "math"), "aa01", {**LESSON, "used": 4, "helped": 3}, index=["text"],
        sources=(Origin(run="run-one", task="t1", task_set="set9"),),
    ),
    Entry(("lessons", "qa"), "bb02", {"text": "Read \x1b[31mboth\x1b[0m pages.", "family": "qa"}, index=["text"],
          sources=(Origin(run="run-one"), Origin(run="run-two"))),
    Entry(("demos", "math"), "cc03", {"question": "17+5?", "steps": "", "answer": "22", "family": "math"}, index=False,
          sources=(Origin(run="run-two"),)),
]  # fmt: skip


@pytest.fixture(scope="module")
def filled(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A store that holds `ENTRIES`; to be copied."""
    folder = tmp_path_factory.mktemp("filled")
    with MemoryStore.open(folder) as store:
        for entry in ENTRIES:
            store.write(entry)
    return folder


@pytest.fixture
def memory(filled: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Memory]:
    """`memory(*arguments)` runs `clew memory` in a folder whose store holds `ENTRIES`."""
    monkeypatch.chdir(tmp_path)
    shutil.copytree(filled, PLACE)

    def run(*arguments: str, input: str | None = None) -> Result:
        done = CliRunner().invoke(app, list(arguments), input=input)
        if isinstance(done.exception, ClewError):  # `clew` says it in one sentence
            return Result(done.exception.exit_code, done.stdout, str(done.exception))
        return Result(done.exit_code, done.stdout, done.stderr)

    yield run


def kept() -> dict[str, Any]:
    with MemoryStore.open(PLACE) as store:
        return {entry.key: entry.value for entry in store.entries()}


def test_list_shows_all_and_what_was_asked_for(memory: Memory) -> None:
    table = memory("list")
    assert table.code == 0 and "3 of 4" in table.out and "run-two +1" in table.out and "Carry the one." in table.out
    assert "\x1b" not in table.out
    assert table.out.splitlines()[1].split()[1] == "demos/math"  # the last changed first
    assert {one["key"] for one in memory("list", "--json").objects} == {"aa01", "bb02", "cc03"}
    for filters, keys in [
        (("--family", "math"), {"aa01", "cc03"}),
        (("--run", "run-two"), {"bb02", "cc03"}),
        (("--namespace", "lessons"), {"aa01", "bb02"}),
        (("--namespace", "lessons/qa", "--run", "run-o"), {"bb02"}),
        (("--family", "none"), set()),
    ]:
        assert {one["key"] for one in memory("list", "--json", *filters).objects} == keys
    assert "nothing is remembered that fits" in memory("list", "--family", "none").err
    assert "2 more" in memory("list", "-n", "1").err


def test_json_has_the_documented_fields(memory: Memory) -> None:
    (one,) = memory("show", "aa01", "--json").objects
    assert one["value"]["text"] == "Carry the one." and one["runs"] == ["run-one"]
    assert one["sources"] == [{"run": "run-one", "task": "t1", "task_set": "set9"}]
    assert set(one) == {"id", "namespace", "key", "value", "created", "updated", "runs", "sources"}


def test_show_says_where_it_came_from(memory: Memory) -> None:
    (one,) = memory("list", "--json", "--run", "run-one", "--family", "math").objects
    shown = memory("show", one["id"][:6])
    assert shown.code == 0 and "from run run-one on set9/t1" in shown.out and "Carry the one." in shown.out
    assert "\x1b" not in memory("show", "bb02").out


def test_edit_by_text_value_and_editor(memory: Memory, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert memory("edit", "aa01", "--text", "Carry it.").code == 0
    assert kept()["aa01"] == {**LESSON, "text": "Carry it.", "used": 4, "helped": 3}
    demo = {"question": "17+6?", "steps": "", "answer": "23", "family": "math"}
    assert memory("edit", "cc03", "--value", json.dumps(demo)).code == 0 and kept()["cc03"] == demo
    script = tmp_path / "editor.py"
    script.write_text(
        "import sys, pathlib\np = pathlib.Path(sys.argv[1])\np.write_text(p.read_text().replace('it', 'one'))"
    )
    monkeypatch.setenv("EDITOR", f"{sys.executable} {script}")
    assert memory("edit", "aa01").code == 0 and kept()["aa01"]["text"] == "Carry one."
    assert "nothing was changed" in memory("edit", "bb02").err
    with MemoryStore.open(PLACE) as store:  # it is found by its new text, and still names its run
        (found,) = store.search(("lessons", "math"), query="Carry one.")
        assert found.score is not None and found.score > 0.99
        assert [entry.runs for entry in store.entries(("lessons", "math"))] == [("run-one",)]


@pytest.mark.parametrize(
    ("arguments", "what"),
    [
        (("show", "zz"), "no entry 'zz' is remembered"),
        (("edit", "aa01", "--value", "{"), "is not JSON"),
        (("edit", "aa01", "--value", "[]"), "give an object"),
        (("edit", "aa01", "--text", " "), "its text is empty"),
        (("edit", "aa01", "--value", '{"text": 5}'), "would not be readable any more (text: "),
        (("edit", "cc03", "--text", "x"), "has no text"),
        (("edit", "aa01", "--text", "x", "--value", "{}"), "give one of them"),
        (("edit", "aa01"), "set EDITOR"),
        (("forget",), "nothing was named"),
        (("forget", "aa01", "nope", "--yes"), "no entry 'nope'"),
        (("show", "aa01", "--memory", "elsewhere"), "there is no memory at 'elsewhere'"),
    ],
)
def test_mistakes_are_one_sentence_and_change_nothing(
    memory: Memory, arguments: tuple[str, ...], what: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("EDITOR", raising=False)
    monkeypatch.delenv("VISUAL", raising=False)
    before = kept()
    result = memory(*arguments)
    assert result.code == 2 and what in result.err and kept() == before
    assert not Path("elsewhere").exists()


def test_forget_asks_first(memory: Memory) -> None:
    refused = memory("forget", "--run", "run-two", input="n\n")
    assert refused.code == 1 and len(kept()) == 3 and "Forget 2 entries" in refused.err
    assert memory("forget", "--run", "run-two", input="y\n").out.endswith("forgot 2 entries\n")
    assert set(kept()) == {"aa01"}
    assert memory("forget", "aa01", "--yes").out == "forgot 1 entry\n" and kept() == {}
    assert "nothing is remembered yet" in memory("list").err


def test_forget_by_family_and_namespace(memory: Memory) -> None:
    assert memory("forget", "--family", "math", "--namespace", "demos", "-y").out == "forgot 1 entry\n"
    assert set(kept()) == {"aa01", "bb02"}


def test_a_list_of_nothing_makes_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    done = CliRunner().invoke(app, ["list"])
    assert done.exit_code == 0 and "nothing is remembered yet" in done.stderr and list(tmp_path.iterdir()) == []


def test_a_memory_in_use_names_its_holder(memory: Memory, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(MemoryStore.open.__func__.__kwdefaults__, "wait", 0.2)  # type: ignore[attr-defined]
    with MemoryStore.open(PLACE).acquire():
        result = memory("list")
    assert result.code == 5 and "is in use by process" in result.err


def test_it_is_a_command_of_the_program(memory: Memory, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["memory", "list", "--family", "qa", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["key"] == "bb02"
    assert main(["memory", "show", "zz"]) == 2
    assert capsys.readouterr().err.startswith("clew: no entry 'zz' is remembered")


def test_json_is_readable(memory: Memory) -> None:
    assert all(json.loads(line) for line in memory("list", "--json").out.splitlines())


def test_a_damaged_folder_and_a_file_are_named(memory: Memory) -> None:
    Path(PLACE, "qdrant", "edge_config.json").unlink()
    damaged = memory("list")
    assert damaged.code == 5 and "is damaged" in damaged.err and "restore the folder" in damaged.err
    Path("plain").write_text("x")
    assert memory("list", "--memory", "plain").code == 2 and "is a file" in memory("list", "--memory", "plain").err
