"""`clew repair`: a patch on stdout, its files, its landing; kills, limits, failures, and bad input."""

from __future__ import annotations

import json
import os
import signal
import time
from pathlib import Path

import pytest

from clew.testing import Reply, Template
from tests.graphs.agentless.repositories import git, repository, write

from .conftest import Clew, at, events, process, run_id
from .repairing import CHECK, FEW, ISSUE, RIGHT, WRONG, edit, mender, shop


@pytest.fixture
def repo(here: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    config = here.parent / "gitconfig"
    config.write_text("[user]\n\tname = Berta Quill\n\temail = berta@example.org\n")
    monkeypatch.setenv("GIT_CONFIG_GLOBAL", str(config))
    monkeypatch.setenv("XDG_CACHE_HOME", str(here.parent / "cache"))
    return shop(here / "shop")


def test_a_model_mends_a_bug_and_the_run_can_be_looked_at_again(clew: Clew, here: Path, repo: Path) -> None:
    (here / "issue.md").write_text(ISSUE)
    with mender() as server:
        result = clew("repair", "--repo", repo, "--issue", "issue.md", *at(server), *CHECK, *FEW, "--apply")
    assert result.code == 0, result.err
    run = run_id(result)
    assert f"+    return subtotal - subtotal * {RIGHT}" in result.out and result.out.startswith("diff --git")
    assert RIGHT in (repo / "src/shop/price.py").read_text() and "written into the work tree" in result.err
    folder = here / ".clew" / "repair" / run
    assert (folder / "patch.diff").read_text() == result.out
    report = json.loads((folder / "report.json").read_text())
    assert report["status"] == "ok" and report["issue"] == ISSUE and report["model"] == "openai/scripted"
    assert [stage["stage"] for stage in report["stages"]][-1] == "rank"
    assert sum(stage["cost"]["tokens"] for stage in report["stages"]) > 0 and report["cost"]["model_calls"] > 3
    page = (folder / "report.md").read_text()
    assert "A patch was found, and it passes the tests." in page and "> total() takes too much off" in page
    for stage in ("tests", "files", "candidate", "validate", "rank"):
        assert f"  {stage}" in result.err and f"| {stage} |" in page
    # The record is enough: the server is gone.
    assert clew("replay", run).code == 0
    before = (folder / "report.json").read_text()
    again = clew("resume", run)
    assert again.code == 0 and again.out == result.out and "in the work tree already" in again.err
    assert (folder / "report.json").read_text() == before
    shown = clew("show", run).out
    assert "rank: " in shown and "validate: " in shown
    assert "diff --git" in clew("show", run, "--json").objects[0]["answer"]


def test_a_branch_and_a_folder_of_its_own(clew: Clew, here: Path, repo: Path) -> None:
    head = git(repo, "rev-parse", "HEAD")
    asked = ["repair", "--repo", repo, "--issue", ISSUE, *CHECK, *FEW]
    with mender() as server:
        (data,) = clew(*asked, *at(server), "--branch", "fix/total", "--out", "result", "--json").objects
    assert data["status"] == "ok" and data["landed"].startswith("commit ") and data["folder"] == str(here / "result")
    assert git(repo, "rev-parse", "fix/total^") == head == git(repo, "rev-parse", "HEAD")
    assert git(repo, "log", "-1", "--format=%an: %s", "fix/total") == "Berta Quill: Fix: total() takes too much off"
    assert WRONG in (repo / "src/shop/price.py").read_text()
    assert sorted(path.name for path in (here / "result").iterdir()) == ["patch.diff", "report.json", "report.md"]


def test_changes_that_are_not_committed_are_part_of_it(clew: Clew, repo: Path) -> None:
    path = repo / "src/shop/price.py"
    write(repo, {"src/shop/price.py": path.read_text().replace("subtotal = sum", "subtotal = 0 + sum")})
    with mender() as server:
        result = clew("repair", "--repo", repo, "--issue", ISSUE, *at(server), *CHECK, *FEW, "--apply")
    assert result.code == 0, result.err
    assert " subtotal = 0 + sum" in result.out and RIGHT in path.read_text() and "0 + sum" in path.read_text()


def test_a_patch_that_fails_the_tests_is_shown_and_lands_nowhere(clew: Clew, repo: Path) -> None:
    with mender(Template(edit("discount / 50\n"))) as server:
        result = clew("repair", "--repo", repo, "--issue", ISSUE, *at(server), *CHECK, *FEW, "--apply")
    assert result.code == 1 and "discount / 50" in result.out
    assert "tests that it should mend still fail" in result.err and "--apply waits for a patch" in result.err
    assert WRONG in (repo / "src/shop/price.py").read_text()


def test_without_tests_a_patch_is_a_guess(clew: Clew, repo: Path) -> None:
    with mender() as server:
        result = clew("repair", "--repo", repo, "--issue", ISSUE, *at(server), *FEW, "--no-tests")
    assert result.code == 0 and RIGHT in result.out and "no test has tried it" in result.err
    assert "program" not in {kind for kind, _ in events(Path(os.environ.get("CLEW_JOURNAL", ".clew/journal.db")))}


def test_no_patch_ends_with_1(clew: Clew, repo: Path) -> None:
    with mender("I would rather not.") as server:
        result = clew("repair", "--repo", repo, "--issue", ISSUE, *at(server), *FEW, "--no-tests")
    assert result.code == 1 and result.out == "" and "No patch was found" in result.err


def test_a_limit_ends_with_4_and_a_higher_one_goes_on(clew: Clew, repo: Path) -> None:
    asked = ["repair", "--repo", repo, "--issue", ISSUE, *CHECK, *FEW]
    with mender() as server:
        result = clew(*asked, *at(server), "--budget-tokens", 3000)
        assert result.code == 4, result.err
        assert clew("show", run_id(result), "--full").code == 0
        assert "--budget-tokens N" in result.err and "The limit on tokens was reached" in result.err
        again = clew("resume", run_id(result), "--budget-tokens", 1_000_000)
    assert again.code == 0 and RIGHT in again.out, again.err


def test_a_server_that_fails_ends_with_5_and_resume_mends_it(clew: Clew, repo: Path) -> None:
    asked = ["repair", "--repo", repo, "--issue", ISSUE, *CHECK, *FEW]
    with mender(Reply("gone", status=401)) as server:
        result = clew(*asked, *at(server))
    assert result.code == 5, result.err
    with mender() as server:
        again = clew("resume", run_id(result), "--api-base", server.url)
    assert again.code == 0 and RIGHT in again.out, again.err


def test_a_kill_loses_nothing(clew: Clew, here: Path, repo: Path) -> None:
    with mender(Reply(text="too late", delay=60)) as server:
        asked = ["repair", "--repo", repo, "--issue", ISSUE, *at(server), *CHECK, *FEW, "--out", "result", "--apply"]
        child = process(*asked, cwd=here)
        deadline = time.monotonic() + 60
        while not any("fix the issue in the code" in request.prompt for request in server.requests):
            assert child.poll() is None and time.monotonic() < deadline, child.communicate()
            time.sleep(0.05)
        os.kill(child.pid, signal.SIGKILL)
        child.communicate()
    (row,) = clew("runs", "--json").objects
    assert row["status"] == "stopped"
    with mender() as server:
        result = clew("resume", row["run"], "--api-base", server.url)
        asked_again = [request.prompt for request in server.requests if "quick brown fox" not in request.prompt]
    assert result.code == 0 and RIGHT in (repo / "src/shop/price.py").read_text()
    assert all("fix the issue in the code" in prompt for prompt in asked_again)
    assert (here / "result" / "patch.diff").read_text() == result.out
    program = [state for kind, state in events(here / ".clew/journal.db") if kind == "program"]
    assert set(program) == {"finished"}


def test_a_fork_tries_another_way_and_lands_nowhere(clew: Clew, repo: Path) -> None:
    asked = ["repair", "--repo", repo, "--issue", ISSUE, *CHECK, *FEW]
    with mender(Template(edit("discount / 50\n"))) as server:
        result = clew(*asked, *at(server), "--apply")
    shown = clew("show", run_id(result), "--json").objects[1:]
    last = [event["event"] for event in shown if event["kind"] == "model"][-2:]
    with mender() as server:
        other = clew("fork", run_id(result), last[0], "--api-base", server.url)
    assert other.code == 0 and RIGHT in other.out, other.err
    assert WRONG in (repo / "src/shop/price.py").read_text()


def test_what_never_began_leaves_nothing(clew: Clew, here: Path) -> None:
    bare = repository(here / "bare", {"price.py": "x = 1\n"})
    with mender() as server:
        result = clew("repair", "--repo", bare, "--issue", ISSUE, *at(server), *FEW, "--sandbox", "process")
    assert result.code == 2 and "no tests in Python are found" in result.err
    assert list((here / ".clew" / "repair").glob("*")) == []


def test_without_an_engine_it_is_said_that_there_is_no_boundary(
    clew: Clew, here: Path, repo: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DOCKER_HOST", "unix:///nonexistent/docker.sock")
    monkeypatch.setenv("CLEW_IMAGE", "of/docker:alone")
    (here / "bugs.jsonl").write_text(
        "\n".join(json.dumps({"instance_id": f"a-{n}", "repo": str(repo), "base_commit": "HEAD"}) for n in range(2))
    )
    many = ("--instances", "bugs.jsonl", "--out", "preds.jsonl", "--test-cmd", "python3 check.py")
    result = clew("repair", *many, "--proposer", "mutate", "--json")
    assert result.code == 1, result.err
    said = [line for line in result.err.splitlines() if "no boundary" in line]
    assert len(said) == 1 and said[0].startswith("clew: no Docker Engine answers")
    report = json.loads((Path(result.objects[0]["folder"]) / "report.json").read_text())
    assert (report["sandbox"], report["image"]) == ("process", None)


# Without a model -----------------------------------------------------------------------------------------------------


def test_templates_mend_a_bug_that_a_test_shows(clew: Clew, repo: Path) -> None:
    result = clew("repair", "--repo", repo, "--sandbox", "process")
    assert result.code == 0, result.err
    assert f"+    return subtotal - subtotal * {RIGHT}" in result.out
    assert "  blame" in result.err and "  mutate" in result.err
    assert clew("replay", run_id(result)).code == 0


@pytest.mark.docker
def test_templates_mend_it_in_docker(clew: Clew, repo: Path) -> None:
    from tests.sandbox.conftest import image

    result = clew("repair", "--repo", repo, "--sandbox", "docker", "--image", image(), "--branch", "fix")
    assert result.code == 0, result.err
    assert git(repo, "show", "fix:src/shop/price.py").count("discount / 100") == 1


def test_a_test_to_be_mended_that_does_not_fail_is_named(clew: Clew, repo: Path) -> None:
    ids = ("--failing-test", "tests/test_price.py::test_cheapest")
    result = clew("repair", "--repo", repo, "--sandbox", "process", *ids)
    assert result.code == 1 and "No patch was found: none of the tests to be mended fails now" in result.err


def test_without_a_failing_test_templates_do_nothing(clew: Clew, repo: Path) -> None:
    path = repo / "src/shop/price.py"
    write(repo, {"src/shop/price.py": path.read_text().replace(WRONG, RIGHT)})
    result = clew("repair", "--repo", repo, "--sandbox", "process")
    assert result.code == 1 and "no test fails" in result.err and result.out == ""
    assert "  prepared      3 tests" in result.err and "--model NAME" in result.err
    assert git(repo.parent, "init", "--quiet") == "" and ".clew" not in git(repo.parent, "status", "--porcelain")


# Bad input -----------------------------------------------------------------------------------------------------------


def test_bad_input_is_said_before_anything_begins(clew: Clew, here: Path, repo: Path) -> None:
    model = ("--model", "openai/none", "--api-base", "http://127.0.0.1:9")
    (here / "file").write_text("")
    (here / "empty.md").write_text(" \n")
    for words, said in [
        (["--repo", here / "docs", *model, "--issue", "x"], "not a git repository"),
        (["--repo", here / "nowhere", *model, "--issue", "x"], "is no folder"),
        (["--repo", repo, *model], "the issue is empty"),
        (["--repo", repo, *model, "--issue", "empty.md"], "the issue is empty"),
        (["--repo", repo, *model, "--issue", "missing.md"], "is no file"),
        (["--repo", repo, *model, "--issue", "x", "--commit", "nope"], "'nope' is no commit"),
        (["--repo", repo, "--proposer", "model", "--issue", "x"], "no model is configured"),
        (["--repo", repo, "--proposer", "guess"], "--proposer 'guess' is unknown"),
        (["--repo", repo, "--candidates", 3], "--candidates means nothing to the proposer mutate"),
        (["--repo", repo, "--no-tests"], "goes by failing tests"),
        (["--repo", repo, *model, "--issue", "x", "--no-tests", "--setup", "make"], "'make' is about tests"),
        (["--repo", repo, "--branch", "main"], "there is a branch 'main' already"),
        (["--repo", repo, "--branch", "a..b"], "'a..b' can be no branch"),
        (["--repo", repo, "--out", "file"], "is a file: give another one"),
        (["--repo", repo, "--out", "file/below"], "is a file: give another one"),
        (["--repo", repo, "--sandbox", "Docker"], "sandbox='Docker' is unknown: give auto, docker or process"),
        (["--repo", repo, "--requirement", "none.txt"], "'none.txt' is no file"),
        (["--repo", repo, *model, "--issue", "bug.html"], "is no file"),
        (["--repo", repo, "--test-cmd", "'"], "is no command"),
        (["--repo", repo, "--repos", here], "--repos is about --instances"),
        (["--instances", "file", "--out", "p.jsonl"], "holds no instance"),
        (["--instances", "file"], "give --out preds.jsonl"),
        (["--instances", "file", "--out", "p.jsonl", "--issue", "x"], "--issue is for one issue"),
    ]:
        result = clew("repair", *words)
        assert (result.code, result.out) == (2, ""), (words, result)
        assert said in result.err, (words, result.err)


def test_a_command_that_finds_no_test_is_told(clew: Clew, repo: Path) -> None:
    command = ("--test-cmd", "python3 -m pytest src", "--sandbox", "process")
    result = clew("repair", "--repo", repo, *command)
    assert result.code == 1 and "no tests" in result.err and "No patch was found" in result.err


def test_the_rule_for_test_files_and_requirements_of_a_file(clew: Clew, here: Path, repo: Path) -> None:
    (here / "needs.txt").write_text("# for the tests\n-r other.txt\n")
    refused = clew("repair", "--repo", repo, "--requirement", "needs.txt")
    assert refused.code == 2 and "'-r other.txt' is an option of pip" in refused.err
    refused = clew("repair", "--repo", repo, "--test-files", "(")
    assert refused.code == 2 and "is no regular expression" in refused.err
    with mender() as server:
        asked = ["repair", "--repo", repo, "--issue", ISSUE, *at(server), *CHECK, *FEW, "--test-files", "price|check"]
        result = clew(*asked)
    assert result.code == 1 and "no known file" not in result.out and RIGHT not in result.out, result.err
