"""What a repair found, stage by stage, as JSON and in words."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from clew.agents import history
from clew.journal import Cost

if TYPE_CHECKING:
    from clew.agents.repair import Plan
    from clew.journal import Journal, RunRow
    from clew.task import Answer

STAGE = "stage"
# What the graph says of its end and its flags, for people. What is not here is shown as it is.
REASONS = {
    "no_candidate": "no change was found that does anything",
    "regression_failures": "tests that passed before fail with it",
    "targets_failing": "tests that it should mend still fail",
    "repro_ignored": "no candidate passes the reproduction tests",
    "untested": "no test has tried it",
    "unconfirmed": "the tests that it mends did not run a second time",
    "excused_failures": "tests that the model said a right fix breaks fail with it",
    "exit_code_only": "of the tests nothing is known but the exit code of their command",
    "no_tests": "the tests could not be used",
    "flaky_tests": "flaky tests were left out",
    "unknown_targets": "none of the tests to be mended fails now",
    "regression_ignored": "no candidate has a test report",
    "repro_skipped": "there was no reproduction test",
    "reproduction_none": "no reproduction test shows the issue",
    "reproduction_cut": "a limit ended the making of reproduction tests",
    "reproduction_no_python": "reproduction tests are in Python, and the sandbox has none",
    "regression_not_selected": "all tests that pass judge the patch, for none was left out",
    "no_elements": "the model named no element that exists",
    "no_locations": "the model named no place that exists",
    "no_code": "no code could be shown to the model",
    "retrieval_failed": "the code could not be searched",
    "no_retrieval": "the code was not searched",
    "no_hits": "the search found no file",
    "no_known_file": "the model named no file that exists",
    "files_by_words": "the files were chosen by the words of the issue alone",
    "mutate_needs_pytest": "mutate needs tests of pytest",
    "mutate_needs_failing_tests": "no test fails, and mutate goes by failing tests: a model needs none (--model NAME)",
    "mutate_blames_nothing": "no line of the code could be blamed for the failing tests",
    "mutate_cannot_try": "a batch of changes could not be tried",
}


def in_words(name: str) -> str:
    """A reason or a flag for people."""
    return REASONS.get(name, name.replace("_", " "))


# Stages ------------------------------------------------------------------------------------------------------------


def said(data: Mapping[str, Any]) -> str:
    """One line about a stage from what it noted: `tests: 120 pass, 2 fail`."""
    stage = str(data.get("stage", ""))
    told = _SAID.get(stage)
    try:
        text = told(data) if told is not None else _plainly(data)
    except (KeyError, TypeError, ValueError, IndexError, AttributeError):
        text = _plainly(data)  # a note of another version
    return f"{stage}: {text}" if text else stage


def _tests(data: Mapping[str, Any]) -> str:
    if data["why"]:
        return f"cannot be used: {data['why']}"
    flaky = f", {_number(data['flaky'])} flaky" if data["flaky"] else ""
    return f"{_number(data['passing'])} pass, {_number(data['failing'])} fail{flaky}"


def _named(data: Mapping[str, Any]) -> str:
    places = list(dict.fromkeys(place for sample in data["places"] for place in sample))
    tries = f" (try {data['tried']})" if data["tried"] > 1 else ""
    return (", ".join(places[:6]) + (", …" if len(places) > 6 else "") or "none that exists") + tries


def _sets(data: Mapping[str, Any]) -> str:
    first = ", ".join(data["sets"][0][:4]) if data["sets"] else ""
    return f"{len(data['sets'])} to repair" + (f", the first {first}" if first else "")


def _regression(data: Mapping[str, Any]) -> str:
    if data.get("error"):
        return f"all tests judge the patch, for the choice failed: {data['error']}"
    return f"{data['kept']} tests judge the patch, {len(data['dropped'])} may break"


def _reproduction(data: Mapping[str, Any]) -> str:
    return f"{data['asked']} asked for, {len(data['tests'])} judge the patch"


def _blame(data: Mapping[str, Any]) -> str:
    places = [f"{path}:{line} ({score:.2f})" for path, line, score in data["suspects"][:3]]
    return "nothing found" if not places else ", ".join(places)


def _mutate(data: Mapping[str, Any]) -> str:
    upto = data["first"] + data["tried"]
    return f"{upto} changes tried, {len(data['passed'])} of the last {data['tried']} make the failing tests pass"


def _candidate(data: Mapping[str, Any]) -> str:
    paths = list(dict.fromkeys(line[6:] for line in data["diff"].split("\n") if line.startswith("+++ b/")))
    why = data.get("reason") or ("" if data.get("key") else "it changes nothing that runs")
    return f"{data['id']} changes {', '.join(paths) or 'nothing'}" + (f"; refused: {why}" if why else "")


def _validate(data: Mapping[str, Any]) -> str:
    who = ", ".join(map(str, data["candidates"][:4])) + (", …" if len(data["candidates"]) > 4 else "")
    if data.get("refused") or data.get("counts") is None:
        return f"{who}: {data.get('refused') or data.get('why') or 'no test ran'}"
    counts = data["counts"]
    parts = [f"{counts['passed']} pass", f"{counts['failed'] + counts['error']} fail"]
    parts += [f"{len(data['fixed'])} mended"] if data["fixed"] else []
    parts += [f"reproduction {data['reproduction']}"] if data.get("reproduction") else []
    return f"{who}: " + ", ".join(parts)


def _confirm(data: Mapping[str, Any]) -> str:
    unsteady = f"; {len(data['unsteady'])} mended ones did not pass again" if data["unsteady"] else ""
    excused = f"; {len(data['excused'])} that may break do" if data["excused"] else ""
    return f"{data['ran']} tests ran again{unsteady}{excused}"


def _rank(data: Mapping[str, Any]) -> str:
    if data["chosen"] is None:
        return "no candidate is left"
    return f"{data['chosen']} is chosen: {data['reasons'][data['chosen']]}"


_SAID: dict[str, Callable[[Mapping[str, Any]], str]] = {
    "tests": _tests,
    "files": lambda data: ", ".join(data["files"][:6]),
    "files_named": lambda data: "the model names " + (", ".join(data["files"][:6]) or "none that exists"),
    "folders": lambda data: data.get("skipped") or f"{len(data['folders']) or 'none'} left out of the search",
    "retrieval": lambda data: data.get("error") or "nearest are " + (", ".join(data["files"][:3]) or "none"),
    "elements": _named,
    "locations": _named,
    "sets": _sets,
    "regression": _regression,
    "reproduction": _reproduction,
    "blame": _blame,
    "mutate": _mutate,
    "candidate": _candidate,
    "validate": _validate,
    "confirm": _confirm,
    "rank": _rank,
    "ended": lambda data: f"{data['phase']} ended by {data['status']} ({in_words(str(data['reason']))})",
}


def _plainly(data: Mapping[str, Any]) -> str:
    """What a note holds, the short of it."""
    parts = []
    for name, value in data.items():
        if name in ("stage", "effects") or value in (None, "", [], {}):
            continue
        if isinstance(value, list | tuple):
            short = all(isinstance(each, str) for each in value) and len(value) <= 4
            parts.append(f"{name} {', '.join(value)}" if short else f"{len(value)} {name}")
        elif isinstance(value, Mapping):
            parts.append(f"{len(value)} {name}")
        else:
            parts.append(f"{name} {value}")
    return ", ".join(parts)


def _number(value: Any) -> int:
    return value if isinstance(value, int) else len(value)


# Reports -----------------------------------------------------------------------------------------------------------


def report(journal: Journal, row: RunRow, plan: Plan, answer: Answer) -> dict[str, Any]:
    """All of a repair as one JSON object; docs/repair.md says what each field means."""
    from clew.graphs.agentless.lookups import lookups

    args = (row.recipe or {}).get("args") or {}
    return {
        "run": row.id,
        "status": answer.status,
        "stop_reason": answer.stop_reason,
        "issue": row.task.get("prompt", ""),
        "repo": plan.repo,
        "commit": plan.commit,
        "proposer": plan.proposer,
        "model": args.get("model"),
        "sandbox": args.get("sandbox"),
        "image": args.get("image"),
        "environment": list(plan.notes),
        "patch": answer.text,
        **answer.artifacts.get("repair", {}),
        "stages": stages(journal, row.id),
        "lookups": [asdict(each) for each in lookups(journal, row.id, project=plan.project, tag=plan.workspace.tag)],
        "cost": history.spent(journal, row.id).to_json(),
    }


def stages(journal: Journal, run: str) -> list[dict[str, Any]]:
    """What each stage noted, in order, with `cost`: tokens and US dollars of the calls since the note before, and
    `at`, the run's active seconds."""
    found: list[dict[str, Any]] = []
    cost = Cost()
    for event in journal.events(run):
        if event.state != "note":
            cost += event.cost
        elif event.kind == STAGE and isinstance(event.request, dict):
            found.append({**event.request, "at": round(event.at, 3), "cost": {"tokens": cost.tokens, "usd": cost.usd}})
            cost = Cost()
    return found


def markdown(found: Mapping[str, Any]) -> str:
    """The report for people."""
    issue = str(found["issue"]).strip()
    lines = [f"# Repair {found['run']}", "", f"**{verdict(found)}**", ""]
    facts = {
        "Repository": found["repo"],
        "Commit": found["commit"] or "the work tree, with changes that are not committed",
        "Patches by": found["model"] if found["proposer"] == "model" else "templates (`mutate`)",
        "Tests in": " ".join(str(part) for part in (found["sandbox"], found["image"]) if part) or "no sandbox",
        "Cost": _cost_words(found["cost"]),
    }
    lines += [f"- {name}: {value}" for name, value in facts.items()]
    lines += [f"- {note}" for note in found["environment"]]
    lines += [f"- Note: {in_words(flag)}" for flag in _telling(found)]
    if found["lookups"]:
        first = found["lookups"][0]
        lines.append(
            f"- Look: {len(found['lookups'])} places may be look-ups of the fix, the first in event {first['event']}"
        )
    lines += ["", "## Issue", "", *(f"> {line}".rstrip() for line in issue.split("\n")[:200])]
    if found["patch"]:
        fence = "`" * (3 + max((len(run) for run in _ticks(found["patch"])), default=0))
        lines += ["", "## Patch", "", f"{fence}diff", found["patch"].rstrip("\n"), fence]
    lines += ["", "## Stages", "", *_stage_rows(found["stages"])]
    lines += ["", "## Candidates", "", *_candidate_rows(found)]
    return "\n".join(lines) + "\n"


def verdict(found: Mapping[str, Any]) -> str:
    """How it ended, in one sentence."""
    if found["status"] == "ok":
        return f"A patch was found, and it passes the tests{_reservations(found)}."
    # The class name of an error is for programs.
    reason = in_words(re.sub(r"^[A-Z]\w+: ", "", found["stop_reason"]))
    if found["status"] == "budget":
        best = "the patch is the best so far" if found["patch"] else "there is no patch yet"
        return f"The limit on {reason} was reached; {best}."
    if found["status"] == "error" or (found.get("ended") and found["ended"][0] == "error"):
        return f"It ended early ({reason})" + ("; the patch is the best so far." if found["patch"] else ".")
    return f"A patch was found, but {reason}." if found["patch"] else f"No patch was found: {why_none(found)}."


def _reservations(found: Mapping[str, Any]) -> str:
    """What `passes the tests` does not say."""
    targets = len((found.get("tests") or {}).get("targets") or ())
    mended = next((each["fixed"] for each in found.get("candidates") or () if each["id"] == found["chosen"]), targets)
    return (f"; of {targets} that failed before it mends {mended}" if mended < targets else "") + (
        "; those that the model said a right fix breaks fail" if "excused_failures" in found.get("flags", []) else ""
    )


def why_none(found: Mapping[str, Any]) -> str:
    """Why there is no patch: the first flag that explains it, else why the candidates were refused, else the stop
    reason."""
    flags = found.get("flags", [])
    first = [flag for flag in ("no_tests", "unknown_targets") if flag in flags]
    telling = [*first, *(flag for flag in flags if flag.startswith("mutate_")), found["stop_reason"]][0]
    tests = (found.get("tests") or {}).get("why", "")
    refused = [each["reason"] for each in found.get("candidates") or () if each.get("reason")]
    if telling == "no_candidate" and refused:
        return f"no candidate can be used; of {len(refused)} that were refused the first: {refused[0].splitlines()[0]}"
    return f"{in_words(telling)} ({tests})" if telling == "no_tests" and tests else in_words(telling)


def _stage_rows(stages: Iterable[Mapping[str, Any]]) -> list[str]:
    rows = ["| at | stage | found | tokens | $ |", "|---:|---|---|---:|---:|"]
    for each in stages:
        name, _, text = said(_noted(each)).partition(": ")
        usd = each["cost"]["usd"]
        money = "?" if usd is None else f"{usd:.4f}" if usd else ""
        rows.append(f"| {each['at']:.1f} s | {name} | {_cell(text)} | {each['cost']['tokens'] or ''} | {money} |")
    return rows


def _candidate_rows(found: Mapping[str, Any]) -> list[str]:
    candidates = found.get("candidates") or []
    if not candidates:
        return ["None."]
    rows = ["| id | votes | regression | mended | reproduction | why |", "|---|---:|---|---:|---|---|"]
    reasons = found.get("reasons") or {}
    for each in candidates:
        counts = each.get("regression")
        tests = "–" if counts is None else f"{counts['passed']} pass, {counts['failed'] + counts['error']} fail"
        id = f"**{each['id']}**" if each["id"] == found.get("chosen") else each["id"]
        why = _cell(reasons.get(each["id"]) or each.get("reason") or "")
        rows.append(
            f"| {id} | {each['votes']} | {tests} | {each.get('fixed', 0)} | {each.get('reproduction') or '–'} | {why} |"
        )
    return rows


def _telling(found: Mapping[str, Any]) -> list[str]:
    """The flags, without `repro_skipped` where it is always so, no model writing tests, and where another says why."""
    flags = found.get("flags", [])
    known = found["proposer"] == "mutate" or any(flag.startswith("reproduction_") for flag in flags)
    return [flag for flag in flags if not (known and flag == "repro_skipped")]


def _noted(stage: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in stage.items() if name not in ("at", "cost")}


def _cost_words(cost: Mapping[str, Any]) -> str:
    usd = cost["usd"]
    money = "of unknown price" if usd is None else f"${usd:.4f}"
    return f"{cost['tokens']:,} tokens ({money}) in {cost['model_calls']} model calls, {cost['seconds']:.0f} s"


def _cell(text: str) -> str:
    text = " ".join(text.split()).replace("|", "\\|").replace("<", "&lt;")
    return text if len(text) <= 300 else text[:299] + "…"


def _ticks(text: str) -> list[str]:
    return re.findall("`{3,}", text)
