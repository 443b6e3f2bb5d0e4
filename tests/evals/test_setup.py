"""The command that repeats an evaluation."""

from __future__ import annotations

import shlex
from pathlib import Path

from clew.config import load
from clew.evals.setup import Wanted, command


def test_the_command_has_every_setting_that_decides_and_no_secret(tmp_path: Path) -> None:
    (tmp_path / "clew.toml").write_text('model = "openai/m"\ntop_k = 3\nmethod = "cot"\n')
    env = {"CLEW_API_KEY": "something-secret", "CLEW_PRICE_IN": "0.5", "CLEW_STORE": "a store", "CLEW_BUDGET_USD": "1"}
    settings = load({"temperature": 0.2}, env=env, folder=tmp_path)
    wanted = Wanted("my tasks.jsonl", ("rag:top_k=1", "cot"), limit=5, repeats=2, seed=4, fresh=True, out="o")
    words = shlex.split(command(wanted, settings))
    assert words[:2] == ["CLEW_PRICE_IN=0.5", "CLEW_TOP_K=3"]
    assert words[2:] == [
        "clew", "eval", "--tasks", "my tasks.jsonl", "--graph", "rag:top_k=1", "--graph", "cot", "--model", "openai/m",
        "--store", "a store", "--temperature", "0.2", "--limit", "5", "--out", "o", "--repeats", "2", "--seed", "4",
        "--fresh",
    ]  # fmt: skip


def test_what_is_at_its_default_is_left_out(tmp_path: Path) -> None:
    settings = load({"model": "m"}, env={}, folder=tmp_path)
    assert command(Wanted("t", ("cot",)), settings) == "clew eval --tasks t --graph cot --model m"


def test_the_command_holds_no_login_of_an_address(tmp_path: Path) -> None:
    places = {
        "api_base": "http://ann:pass-one@host/v1", "store": "http://ann:pass-two@host:6333/docs",
        "memory": "http://ann:pass-three@host:6333/lessons",
    }  # fmt: skip
    said = command(Wanted("t", ("cot",)), load({"model": "m", **places}, env={}, folder=tmp_path))
    assert "ann" not in said and "pass" not in said
    assert "--api-base http://host/v1 --store http://host:6333/docs" in said
    assert shlex.split(said)[0] == "CLEW_MEMORY=http://host:6333/lessons"  # no option of `clew eval`
