"""What a process that uses models looks like from outside."""

from __future__ import annotations

import subprocess
import sys

from clew.testing import ScriptedServer

TWO_LOOPS = """
import asyncio, sys
from clew.models import Model

async def main():
    for name in "openai/m", "hosted_vllm/m", "text-completion-openai/m":
        model = Model(name, api_base=sys.argv[1])
        replies = [await model.chat("q"), await model.chat("q", stop=["o"]), await model.extend("q", stop=["lo"])]
        print(*(reply.text for reply in replies))

asyncio.run(main())
asyncio.run(main())
"""


def test_connections_end_with_their_loop_and_nothing_is_printed() -> None:
    with ScriptedServer("hello") as server:
        command = [sys.executable, "-W", "default", "-c", TWO_LOOPS, server.url]
        done = subprocess.run(command, capture_output=True, text=True, check=True)
    chat, plain = "hello hell hello", "hello hell hello"
    assert done.stdout.splitlines() == [chat, chat, plain] * 2
    complaints = [line for line in done.stderr.splitlines() if "nclosed" in line or "never awaited" in line]
    assert complaints == []


def test_importing_models_loads_nothing_heavy_and_touches_no_network() -> None:
    code = (
        "import sys, clew.models; clew.models.Model('openai/gpt-4o').price; "
        "print([name for name in ('litellm', 'httpx', 'openai', 'aiohttp') if name in sys.modules])"
    )
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True).stdout.strip() == "[]"


def test_settings_that_litellm_reads_when_it_is_imported() -> None:
    code = (
        "import asyncio, os; from clew.models.engine import load; litellm = asyncio.run(load()); "
        "print(os.environ['LITELLM_LOCAL_MODEL_COST_MAP'], litellm.telemetry, litellm.suppress_debug_info)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "True False True" and done.stderr == ""
