"""Public sets from small files in their schema, really read by `datasets`; and what keeps a set away."""

from __future__ import annotations

import csv
import json
import os
import subprocess
import sys
import threading
from collections.abc import Iterator, Mapping, Sequence
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from clew.errors import ConfigError
from clew.evals.tasks import Item, Link, load, names, write_documents
from clew.scoring import Choice
from clew.task import Answer

Rows = Sequence[Mapping[str, Any]]


@pytest.fixture(autouse=True)
def _own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import datasets

    monkeypatch.setattr(datasets.config, "HF_DATASETS_CACHE", tmp_path / "cache")


def as_json(path: Path, rows: Rows) -> Path:
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path


def as_parquet(path: Path, rows: Rows) -> Path:
    import datasets

    datasets.Dataset.from_list(list(map(dict, rows))).to_parquet(str(path))
    return path


def read(name: str, path: Path, **options: Any) -> tuple[Item, ...]:
    return load(f"{name}@{path}", **options).items


HOTPOT = {
    "id": "5a7", "question": " Which of Oreb and Tull wrote the Lantern Songs? ", "answer": "Oreb", "type": "bridge",
    "level": "hard",
    "supporting_facts": {"title": ["Lantern Songs", "Oreb", "Oreb"], "sent_id": [0, 0, 1]},
    "context": {
        "title": ["Tull", "Lantern Songs", "Oreb"],
        "sentences": [["Tull is a town."], ["The Lantern Songs are poems.", " Oreb wrote them."], ["Oreb was a poet."]],
    },
}  # fmt: skip


@pytest.mark.parametrize("name", ["hotpotqa", "2wikimultihopqa"])
@pytest.mark.parametrize("write", [as_json, as_parquet])
def test_hotpotqa(name: str, write: Any, tmp_path: Path) -> None:
    (item,) = read(name, write(tmp_path / f"v.{write.__name__[3:]}", [HOTPOT]))
    assert (item.task.id, item.task.kind, item.task.inputs) == ("5a7", "qa", {})
    assert item.task.prompt == "Which of Oreb and Tull wrote the Lantern Songs?"
    assert (item.gold.answers, item.hops, item.type) == (("Oreb",), 2, "bridge")
    assert [name.rpartition("-")[0] for name in item.gold.documents] == ["Lantern-Songs", "Oreb"]


def test_2wiki_as_lists_of_objects(tmp_path: Path) -> None:
    row = {
        "_id": "13f", "type": "compositional", "question": "Who is the mother of Velm's maker?", "answer": "Ada Orr",
        "context": [
            {"title": "Velm", "sentences": ["Velm is a film by Jon Orr."]},
            {"title": "Jon Orr", "sentences": ["His mother is Ada Orr."]},
        ],
        "supporting_facts": [{"title": "Velm", "sent_id": 0}, {"title": "Jon Orr", "sent_id": 0}],
        "evidences": [["Velm", "director", "Jon Orr"], ["Jon Orr", "mother", "Ada Orr"]],
    }  # fmt: skip
    (item,) = read("2wikimultihopqa", as_json(tmp_path / "dev.json", [row]))
    assert (item.task.id, item.hops, item.type) == ("13f", 2, "compositional")
    assert item.gold.chain == (
        Link(question="Velm: director", answer="Jon Orr"),
        Link(question="Jon Orr: mother", answer="Ada Orr"),
    )


MUSIQUE = {
    "id": "2hop__1_2", "question": "Who is the spouse of the Vale performer?", "answer": "Mia Tarn",
    "answer_aliases": ["M. Tarn", "Mia Tarn"], "answerable": True,
    "paragraphs": [
        {"idx": 0, "title": "Vale", "paragraph_text": "Vale is an album by Steve Holm.", "is_supporting": True},
        {"idx": 1, "title": "Vale", "paragraph_text": "Vale is a village.", "is_supporting": False},
        {"idx": 2, "title": "Mia Tarn", "paragraph_text": "She married Steve Holm.", "is_supporting": True},
    ],
    "question_decomposition": [
        {"id": 1, "question": "Vale >> performer", "answer": "Steve Holm", "paragraph_support_idx": 0},
        {"id": 2, "question": "#1 >> spouse", "answer": "Mia Tarn", "paragraph_support_idx": 2},
    ],
}  # fmt: skip


@pytest.mark.parametrize("write", [as_json, as_parquet])
def test_musique(write: Any, tmp_path: Path) -> None:
    unanswerable = {**MUSIQUE, "id": "2hop__3_4", "answerable": False}
    item, other = read("musique", write(tmp_path / f"v.{write.__name__[3:]}", [MUSIQUE, unanswerable]))
    assert item.gold.answers == ("Mia Tarn", "M. Tarn")
    assert (item.hops, item.type) == (2, "2hop")
    first, second = item.gold.chain
    assert (first.question, second.question) == ("Vale >> performer", "Steve Holm >> spouse")
    assert (first.document, second.document) == item.gold.documents
    assert other.gold.answers == ()


def test_bamboogle(tmp_path: Path) -> None:
    (item,) = read("bamboogle", as_parquet(tmp_path / "t.parquet", [{"Question": "Who?", "Answer": "Her"}]))
    assert (item.task.id, item.gold.answers, item.hops) == ("bamboogle-test-0", ("Her",), 2)


def test_nq(tmp_path: Path) -> None:
    rows = [{"question": "who built it", "answer": ["Oreb", "the Orebs"]}]
    (item,) = read("nq", as_parquet(tmp_path / "v.parquet", rows))
    assert (item.task.id, item.gold.answers) == ("nq-validation-0", ("Oreb", "the Orebs"))


def test_triviaqa(tmp_path: Path) -> None:
    row = {
        "question": "Which lake?", "question_id": "tc_2", "question_source": "http://example.org/",
        "answer": {"aliases": ["Lake Orr", "Orr"], "normalized_aliases": ["lake orr", "orr"], "value": "Orr",
                   "normalized_value": "orr", "type": "WikipediaEntity"},
    }  # fmt: skip
    one, other = read("triviaqa", as_parquet(tmp_path / "v.parquet", [row, row]))
    assert one.gold.answers == ("Orr", "Lake Orr", "lake orr", "orr")
    assert (one.task.id, other.task.id) == ("tc_2", "tc_2-2")


def test_gsm8k(tmp_path: Path) -> None:
    row = {
        "question": "How many?",
        "answer": "She has 2*600=<<2*600=1200>>1200.\nAnd <<1200+34=1234>>1234.\n#### 1,234",
    }
    (item,) = read("gsm8k", as_parquet(tmp_path / "t.parquet", [row]))
    assert (item.task.kind, item.gold.answers, item.hops) == ("math", ("1234",), 2)


def test_math500(tmp_path: Path) -> None:
    row = {"problem": "Find $x$.", "solution": "...", "answer": r"\frac{1}{2}", "subject": "Algebra", "level": 3,
           "unique_id": "test/algebra/1.json"}  # fmt: skip
    (item,) = read("math500", as_json(tmp_path / "test.jsonl", [row]))
    assert (item.task.id, item.gold.answers, item.type) == ("test/algebra/1.json", (r"\frac{1}{2}",), "Algebra")


def test_aime(tmp_path: Path) -> None:
    rows = [{"id": 60, "problem": "P", "solution": "S", "answer": "033", "url": "u", "year": "2024"},
            {"id": 61, "problem": "Q", "solution": "S", "answer": "0", "url": "u", "year": "2024"}]  # fmt: skip
    first, second = read("aime2024", as_json(tmp_path / "train.jsonl", rows))
    assert (first.task.id, first.gold.answers, second.gold.answers) == ("aime2024-test-0", ("33",), ("0",))
    (item,) = read("aime2025", as_json(tmp_path / "t.jsonl", [{"problem": "P", "answer": 70, "id": "0"}]))
    assert (item.task.id, item.gold.answers) == ("aime2025-test-0", ("70",))


def as_csv(path: Path, rows: Rows) -> Path:
    with path.open("w", newline="") as file:
        writer = csv.DictWriter(file, rows[0])
        writer.writeheader()
        writer.writerows(rows)
    return path


@pytest.mark.anyio
async def test_gpqa(tmp_path: Path) -> None:
    rows = [
        {"Record ID": f"rec{n}", "Question": "Which\nparticle?", "Correct Answer": "the muon\n",
         "Incorrect Answer 1": "one", "Incorrect Answer 2": "two", "Incorrect Answer 3": "three",
         "High-level domain": "Physics"}
        for n in range(20)
    ]  # fmt: skip
    path = as_csv(tmp_path / "gpqa_diamond.csv", rows)
    items = read("gpqa", path)
    assert items == read("gpqa", path, seed=7)
    assert len({item.gold.answers for item in items}) == 4  # the right option stands at every place
    for item in items:
        options = item.task.inputs["options"]
        assert options[item.gold.answers[0]] == "the muon" and sorted(options) == list("ABCD")
        assert all(f"{letter}. {text}" in item.task.prompt for letter, text in options.items())
        (verdict,) = await Choice({item.task.id: item.gold.answers}).score(item.task, [Answer(text="The muon")])
        assert verdict.label == "right"


def test_names() -> None:
    assert set(names()) == {
        "arithmetic", "hotpotqa", "2wikimultihopqa", "musique", "bamboogle", "nq", "triviaqa", "gsm8k", "math500",
        "aime2024", "aime2025", "aime", "gpqa", "humaneval", "mbpp",
    }  # fmt: skip


def test_a_folder_with_splits(tmp_path: Path) -> None:
    folder = tmp_path / "copy"
    (folder / "main").mkdir(parents=True)
    for split, n in (("train", 3), ("test", 2)):
        rows = [{"question": f"{split} {i}", "answer": f"#### {i}"} for i in range(n)]
        as_parquet(folder / "main" / f"{split}-00000-of-00001.parquet", rows)
    (folder / "README.md").write_text(
        "---\nconfigs:\n- config_name: main\n  data_files:\n  - split: train\n    path: main/train-*\n"
        "  - split: test\n    path: main/test-*\n---\n"
    )
    assert [item.task.prompt for item in read("gsm8k", folder)] == ["test 0", "test 1"]
    assert len(read("gsm8k", folder, split="train")) == 3


def test_a_plain_folder(tmp_path: Path) -> None:
    folder = tmp_path / "plain"
    folder.mkdir()
    for split, n in (("train", 3), ("validation", 2)):
        as_json(folder / f"{split}.jsonl", [{"question": f"{split} {i}", "answer": ["a"]} for i in range(n)])
    assert [item.task.prompt for item in read("nq", folder)] == ["validation 0", "validation 1"]
    assert len(read("nq", folder, split="train")) == 3
    (folder / "validation.jsonl").unlink()
    with pytest.raises(ConfigError, match="cannot be read as 'validation'"):
        read("nq", folder)


def test_limit_and_shuffle(tmp_path: Path) -> None:
    path = as_json(tmp_path / "t.jsonl", [{"question": f"q{i}", "answer": [str(i)]} for i in range(20)])
    assert [item.task.prompt for item in read("nq", path, limit=3)] == ["q0", "q1", "q2"]
    drawn = read("nq", path, limit=3, shuffle=True, seed=1)
    assert drawn == read("nq", path, shuffle=True, seed=1)[:3] != read("nq", path, limit=3)
    assert {item.task.id for item in drawn} <= {item.task.id for item in read("nq", path)}


def test_write_documents_makes_a_folder_of_tasks(tmp_path: Path) -> None:
    path = as_json(tmp_path / "v.jsonl", [MUSIQUE, {**MUSIQUE, "id": "2hop__9_9"}])
    made = write_documents(f"musique@{path}", tmp_path / "folder")
    again = load(tmp_path / "folder")
    assert again.items == made.items and again.documents == tmp_path / "folder" / "documents" == made.documents
    assert again.documents is not None
    assert len(list(again.documents.iterdir())) == 3
    source = again.documents / again.items[0].gold.documents[0]
    assert source.read_text() == "# Vale\n\nVale is an album by Steve Holm.\n"
    with pytest.raises(ConfigError, match="without documents"):
        write_documents(f"nq@{as_json(tmp_path / 'n.jsonl', [{'question': 'q', 'answer': ['a']}])}", tmp_path / "other")


@pytest.mark.parametrize(
    ("name", "row", "match"),
    [
        ("hotpotqa", {**HOTPOT, "answer": None}, "hidden test split"),
        ("nq", {"question": "q", "answer": []}, "no answer"),
        ("gsm8k", {"question": "q", "answer": "42"}, "no answer"),
        ("nq", {"query": "q", "answer": ["a"]}, "'question'.*'query'"),
        ("gpqa", {"Question": "q", "Correct Answer": "a"}, "Incorrect Answer 1"),
    ],
)
def test_another_schema_is_refused(name: str, row: Mapping[str, Any], match: str, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=match):
        read(name, as_json(tmp_path / "v.json", [row]))


def test_bad_specs(tmp_path: Path) -> None:
    (tmp_path / "x.txt").write_text("x")
    (tmp_path / "broken.jsonl").write_text("{")
    for spec, match in [
        (f"nq@{tmp_path}/missing.json", "no file or folder"),
        (f"nq@{tmp_path}/x.txt", "unknown format"),
        (f"nq@{tmp_path}/broken.jsonl", "cannot be read"),
        ("nq:split=test", "no split 'test'"),
        ("nq:colour=red", "'colour'"),
        (f"arithmetic@{tmp_path}", "generated"),
    ]:
        with pytest.raises(ConfigError, match=match):
            load(spec)


def offline(spec: str, **environment: str) -> str:
    """The message of `load(spec)` in a new process, whose `datasets` reads its environment."""
    code = (
        "import sys\nfrom clew.errors import ConfigError\nfrom clew.evals.tasks import load\n"
        "try:\n    load(sys.argv[1])\nexcept ConfigError as error:\n    print(error)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, spec],
        capture_output=True,
        text=True,
        env={**os.environ, **environment},
        timeout=120,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_without_a_connection(tmp_path: Path) -> None:
    said = offline("gsm8k", HF_HUB_OFFLINE="1", HF_HOME=str(tmp_path))
    assert "https://huggingface.co/datasets/openai/gsm8k" in said and "gsm8k@PATH" in said


@pytest.fixture
def gate() -> Iterator[str]:
    """A hub that answers as the real one does for a gated dataset without a login."""

    class Gate(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            body = b'{"error": "Access to dataset is restricted. You must have access and be authenticated."}'
            self.send_response(401)
            self.send_header("X-Error-Code", "GatedRepo")
            self.send_header("X-Error-Message", "Access to dataset is restricted.")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            if self.command == "GET":
                self.wfile.write(body)

        do_HEAD = do_GET

        def log_message(self, format: str, *args: Any) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Gate)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    server.server_close()


def test_a_gated_set_names_its_page_and_the_login(gate: str, tmp_path: Path) -> None:
    said = offline("gpqa", HF_ENDPOINT=gate, HF_HOME=str(tmp_path), HF_HUB_OFFLINE="0")
    assert "gated" in said and "https://huggingface.co/datasets/Idavidrein/gpqa" in said
    assert "huggingface-cli login" in said


def test_without_the_package() -> None:
    code = "import sys; sys.modules['datasets'] = None\nfrom clew.evals.tasks import load\nload('gsm8k')"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=120)
    assert "ConfigError" in done.stderr and "pip install 'clew[evals]'" in done.stderr


def test_names_load_nothing_heavy() -> None:
    code = "import sys; import clew.evals.tasks; print('datasets' in sys.modules or 'pyarrow' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"
