"""What is said of a repair while it goes on."""

from __future__ import annotations

import pytest

from clew.cli.progress import StageProgress


def test_each_stage_has_a_line_of_its_own_columns(capsys: pytest.CaptureFixture[str]) -> None:
    missing = f"modules are missing: {', '.join(f'module_{n}' for n in range(12))}; name them with --requirement"
    with StageProgress() as progress:
        progress({"event": "prepared", "notes": ["3 tests", missing]})
        for data in (
            {"stage": "reproduction", "asked": 2, "tests": []},
            {"stage": "files_named", "files": ["a.py"]},
        ):
            progress({"event": "note", "kind": "stage", "data": data})
    lines = capsys.readouterr().err.splitlines()
    assert [line.split(" s  ")[1] for line in lines] == [
        "prepared      3 tests",
        f"prepared      {missing}",  # what a person can do is never cut off
        "reproduction  2 asked for, 0 judge the patch",
        "files_named   the model names a.py",
    ]


def test_the_line_tells_files_from_passages_of_the_code() -> None:
    progress = StageProgress()
    progress({"event": "index", "files": 3, "files_total": 9, "chunks": 0, "chunks_total": 0})
    assert "reading code, 3 of 9 files" in progress.text()
    progress({"event": "index", "files": 0, "files_total": 0, "chunks": 20, "chunks_total": 1200})
    assert "embedding code, 20 of 1,200 passages" in progress.text()
