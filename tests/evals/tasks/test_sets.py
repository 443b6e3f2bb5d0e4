"""Task sets from files and folders, and the file format itself."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from clew.errors import ConfigError
from clew.evals.tasks import Gold, Item, Link, TaskSet, load, read_items, write_items
from clew.evals.tasks.items import from_line, to_line
from clew.task import Task


def made(n: int) -> tuple[Item, ...]:
    return tuple(Item(task=Task(id=f"q{i}", prompt=f"Question {i}?"), gold=Gold(answers=(str(i),))) for i in range(n))


ITEM = Item(
    task=Task(id="w-1", prompt="Wer baute Öhr?", kind="math", inputs={"unit": "m"}),
    gold=Gold(
        answers=("Ada", "A. Orr"),
        documents=("a/b.md",),
        chain=(Link(question="Who?", answer="Ada", document="a/b.md"),),
    ),
    hops=1,
    type="bridge",
)


def test_a_file_and_a_folder(tmp_path: Path) -> None:
    items = made(5)
    write_items(tmp_path / "some.jsonl", items)
    assert load(tmp_path / "some.jsonl") == load(str(tmp_path / "some.jsonl")) == TaskSet("some", items)
    folder = tmp_path / "world"
    folder.mkdir()
    write_items(folder / "tasks.jsonl", items)
    assert load(folder) == TaskSet("world", items)
    (folder / "documents").mkdir()
    assert load(folder) == TaskSet("world", items, folder / "documents")


def test_a_folder_named_like_a_set(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "nq").mkdir()
    write_items(tmp_path / "nq" / "tasks.jsonl", made(2))
    monkeypatch.chdir(tmp_path)
    assert len(load("./nq").items) == len(load(Path("nq")).items) == 2


def test_what_is_chosen_of_a_set_keeps_its_identity(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    world, some = tmp_path / "world", tmp_path / "some.jsonl"
    world.mkdir()
    write_items(world / "tasks.jsonl", made(4))
    write_items(some, made(4))
    (tmp_path / "link").symlink_to(world)
    monkeypatch.chdir(world)
    for spec in (
        world,
        ".",
        "../world",
        tmp_path / "link",
        "tasks.jsonl",
        world / "tasks.jsonl",
        "../link/tasks.jsonl",
    ):
        assert load(spec, limit=2, shuffle=True, seed=3).identity == "world"
    assert {load(spec, limit=n).identity for spec in (some, "../some.jsonl") for n in (1, 3)} == {"some"}
    for spec in ("arithmetic", "arithmetic:n=2,seed=4", "arithmetic:split=train"):
        assert load(spec, limit=1, seed=5).identity == "arithmetic"
    assert TaskSet("mine", ()).identity == "mine" and TaskSet("", ()).identity


def test_limit_and_shuffle(tmp_path: Path) -> None:
    write_items(tmp_path / "t.jsonl", made(30))
    path = tmp_path / "t.jsonl"
    assert load(path, limit=4).items == made(4)
    assert load(path, limit=100).items == made(30)
    assert load(path, limit=4, shuffle=True, seed=2).items == load(path, shuffle=True, seed=2).items[:4]
    assert load(path, shuffle=True, seed=2).items != load(path, shuffle=True, seed=3).items
    assert load(path, limit=4, seed=2).items == made(4)  # a seed alone draws nothing


def test_bad_specs(tmp_path: Path) -> None:
    write_items(tmp_path / "t.jsonl", made(2))
    for arguments, match in [
        ({"spec": "hotpot"}, "there is no task set 'hotpot'.*hotpotqa"),
        ({"spec": tmp_path / "missing.jsonl"}, "cannot be read"),
        ({"spec": tmp_path}, "tasks.jsonl"),
        ({"spec": tmp_path / "t.jsonl", "split": "test"}, "no splits"),
        ({"spec": tmp_path / "t.jsonl", "limit": 0}, "limit=0"),
    ]:
        with pytest.raises(ConfigError, match=match):
            load(**arguments)  # type: ignore[arg-type]  # arguments of several types


def test_a_line_holds_the_whole_item(tmp_path: Path) -> None:
    assert from_line(to_line(ITEM), "here") == ITEM
    assert write_items(tmp_path / "t.jsonl", [ITEM, *made(2)]) == 3
    assert list(read_items(tmp_path / "t.jsonl")) == [ITEM, *made(2)]
    bare = Item(task=Task(id="x", prompt="?"))
    assert '"answers": []' in to_line(bare) and from_line(to_line(bare), "here") == bare


@pytest.mark.parametrize(
    ("text", "match"),
    [
        ("{", "t.jsonl:2"),
        ('{"id": "a"}', "prompt"),
        ('{"id": "a", "prompt": "?", "answer": "x"}', "answer"),
        ('{"id": "a", "prompt": "?", "kind": "riddle"}', "kind"),
        ('{"id": "q0", "prompt": "?"}', "'q0' occurs twice"),
    ],
)
def test_a_malformed_line_is_named(text: str, match: str, tmp_path: Path) -> None:
    path = tmp_path / "t.jsonl"
    path.write_text(f"{to_line(made(1)[0])}\n{text}\n")
    with pytest.raises(ConfigError, match=match):
        load(path)


def test_a_digest_covers_the_gold() -> None:
    one, other = TaskSet("a", (ITEM,)), TaskSet("b", (ITEM,))
    changed = ITEM.model_copy(update={"gold": Gold(answers=("Bea",))})
    assert one.digest() == other.digest() != TaskSet("a", (changed,)).digest()


texts = st.text(max_size=20)


@given(
    st.builds(
        Item,
        task=st.builds(Task, id=texts, prompt=texts, kind=st.sampled_from(["qa", "math", "choice"]), notes=st.just(())),
        gold=st.builds(Gold, answers=st.lists(texts, max_size=3).map(tuple)),
        hops=st.none() | st.integers(0, 9),
        type=texts,
    )
)
def test_lines_keep_any_item(item: Item) -> None:
    line = to_line(item)
    assert "\n" not in line and from_line(line, "here") == item


def test_a_file_of_an_editor_that_writes_a_byte_order_mark(tmp_path: Path) -> None:
    (tmp_path / "t.jsonl").write_text('\ufeff{"id": "a", "prompt": "?", "answers": ["b"]}\n', encoding="utf-8")
    assert load(tmp_path / "t.jsonl").items[0].task.id == "a"


def test_an_empty_name_is_refused() -> None:
    with pytest.raises(ConfigError, match="names nothing"):
        load(" ")
