"""`repair`: an issue and a repository in, a tested patch out."""

from __future__ import annotations

import os
import sys
from collections.abc import Coroutine
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from clew.cli import options, running, words

if TYPE_CHECKING:
    from clew.agents.repair import Wanted
    from clew.journal import Journal
    from clew.task import Answer

_LONGEST_NAME = 4096


def repair(
    repo: options.Repo = ".",
    issue: Annotated[
        str | None,
        typer.Option("--issue", metavar="FILE|TEXT", help="What is wrong (- is stdin).", show_default=False),
    ] = None,
    commit: Annotated[
        str | None,
        typer.Option("--commit", metavar="NAME", help="Commit to repair [the work tree].", show_default=False),
    ] = None,
    proposer: Annotated[
        str | None,
        typer.Option(
            "--proposer", metavar="NAME", help="model, or mutate, which needs none [model, if configured].",
            show_default=False,
        ),
    ] = None,
    test_cmd: options.TestCmd = None,
    report_glob: Annotated[
        list[str] | None,
        typer.Option(
            "--report-glob", metavar="GLOB", help="JUnit files that the command writes (repeatable).",
            show_default=False,
        ),
    ] = None,
    setup: options.Setup = None,
    requirement: options.Requirement = None,
    test_files: Annotated[
        str | None,
        typer.Option(
            "--test-files", metavar="REGEX", help="Paths of tests, which no patch changes [test*, ...].",
            show_default=False,
        ),
    ] = None,
    failing_test: Annotated[
        list[str] | None,
        typer.Option(
            "--failing-test", metavar="ID", help="Test that should pass [all that fail] (repeatable).",
            show_default=False,
        ),
    ] = None,
    no_tests: Annotated[bool, typer.Option("--no-tests", help="Run no test: the patch is a guess.")] = False,
    candidates: Annotated[
        int | None, typer.Option("--candidates", min=1, metavar="N", help="Patches per location set [10].",
                                 show_default=False)
    ] = None,
    location_samples: Annotated[
        int | None, typer.Option("--location-samples", min=1, metavar="N", help="Location sets [4].",
                                 show_default=False)
    ] = None,
    reproduction_samples: Annotated[
        int | None,
        typer.Option("--reproduction-samples", min=0, metavar="N", help="Reproduction tests asked for [40].",
                     show_default=False),
    ] = None,
    window: Annotated[
        int | None,
        typer.Option("--window", min=0, metavar="N", help="Lines shown around a location [10].", show_default=False),
    ] = None,
    out: Annotated[
        str | None,
        typer.Option("--out", metavar="PLACE", help="Folder of patch and report [.clew/repair/RUN]; with --instances "
                     "the file of predictions.", show_default=False),
    ] = None,
    apply: Annotated[bool, typer.Option("--apply", help="Write the patch into the work tree.")] = False,
    branch: Annotated[
        str | None, typer.Option("--branch", metavar="NAME", help="Commit it on a new branch.", show_default=False)
    ] = None,
    instances: Annotated[
        str | None,
        typer.Option("--instances", metavar="FILE", help="Repair all instances of a SWE-bench file.",
                     show_default=False),
    ] = None,
    repos: options.Repos = None,
    parallel: Annotated[
        int, typer.Option("-j", "--parallel", min=1, metavar="N", help="Instances at a time.")
    ] = 1,
    model: options.Model = None,
    api_base: options.ApiBase = None,
    temperature: options.Temperature = None,
    max_tokens: options.MaxTokens = None,
    timeout: options.Timeout = None,
    budget_usd: options.BudgetUsd = None,
    budget_tokens: options.BudgetTokens = None,
    budget_seconds: options.BudgetSeconds = None,
    sandbox: options.Sandbox = None,
    image: options.Image = None,
    embedder: options.Embedder = None,
    journal: options.Journal = None,
    as_json: options.Json = False,
) -> None:  # fmt: skip
    """Repair an issue of a repository with a tested patch.

    The patch goes to stdout; patch.diff, report.md and report.json to --out. Ends with 0 when the tests speak for it,
    with 1 when there is no patch, or one that tests speak against. Without a model, templates repair one-line bugs that
    tests show (--proposer mutate). A run that was killed goes on with clew resume RUN; with --instances the same
    command goes on. More: docs/repair.md.

    Example: clew repair --repo . --issue issue.md --model openai/gpt-5-mini --budget-usd 1
    """
    from clew.agents.repair import PROPOSERS, Then, Wanted, check
    from clew.config import load
    from clew.errors import ConfigError

    settings = load(
        {
            "model": model, "api_base": api_base, "temperature": temperature, "max_tokens": max_tokens,
            "timeout": timeout, "budget_usd": budget_usd, "budget_tokens": budget_tokens,
            "budget_seconds": budget_seconds, "sandbox": sandbox, "image": image, "embedder": embedder,
            "journal": journal,
        }
    )  # fmt: skip
    if proposer not in (None, *PROPOSERS):
        raise ConfigError(f"--proposer {proposer!r} is unknown: give model or mutate")
    if no_tests and (given := [test_cmd, *(setup or ()), *(requirement or ()), *(failing_test or ())]) != [None]:
        raise ConfigError(f"--no-tests runs no test, and {next(filter(None, given))!r} is about tests: leave one out")
    parameters = {
        "candidates": candidates, "location_samples": location_samples, "reproduction_samples": reproduction_samples,
        "window": window,
    }  # fmt: skip
    wanted = Wanted(
        repo=Path(repo).expanduser(),
        issue="" if instances is not None else _issue(issue),
        commit=commit,
        test_cmd=test_cmd,
        report_globs=tuple(report_glob or ()),
        setup=tuple(setup or ()),
        requirements=options.requirements(requirement),
        test_files=test_files,
        tests=not no_tests,
        failing_tests=tuple(failing_test or ()),
        proposer=proposer,
        parameters={name: value for name, value in parameters.items() if value is not None},
        then=Then(None if out is None else str(Path(out).expanduser().absolute()), apply, branch),
    )
    if instances is not None:
        from clew.cli import repair_instances

        given_too = {"--issue": issue, "--commit": commit, "--branch": branch, "--apply": apply or None}
        for name in (name for name, value in given_too.items() if value is not None):
            raise ConfigError(f"{name} is for one issue, and --instances is about many: leave one out")
        repair_instances.carry_out(Path(instances).expanduser(), wanted, settings, repos, parallel, as_json)
        return
    for name in (name for name, value in {"--repos": repos, "--parallel": parallel - 1}.items() if value):
        raise ConfigError(f"{name} is about --instances FILE: give it too, or leave {name} out")
    check(wanted, settings)  # no model, or no issue, is the first thing to say
    _fits(wanted)
    unseen_by_git()

    def start(book: Journal, run: str, watch: Any) -> Coroutine[Any, Any, Answer]:
        from clew.agents import repair as agent

        return agent.begin(wanted, settings, journal=book, run_id=run, watch=watch)

    running.carry_out(settings, None, start, as_json=as_json, repairs=True)


def _issue(given: str | None) -> str:
    """The text of an issue: from stdin, from a file, or as it was given."""
    from clew.errors import ConfigError

    if given is None:
        return ""
    if given == "-":
        text = sys.stdin.read()
    elif "\n" not in given and len(given) < _LONGEST_NAME and Path(given).expanduser().is_file():
        try:
            text = Path(given).expanduser().read_text(encoding="utf-8")
        except (OSError, UnicodeDecodeError) as error:
            raise ConfigError(f"the issue in {given!r} cannot be read ({error}): give a text file") from error
    elif len(given.split()) == 1 and (Path(given).suffix or "/" in given):
        raise ConfigError(f"--issue {given!r} is no file: give one that exists, or the text of the issue")
    else:
        text = given
    if not text.strip():
        raise ConfigError("the issue is empty: say what is wrong")
    return text


def _fits(wanted: Wanted) -> None:
    """Says before anything is paid for what would end the run after it."""
    from clew.agents import landing
    from clew.errors import ConfigError
    from clew.graphs.agentless.source import Source

    source = Source.find(wanted.repo)
    if wanted.commit is not None:
        source.commit(wanted.commit)
    if wanted.then.out is not None:
        out = Path(wanted.then.out)
        there = next(each for each in (out, *out.parents) if each.exists())
        if not there.is_dir():
            raise ConfigError(f"--out {str(out)!r} needs a folder where {str(there)!r} is a file: give another one")
        if not os.access(there, os.W_OK):
            raise ConfigError(f"--out {str(out)!r} cannot be written to: give another folder")
    if wanted.then.apply:
        landing.check_work_tree(wanted.repo)
    if wanted.then.branch is not None:
        landing.check_branch(wanted.repo, wanted.then.branch)


def unseen_by_git() -> None:
    """The folder that runs are kept in is often in the repository itself: it is no part of it, as those of other tools
    are none."""
    from clew.agents.repair import FOLDER

    file = FOLDER.parent / ".gitignore"
    if not file.exists():
        file.parent.mkdir(exist_ok=True)
        file.write_text("*\n")


# Showing -----------------------------------------------------------------------------------------------------------


def conclude(book: Journal, id: str, answer: Answer, as_json: bool) -> int:
    """Writes the files of a repair that ended, shows the patch and what it came to, and returns the exit code."""
    from clew.agents import delivery, history
    from clew.agents.repair_report import verdict
    from clew.cli.past import spent_words

    done = delivery.deliver(book, book.find_run(id), answer)
    spent = history.spent(book, id)
    if as_json:
        report = done.report
        words.out_json(
            {
                "run": id, "status": answer.status, "stop_reason": answer.stop_reason, "verdict": verdict(report),
                "patch": answer.text, "chosen": report.get("chosen"), "candidates": len(report.get("candidates") or ()),
                "tests": report.get("tests"), "flags": report.get("flags", []), "folder": str(done.folder),
                "landed": done.landed, "refused": done.refused, **spent.to_json(),
            }
        )  # fmt: skip
    elif answer.text:
        # Byte for byte, so that `| git apply` works; a terminal gets no escape sequences of others.
        sys.stdout.write(words.clean(answer.text) if sys.stdout.isatty() else answer.text)
        sys.stdout.flush()
    words.say(f"clew: {verdict(done.report)}")
    for text in (done.landed, done.refused):
        if text:
            words.say(f"clew: {text}")
    words.say(f"run {id} · {spent_words(spent)} · patch.diff and report.md in {_near(done.folder)}")
    if done.exit_code in (4, 5):
        words.say(f"clew: {_how_on(id, answer)}")
    return done.exit_code


def _near(folder: Path) -> str:
    here = Path.cwd()
    return str(folder.relative_to(here) if folder.is_relative_to(here) else folder)


def _how_on(id: str, answer: Answer) -> str:
    raised = {"usd": "--budget-usd", "tokens": "--budget-tokens", "seconds": "--budget-seconds"}.get(answer.stop_reason)
    if answer.status == "error":
        return f"when that is mended, go on with clew resume {id}"
    if answer.status == "budget":
        return f"go on with clew resume {id}" + (f" {raised} N" if raised else "")
    return f"when that is mended, go on with clew resume {id} --retry failed"
