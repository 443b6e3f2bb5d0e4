"""Help that teaches, and that loads nothing heavy."""

from __future__ import annotations

import subprocess
import sys

import pytest

from .conftest import ROOT, Clew

COMMANDS = ["index", "search", "ask", "solve", "repair", "bugs", "runs", "show", "resume", "replay", "fork", "import",
            "eval", "labyrinth", "memory", "run", "sandbox", "doctor"]  # fmt: skip
HEAVY = ["torch", "litellm", "transformers", "sentence_transformers", "qdrant_client", "qdrant_edge", "docker",
         "langgraph", "pydantic", "rich.console", "bs4", "numpy", "asyncio"]  # fmt: skip


def test_help_lists_every_command_and_the_exit_codes(clew: Clew) -> None:
    result = clew("--help")
    assert result.code == 0 and result.err == ""
    listed = [line.split()[0] for line in result.out.splitlines() if line.startswith("  ") and line.split()]
    assert [command for command in COMMANDS if command not in listed] == []
    for code in ("0 ok", "2 usage", "3 journal", "4 budget", "130 interrupted"):
        assert code in " ".join(result.out.split())


@pytest.mark.parametrize("command", COMMANDS)
def test_each_command_has_a_summary_and_an_example(clew: Clew, command: str) -> None:
    result = clew(command, "--help")
    assert result.code == 0
    assert f"Example: clew {'show' if command == 'import' else command}" in " ".join(result.out.split())
    summary = next(line for line in clew("--help").out.splitlines() if line.split()[:1] == [command])
    assert not summary.endswith("...")


def test_help_loads_nothing_heavy() -> None:
    code = (
        "import sys; from clew.cli import main; main(['--help']);"
        f"print(sorted(set({HEAVY!r}) & set(sys.modules)), file=sys.stderr)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=ROOT)
    assert done.stderr == "[]\n" and done.returncode == 0


def test_without_arguments_there_is_help(clew: Clew) -> None:
    result = clew()
    assert "Commands:" in result.out + result.err


def test_an_unknown_command_or_option_is_a_usage_error(clew: Clew) -> None:
    assert clew("aks").code == 2
    assert clew("ask", "q", "--modle", "x").code == 2
