"""Runs a repository's tests in the sandbox and packs all that they reported into one file.

It reads its orders from standard input, so that neither the command line nor a file of the working directory holds
them, and moves its own folder out of the working directory before anything of the repository runs.
"""

from __future__ import annotations

import glob
import json
import os
import shutil
import subprocess
import sys
import tempfile
from typing import Any

RESULT = "result.json"
_SETUP_FAILED = 125


def main() -> int:
    """`orders` on standard input, a JSON object:

    setup        commands (lists of words) to run before
    argv         the tests' command; `{report}` in a word is where a JUnit report is to be written
    reports      patterns of JUnit files that the command writes by itself, below the working directory
    environment  variables to add
    python_path  folders of the working directory, those that exist are put on PYTHONPATH
    room         bytes of reports to bring back
    watch        orders for the pytest plugin `clew_watch`, passed on through the command's standard input
    """
    orders = json.load(sys.stdin)
    here = os.path.relpath(os.path.dirname(os.path.abspath(__file__)))
    own = os.path.join(tempfile.mkdtemp(), "watch")
    shutil.move(here, own)
    report = os.path.join(own, "report.xml")
    environment = {**os.environ, **orders["environment"]}
    folders = [own, *(os.path.abspath(name) for name in orders["python_path"] if os.path.isdir(name))]
    environment["PYTHONPATH"] = os.pathsep.join([*folders, *filter(None, [environment.get("PYTHONPATH")])])
    result: dict[str, Any] = {"failed": "", "reports": {}, "watch": ""}
    for command in orders["setup"]:
        code, why = _run(command, environment, b"")
        if code:
            why = why or f"{' '.join(command)!r} ended with exit code {code}"
            result["failed"] = f"the setup failed: {why}"
            break
    if result["failed"]:
        code = _SETUP_FAILED
    else:
        for name in _found(orders["reports"]):
            os.unlink(name)  # a report that lies in the repository is not one of this run
        watch = {**orders["watch"], "folder": own, "root": os.getcwd()}
        argv = [word.replace("{report}", report) for word in orders["argv"]]
        code, result["failed"] = _run(argv, environment, json.dumps(watch).encode())
        result["reports"] = _texts([report, *_found(orders["reports"])], orders["room"])
        result["watch"] = _text(os.path.join(own, "watch.json"), orders["room"])
    result["exit"] = code
    os.makedirs(here, exist_ok=True)
    with open(os.path.join(here, RESULT), "w", encoding="utf-8") as file:
        json.dump(result, file)
    return code


def _run(argv: list[str], environment: dict[str, str], stdin: bytes) -> tuple[int, str]:
    """The exit code, as a shell gives it (128 and the signal for a command that was killed), and why the command could
    not be started, "" when it could."""
    try:
        code = subprocess.run(argv, env=environment, input=stdin).returncode
    except OSError as error:
        code = 127 if isinstance(error, FileNotFoundError) else 126
        return code, f"{argv[0]!r} cannot be started: {error.strerror}"
    return (code if code >= 0 else 128 - code), ""


def _found(patterns: list[str]) -> list[str]:
    names = {name for pattern in patterns for name in glob.glob(pattern, recursive=True)}
    return sorted(name for name in names if os.path.isfile(name) and not os.path.islink(name))


def _texts(names: list[str], room: int) -> dict[str, str]:
    found = {}
    for name in names:
        text = _text(name, room)
        room -= len(text)
        if text:
            found[name if not os.path.isabs(name) else ""] = text
    return found


def _text(name: str, room: int) -> str:
    """A file; "" when there is none, or when it is longer than `room`."""
    try:
        with open(name, "rb") as file:
            data = file.read(room + 1)
    except OSError:
        return ""
    return data.decode("utf-8", "replace") if len(data) <= room else ""


if __name__ == "__main__":
    sys.exit(main())
