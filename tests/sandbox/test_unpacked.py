"""Wheels as an enemy would make them, unpacked on the host."""

from __future__ import annotations

import os
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from clew.errors import WheelsMissing
from clew.sandbox import unpacked
from clew.sandbox.unpacked import unpack
from clew.sandbox.wheels import Wheel
from tests.sandbox.wheel_files import wheel


def test_modules_data_and_scripts_go_where_they_belong(tmp_path: Path) -> None:
    made = wheel(
        tmp_path, "one", "1.0",
        {
            "package/__init__.py": "", "package/data.bin": b"\0\1", "one-1.0.data/platlib/fast.py": "F = 1\n",
            "one-1.0.data/scripts/say": "#!python\nprint('said')\n", "one-1.0.data/headers/a.h": "",
            "main.py": "def run():\n    print('ran')\n    return 3\n", "bin/evil": "", "note.pth": "import os\n",
        },
        entry_points="[console_scripts]\nrun-it = main:run\n../../out = main:run\nbad = main:run(); print\n",
    )  # fmt: skip
    unpack([made], tmp_path / "out")
    found = {path.relative_to(tmp_path / "out").as_posix() for path in (tmp_path / "out").rglob("*") if path.is_file()}
    assert {"one.py", "package/__init__.py", "package/data.bin", "fast.py", "bin/say", "bin/run-it"} <= found
    assert "bin/evil" not in found and "a.h" not in found and not (tmp_path / "out" / "bin" / "bad").exists()
    path = os.pathsep.join([os.path.dirname(sys.executable), os.environ["PATH"]])
    environment = {"PATH": path, "PYTHONPATH": str(tmp_path / "out")}
    for script, code, said in (("run-it", 3, "ran"), ("say", 0, "said")):
        done = subprocess.run(
            [tmp_path / "out" / "bin" / script], env=environment, capture_output=True, text=True, check=False
        )
        assert (done.returncode, done.stdout.strip()) == (code, said), done.stderr


@pytest.mark.parametrize(
    "name", ["../out.py", "/etc/out.py", "a/../../out.py", "one-1.0.data/scripts/../../../out.py", "a\\..\\b"]
)
def test_no_name_leads_outside(name: str, tmp_path: Path) -> None:
    made = wheel(tmp_path / "in", "one", "1.0", {name: "x"})
    with pytest.raises(WheelsMissing, match="leads outside"):
        unpack([made], tmp_path / "in" / "deep" / "out")
    assert not list(tmp_path.rglob("out.py"))


def test_a_link_is_a_file(tmp_path: Path) -> None:
    info = zipfile.ZipInfo("link")
    info.external_attr = 0o120777 << 16
    made = wheel(tmp_path, "one", "1.0")
    with zipfile.ZipFile(made, "a") as archive:
        archive.writestr(info, "/etc/passwd")
    unpack([made], tmp_path / "out")
    assert not (tmp_path / "out" / "link").is_symlink() and (tmp_path / "out" / "link").read_text() == "/etc/passwd"


def test_what_is_too_big_or_broken_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    made = wheel(tmp_path, "one", "1.0", {"big": b"\0" * 5000})
    monkeypatch.setattr(unpacked, "LARGEST", 1000)
    with pytest.raises(WheelsMissing, match="more than"):
        unpack([made], tmp_path / "a")
    monkeypatch.undo()
    monkeypatch.setattr(unpacked, "MOST_FILES", 3)
    with pytest.raises(WheelsMissing, match="more than"):
        unpack([made], tmp_path / "b")
    monkeypatch.undo()
    broken = tmp_path / "two-1.0-py3-none-any.whl"
    broken.write_bytes(made.read_bytes()[:200])
    with pytest.raises(WheelsMissing, match="cannot be unpacked"):
        unpack([broken], tmp_path / "c")


@pytest.mark.parametrize("how", [zipfile.ZIP_DEFLATED, zipfile.ZIP_LZMA, zipfile.ZIP_BZIP2])
def test_data_that_cannot_be_unpacked_is_told(how: int, tmp_path: Path) -> None:
    text = os.urandom(400).hex()
    for name, place in (("one", "package/data.txt"), ("two", "two-1.0.dist-info/METADATA")):
        made = tmp_path / f"{name}-1.0-py3-none-any.whl"
        with zipfile.ZipFile(made, "w", how) as archive:
            archive.writestr(place, text)
            start = archive.infolist()[0].header_offset + 30 + len(place)
        data = bytearray(made.read_bytes())
        data[start + 9 : start + 200] = b"\xff" * 191
        made.write_bytes(data)
        with pytest.raises(WheelsMissing, match="cannot be unpacked"):
            unpack([made], tmp_path / "out")
    with pytest.raises(WheelsMissing, match="cannot be read"):
        Wheel.read(made).requires()
