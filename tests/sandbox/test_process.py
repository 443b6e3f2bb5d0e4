"""The sandbox of processes, whatever Python it starts from."""

from __future__ import annotations

import subprocess
import sys
import sysconfig
import tempfile
import venv
from pathlib import Path

import clew

PROGRAM = """
import asyncio
from clew.sandbox import Box, Host, Limits

CODE = "import own, os, subprocess, sys; print(own.NAME, os.listdir('/tmp'), flush=True)"

async def main():
    async with Box(Host(), Limits(), 1) as box:
        forked = await box.run(CODE)
        started = await box.run(f"import subprocess, sys; subprocess.run(['python3', '-c', {CODE!r}])")
        itself = await box.run(f"import subprocess, sys; subprocess.run([sys.executable, '-c', {CODE!r}])")
        print(forked.stdout + started.stdout + itself.stdout + forked.stderr, end="")

asyncio.run(main())
"""


def test_a_virtual_environment_below_tmp_is_seen_and_tmp_is_empty() -> None:
    # Not tmp_path: the folder has to lie where programs have one of their own.
    with tempfile.TemporaryDirectory(dir="/tmp") as folder:
        Path(folder).chmod(0o755)
        venv.create(folder, symlinks=True)
        packages = Path(sysconfig.get_path("purelib", "venv", {"base": folder, "platbase": folder}))
        (packages / "own").mkdir()
        (packages / "own" / "__init__.py").write_text("NAME = 'seen'\n")
        borrowed = [sysconfig.get_path("purelib"), str(Path(clew.__file__).parents[1])]
        (packages / "borrowed.pth").write_text("\n".join(borrowed))
        python = Path(folder) / "bin" / Path(sys.executable).name
        done = subprocess.run([python, "-c", PROGRAM], capture_output=True, text=True, timeout=120)
        assert done.stdout.splitlines() == ["seen []"] * 3, done
