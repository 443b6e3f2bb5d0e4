"""Instances in SWE-bench's formats: what is read, what never is, and where repositories come from."""

from __future__ import annotations

import json
import subprocess
import threading
from collections.abc import Iterator
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from clew.agents.instances import (
    Instance,
    find_repository,
    prediction,
    read_instances,
    read_predictions,
    read_rows,
    write_rows,
)
from clew.errors import ConfigError, RepositoryError
from tests.graphs.agentless.repositories import git, repository

ROW: dict[str, Any] = {
    "instance_id": "shop__shop-1",
    "repo": "shop/shop",
    "base_commit": "HEAD",
    "problem_statement": "It is wrong.",
    "patch": "GOLD-PATCH",
    "test_patch": "GOLD-TEST-PATCH",
    "FAIL_TO_PASS": '["GOLD-FAIL"]',
    "PASS_TO_PASS": "[]",
    "hints_text": "GOLD-HINT",
    "version": "1.0",
}


def test_only_what_is_asked_is_read(tmp_path: Path) -> None:
    write_rows(tmp_path / "a.jsonl", [ROW, {**ROW, "instance_id": "b", "setup": "make", "requirements": ["x", "y"]}])
    first, second = read_instances(tmp_path / "a.jsonl")
    assert first == Instance(
        instance_id="shop__shop-1", repo="shop/shop", base_commit="HEAD", problem_statement="It is wrong."
    )
    assert second.setup == ("make",) and second.requirements == ("x", "y")
    assert "GOLD" not in repr([first, second]) and "GOLD" not in json.dumps([first.to_row(), second.to_row()])
    assert Instance.of(second.to_row()) == second
    assert read_rows(tmp_path / "a.jsonl")[0]["patch"] == "GOLD-PATCH", "who grades has it all"


def test_a_list_is_read_as_lines_are(tmp_path: Path) -> None:
    (tmp_path / "a.json").write_text(json.dumps([ROW], indent=1))
    (tmp_path / "a.jsonl").write_text("\n" + json.dumps(ROW) + "\n\n")
    assert read_instances(tmp_path / "a.json") == read_instances(tmp_path / "a.jsonl")


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "holds no instance"),
        ("{", "line 1"),
        ("[1]", "no JSON object"),
        (json.dumps({**ROW, "instance_id": "../x"}), "row 1: instance_id='../x' is no name"),
        (json.dumps({**ROW, "base_commit": 3}), "row 1: base_commit"),
        (json.dumps({name: ROW[name] for name in ("instance_id", "repo")}), "row 1: base_commit"),
        (f"{json.dumps(ROW)}\n{json.dumps(ROW)}", "'shop__shop-1' twice"),
    ],
)
def test_what_is_no_instance_is_told(tmp_path: Path, text: str, said: str) -> None:
    (tmp_path / "a.jsonl").write_text(text)
    with pytest.raises(ConfigError, match=r"a\.jsonl") as error:
        read_instances(tmp_path / "a.jsonl")
    assert said in str(error.value)


def test_predictions_come_back(tmp_path: Path) -> None:
    write_rows(tmp_path / "p.jsonl", [prediction("a", "clew-x", "diff\n"), prediction("b", "clew-x", "")])
    assert read_predictions(tmp_path / "p.jsonl") == {"a": "diff\n", "b": ""}
    assert set(read_rows(tmp_path / "p.jsonl")[0]) == {"instance_id", "model_name_or_path", "model_patch"}


def test_a_row_without_a_patch_is_no_prediction(tmp_path: Path) -> None:
    write_rows(tmp_path / "p.jsonl", [{"instance_id": "a", "model_patch": None}])
    assert read_predictions(tmp_path / "p.jsonl") == {"a": ""}
    write_rows(tmp_path / "p.jsonl", [ROW])
    with pytest.raises(ConfigError, match="row 1 is no prediction"):
        read_predictions(tmp_path / "p.jsonl")


# Repositories --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["shop/shop", "shop__shop", "shop"])
def test_repositories_are_found_below_a_folder(tmp_path: Path, name: str) -> None:
    place = repository(tmp_path / "repos" / name, {"a.py": "1\n"})
    for repo in ("shop/shop", "https://github.com/shop/shop.git", "git@github.com:shop/shop.git"):
        assert find_repository(repo, tmp_path / "repos", tmp_path / "beside", tmp_path / "clones") == place


@pytest.mark.parametrize("name", ["shop/shop.git", "shop__shop.git", "shop.git"])
def test_bare_ones_are_found_below_a_folder(tmp_path: Path, name: str) -> None:
    made = repository(tmp_path / "made", {"a.py": "1\n"})
    place = tmp_path / "repos" / name
    subprocess.run(["git", "clone", "--quiet", "--bare", str(made), str(place)], check=True)
    assert find_repository("shop/shop", tmp_path / "repos", tmp_path / "beside", tmp_path / "clones") == place


def test_a_folder_beside_the_instances_is_one(tmp_path: Path) -> None:
    place = repository(tmp_path / "beside" / "mine", {"a.py": "1\n"})
    for repo in ("mine", "./mine", str(place)):
        assert find_repository(repo, None, tmp_path / "beside", tmp_path / "clones").resolve() == place


@pytest.mark.parametrize(
    "repo", ["nowhere", "ext::sh -c true", "file:///etc", "--upload-pack=x", "https://-x", "-x/y", "a b/c"]
)
def test_what_is_no_repository_is_told_and_nothing_started(tmp_path: Path, repo: str) -> None:
    (tmp_path / "repos").mkdir()
    with pytest.raises(RepositoryError):
        find_repository(repo, tmp_path / "repos", tmp_path / "repos" / "beside", tmp_path / "clones")
    assert not (tmp_path / "clones").exists()


class Quiet(SimpleHTTPRequestHandler):
    def log_message(self, *arguments: object) -> None:
        pass


@pytest.fixture
def address(tmp_path: Path) -> Iterator[str]:
    """A repository that is served as plain files."""
    made = repository(tmp_path / "origin", {"a.py": "1\n", ".gitattributes": "* filter=evil\n"})
    subprocess.run(["git", "clone", "--quiet", "--bare", str(made), str(tmp_path / "www" / "shop.git")], check=True)
    git(tmp_path / "www" / "shop.git", "update-server-info")
    with ThreadingHTTPServer(("127.0.0.1", 0), partial(Quiet, directory=str(tmp_path / "www"))) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}/shop.git"
        server.shutdown()


def test_another_address_is_cloned_once(tmp_path: Path, address: str) -> None:
    place = find_repository(address, None, tmp_path, tmp_path / "clones")
    assert git(place, "ls-tree", "--name-only", "HEAD").split() == [".gitattributes", "a.py"]
    assert git(place, "rev-parse", "--is-bare-repository") == "true"
    assert not (place / "hooks").exists()
    (tmp_path / "www").rename(tmp_path / "gone")
    assert find_repository(address, None, tmp_path, tmp_path / "clones") == place


def test_what_cannot_be_cloned_is_told(tmp_path: Path) -> None:
    with pytest.raises(RepositoryError, match=r"cannot be cloned .*--repos DIR"):
        find_repository("http://127.0.0.1:9/shop.git", None, tmp_path, tmp_path / "clones")
    assert not list((tmp_path / "clones").glob("*"))
