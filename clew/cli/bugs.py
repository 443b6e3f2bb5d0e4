"""`clew bugs`: repair tasks out of any repository with tests, and grades for what repaired them."""

from __future__ import annotations

import contextlib
import re
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from clew.cli import options, words
from clew.cli.progress import Line
from clew.cli.running import warnings_as_lines

if TYPE_CHECKING:
    from clew.agents.bug_grades import Grade
    from clew.agents.bugs import Family
    from clew.config import Settings

app = typer.Typer(
    help="""Make repair tasks from a repository, and grade patches.

    Example: clew bugs make --repo . -n 50 --out bugs.jsonl
    """,
    no_args_is_help=True,
    rich_markup_mode=None,
)

Parallel = Annotated[int, typer.Option("-j", "--parallel", min=1, metavar="N", help="Bugs at a time.")]


@app.command()
def make(
    out: Annotated[str, typer.Option("--out", metavar="FILE", help="The instances.", show_default=False)],
    repo: options.Repo = ".",
    count: Annotated[int, typer.Option("-n", min=1, metavar="N", help="Bugs.")] = 50,
    commit: Annotated[str, typer.Option("--commit", metavar="NAME", help="Commit that bugs are put in.")] = "HEAD",
    kinds: Annotated[
        str, typer.Option("--kinds", metavar="LIST", help="Of known, other and history, with commas.")
    ] = "known,other",
    seed: Annotated[int, typer.Option("--seed", metavar="N", help="Another seed draws other bugs.")] = 0,
    parallel: Parallel = 2,
    test_cmd: options.TestCmd = None,
    setup: options.Setup = None,
    requirement: options.Requirement = None,
    sandbox: options.Sandbox = None,
    image: options.Image = None,
    as_json: options.Json = False,
) -> None:  # fmt: skip
    """Put small bugs into a repository, each seen to fail a test.

    Writes instances in SWE-bench's format to --out, and the broken files to a bare repository beside it (FILE without
    its ending, and .repos). Of known kinds are bugs that --proposer mutate can undo; other ones it does not know;
    history undoes lines that earlier commits changed. The same command goes on with a file that has fewer bugs. Ends
    with 1 when there were not as many as asked for.

    Example: clew bugs make --repo . -n 50 --out bugs.jsonl
    """
    import asyncio

    from clew.agents.bugs import FAMILIES
    from clew.agents.repair import settled
    from clew.config import load
    from clew.errors import ConfigError

    asked = {kind.strip() for kind in kinds.split(",")}
    families = [family for family in FAMILIES if family in asked]
    if unknown := sorted(asked.difference(FAMILIES)):
        raise ConfigError(f"--kinds {unknown[0]!r} is unknown: give some of {', '.join(FAMILIES)}")
    file = options.file_to_write("--out", out)
    settings = load({"sandbox": sandbox, "image": image})
    says: dict[str, Any] = {
        "test_cmd": test_cmd, "setup": list(setup or ()), "requirements": list(options.requirements(requirement)),
    }  # fmt: skip
    with _interruptible(), Making(count) as line, warnings_as_lines(line.above):
        settings = settled(settings)
        where = Path(repo).expanduser()
        rows = asyncio.run(_made(where, commit, file, count, families, seed, parallel, settings, says, line))
    if as_json:
        for row in rows:
            words.out_json(
                {
                    **{name: row[name] for name in ("instance_id", "family", "kind", "base_commit")},
                    "fail_to_pass": len(row["FAIL_TO_PASS"]), "pass_to_pass": len(row["PASS_TO_PASS"]),
                }
            )  # fmt: skip
    else:
        tally = Counter((row["family"], row["kind"]) for row in rows)
        words.table(
            ["family", "kind", "bugs"], [[*key, str(number)] for key, number in sorted(tally.items())], right=[2]
        )
    words.say(f"{words.count(len(rows), 'bug')} in {out}")
    raise typer.Exit(0 if len(rows) >= count else 1)


async def _made(
    repo: Path,
    commit: str,
    file: Path,
    count: int,
    families: list[Family],
    seed: int,
    parallel: int,
    settings: Settings,
    says: dict[str, Any],
    line: Making,
) -> list[dict[str, Any]]:
    import asyncio

    from clew.agents.bug_grades import bench
    from clew.agents.bugs import Field, Shelf, make_bugs, named
    from clew.agents.instances import read_rows, write_rows
    from clew.graphs.agentless.repository import Workspace

    name = named(repo)
    rows = read_rows(file) if file.exists() else []
    shelf = Path(f"{re.sub(r'[.]jsonl?$', '', file.name)}.repos") / f"{name}.git"
    mine = [row for row in rows if row.get("repo") == str(shelf)]
    line.say(len(mine))
    if len(mine) >= count:
        return mine
    with tempfile.TemporaryDirectory(prefix="clew-bugs-") as folder:
        workspace = await asyncio.to_thread(Workspace.make, repo, commit, Path(folder))
        made = await bench(workspace, settings, **says)
        for text in made.notes:
            line.above(text)
        try:
            field = Field(name, repo, workspace, made.sandbox, made.suite)
            place = Shelf(file.absolute().parent / shelf)
            ids = [row["instance_id"] for row in rows]
            more = {name: value for name, value in says.items() if value}
            async for row in make_bugs(
                field, place, str(shelf), count - len(mine), families, seed=seed, at_once=parallel, known=ids
            ):
                rows.append({**row, **more, **({"image": settings.image} if settings.image else {})})
                mine.append(rows[-1])
                write_rows(file, rows)
                line.say(len(mine))
                line.above(f"{len(mine):>4} of {count}  {row['instance_id']}: {words.clip(_title(row), 100)}")
        finally:
            await made.sandbox.close()
    return mine


def _title(row: dict[str, Any]) -> str:
    return str(row["problem_statement"]).partition("\n")[0]


@app.command()
def grade(
    instances: Annotated[str, typer.Option("--instances", metavar="FILE", help="The tasks.", show_default=False)],
    preds: Annotated[
        str, typer.Option("--preds", metavar="FILE", help="The predictions, or gold.", show_default=False)
    ],
    out: Annotated[
        str | None, typer.Option("--out", metavar="FILE", help="Keep the grades, and go on with them.",
                                 show_default=False)
    ] = None,
    repos: options.Repos = None,
    parallel: Parallel = 2,
    sandbox: options.Sandbox = None,
    image: options.Image = None,
    as_json: options.Json = False,
) -> None:  # fmt: skip
    """Run the tests of repaired instances.

    An instance is resolved when all its tests in FAIL_TO_PASS and PASS_TO_PASS pass with the patch; one without a
    prediction is not. --preds gold grades the instances' own patches. Ends with 0 when all could be graded, with 1 when
    none is resolved, with 5 when a patch does not apply or its tests do not end.

    Example: clew bugs grade --instances bugs.jsonl --preds preds.jsonl --out grades.jsonl
    """
    import asyncio

    from clew.agents.bug_grades import Grade, grade_all
    from clew.agents.instances import read_instances, read_predictions, read_rows, write_rows
    from clew.agents.repair import settled
    from clew.config import load
    from clew.errors import ConfigError

    folder = options.folder_of_repositories(repos)
    target = None if out is None else options.file_to_write("--out", out)
    file = Path(instances).expanduser()
    read_instances(file)
    rows = read_rows(file)
    if preds == "gold":
        patches = {str(row["instance_id"]): str(row.get("patch") or "") for row in rows}
    else:
        patches = read_predictions(Path(preds).expanduser())
    if others := sorted(patches.keys() - {row["instance_id"] for row in rows}):
        if len(others) == len(patches):
            raise ConfigError(f"{preds!r} is about none of these instances, but about {others[0]!r}: give their own")
        words.say(f"clew: {words.count(len(others), 'prediction')} of other instances left out, {others[0]!r} first")
    grades: dict[str, Grade] = {}
    if target is not None and target.exists():
        grades = {row["instance_id"]: Grade.of(row) for row in read_rows(target)}
    settings = load({"sandbox": sandbox, "image": image})
    with _interruptible(), Making(len(rows)) as line, warnings_as_lines(line.above):

        def told(found: Grade) -> None:
            grades[found.instance_id] = found
            if target is not None:
                write_rows(target, [each.to_row() for each in grades.values()])
            line.say(line.done + 1)
            why = f": {words.clip(found.why, 120)}" if found.why else ""
            line.above(f"{line.done:>4} of {len(rows)}  {found.instance_id}: {found.status}{why}")

        done = asyncio.run(
            grade_all(
                rows, patches, settled(settings), beside=file.absolute().parent, repos=folder, known=dict(grades),
                parallel=parallel, told=told,
            )
        )  # fmt: skip
    if target is not None:
        write_rows(target, [each.to_row() for each in done])
    _show(done, as_json)
    counts = Counter(each.status for each in done)
    raise typer.Exit(5 if counts["error"] else 0 if counts["resolved"] else 1)


def _show(done: list[Grade], as_json: bool) -> None:
    resolved = sum(each.status == "resolved" for each in done)
    rate = resolved / len(done)
    if as_json:
        for each in done:
            words.out_json(each.to_row())
        return
    tally = Counter((each.family or "-", each.status) for each in done)
    families = sorted({family for family, _ in tally})
    rows = [
        [family, *(str(tally[family, status]) for status in ("resolved", "failed", "error"))] for family in families
    ]
    words.table(["family", "resolved", "failed", "error"], rows, right=[1, 2, 3])
    words.out(f"{resolved} of {len(done)} resolved, {rate:.0%}")


class Making(Line):
    """How far it is."""

    def __init__(self, count: int) -> None:
        super().__init__()
        self.count, self.done = count, 0
        self._begun = time.monotonic()

    def say(self, done: int) -> None:
        self.done = done

    def text(self) -> str:
        return f"{self.done} of {self.count} · {words.duration(time.monotonic() - self._begun)}"


@contextlib.contextmanager
def _interruptible() -> Iterator[None]:
    try:
        yield
    except KeyboardInterrupt:
        words.say("clew: interrupted; what is written is kept, the same command goes on where it was")
        raise typer.Exit(130) from None
    except ExceptionGroup as group:
        raise group.exceptions[0] from None
