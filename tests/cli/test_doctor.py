"""`doctor`: every line says what works, where a setting came from, and what to do about the rest."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from clew.testing import Reply, Rule, ScriptedServer, vllm

from .conftest import PROBE, Clew, at


def by_name(checks: list[dict[str, Any]]) -> dict[str, dict[str, Any]]:
    return {check["name"]: check for check in checks}


def test_all_is_well(indexed: Clew) -> None:
    with ScriptedServer([PROBE, "ok"], features=vllm) as server:
        result = indexed("doctor", *at(server), "--json")
    found = by_name(result.objects)
    assert result.code == 0, [check for check in found.values() if check["state"] == "fail"]
    for name in ("python", "litellm", "journal", "embeddings", "store", "model", "transport", "price"):
        assert found[name]["state"] == "ok", found[name]
    assert server.url in found["model"]["detail"]
    assert found["transport"]["detail"].startswith("completion")
    assert "3 pages, 3 passages" in found["store"]["detail"]
    assert found["sandbox"]["state"] in ("ok", "warn")
    assert all(bool(check["fix"]) == (check["state"] != "ok") for check in found.values())


def test_each_setting_says_where_it_came_from(clew: Clew, here: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (here / "clew.toml").write_text("top_k = 3\n")
    monkeypatch.setenv("CLEW_API_KEY", "something-secret")
    monkeypatch.setenv("CLEW_MODLE", "x")
    result = clew("doctor", "--store", "elsewhere", "--json")
    found = by_name(result.objects)
    assert found["setting top_k"]["detail"] == "3 (clew.toml)"
    assert found["setting api_key"]["detail"] == "set (CLEW_API_KEY)"
    assert found["setting store"]["detail"] == "elsewhere (command line)"
    assert found["setting method"]["detail"] == "search_o1 (default)"
    assert found["environment"]["state"] == "warn" and "CLEW_MODLE" in found["environment"]["detail"]
    assert "CLEW_MODEL" in found["environment"]["fix"]
    assert "something-secret" not in result.out + result.err


def test_what_is_missing_but_not_needed_warns(clew: Clew) -> None:
    result = clew("doctor", "--json")
    found = by_name(result.objects)
    assert result.code == 0 and found["model"]["state"] == "warn" and found["store"]["state"] == "warn"
    assert found["store"]["fix"] == "clew index DIR"


@pytest.mark.parametrize(
    ("reply", "word"), [(Reply(fault="auth"), "CLEW_API_KEY"), (Reply(fault="wrong_model"), "correct the name")]
)
def test_a_model_that_does_not_answer_fails_with_its_fix(clew: Clew, reply: Reply, word: str) -> None:
    with ScriptedServer([Rule(".", reply)]) as server:
        result = clew("doctor", *at(server))
    assert result.code == 1 and word in result.out
    assert next(line for line in result.out.splitlines() if line.startswith("fail")).split()[1] == "model"


def test_a_key_in_a_project_file_is_pointed_out(clew: Clew, here: Path) -> None:
    (here / "clew.toml").write_text('api_key = "something-secret"\n')
    result = clew("doctor", "--json")
    check = by_name(result.objects)["setting api_key"]
    assert check["state"] == "warn" and "CLEW_API_KEY" in check["fix"] and "something-secret" not in result.out


def test_broken_parts_fail(clew: Clew, here: Path) -> None:
    (here / "notes.txt").write_text("no journal\n" * 100)
    result = clew("doctor", "--journal", "notes.txt", "--embedder", "/no/such/model", "--store", "http://h", "--json")
    found = by_name(result.objects)
    assert result.code == 1
    assert {name for name, check in found.items() if check["state"] == "fail"} == {"journal", "embeddings", "store"}


def test_an_unknown_price_warns(clew: Clew, here: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from clew.agents import doors
    from clew.config import load

    assert doors.model(load({"model": "openai/unheard-of"})).price is None
    monkeypatch.setenv("CLEW_PRICE_IN", "1")
    with ScriptedServer([PROBE, "ok"], features=vllm) as server:
        result = clew("doctor", *at(server))
    assert result.code == 1 and "price_out" in result.out
