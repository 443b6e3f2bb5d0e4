"""What a program costs in the sandbox, beside what else could run it.

    python benchmarks/sandbox.py [--rounds 40] [--parallel 1 8] [--image NAME]

One run, the same small program, clients in turn. Floors and peers: `docker run --rm`, `docker exec python3` in a
container that waits, a subprocess of the host, and a bare REPL (a loop of exec over a pipe) that stays in a container.
"""

from __future__ import annotations

import argparse
import asyncio
import itertools
import json
import statistics
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager

from clew.sandbox import DEFAULT_IMAGE, Box, Engine, Host, Limits, session

PROGRAM = "print(sum(n * n for n in range(100)))"
EXPECTED = "328350\n"
REPL = """
import contextlib, io, json, sys
names = {}
for line in sys.stdin:
    out = io.StringIO()
    with contextlib.redirect_stdout(out):
        exec(json.loads(line), names)
    print(json.dumps(out.getvalue()), flush=True)
"""
ISOLATED = ["--network", "none", "--read-only", "--cap-drop", "ALL", "--user", "65534"]

One = Callable[[], Awaitable[str]]


async def words(*argv: str) -> str:
    child = await asyncio.create_subprocess_exec(*argv, stdout=subprocess.PIPE)
    return (await child.communicate())[0].decode()


async def measured(one: One, rounds: int, parallel: int) -> list[float]:
    """Milliseconds of each of `rounds` calls, `parallel` at once."""
    left, times = itertools.count(), []

    async def worker() -> None:
        while next(left) < rounds:
            begun = time.perf_counter()
            said = await one()
            times.append((time.perf_counter() - begun) * 1000)
            assert said == EXPECTED, said

    await asyncio.gather(*(worker() for _ in range(parallel)))
    return times


@asynccontextmanager
async def repl_in_container(image: str) -> AsyncIterator[One]:
    command = ["docker", "run", "-i", "--rm", *ISOLATED, image, "python3", "-c", REPL]
    child = await asyncio.create_subprocess_exec(*command, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    assert child.stdin is not None and child.stdout is not None

    async def one() -> str:
        child.stdin.write(json.dumps(PROGRAM).encode() + b"\n")
        return str(json.loads(await child.stdout.readline()))

    yield one
    child.stdin.close()
    await child.wait()


@asynccontextmanager
async def notebook_in(box: Box) -> AsyncIterator[One]:
    async with session(box) as notebook:

        async def one() -> str:
            return (await notebook.run(PROGRAM)).stdout

        yield one


def in_turn(clients: list[One]) -> One:
    """One client made of several, each of which does one thing at a time."""
    free = list(clients)

    async def one() -> str:
        client = free.pop()
        try:
            return await client()
        finally:
            free.append(client)

    return one


async def report(name: str, one: One, rounds: int, parallel: int) -> None:
    begun = time.perf_counter()
    times = sorted(await measured(one, rounds, parallel))
    rate = rounds / (time.perf_counter() - begun)
    p50, p95 = statistics.median(times), times[int(len(times) * 0.95)]
    print(f"{name:38}{parallel:8}{p50:10.2f}{p95:10.2f}{rate:9.1f}", flush=True)


async def main(image: str, rounds: int, levels: list[int]) -> None:
    print(f"{'':38}{'at once':>8}{'p50 ms':>10}{'p95 ms':>10}{'per s':>9}")
    async with AsyncExitStack() as stack:
        docker = await stack.enter_async_context(Box(Engine(image), Limits(), max(levels)))
        process = await stack.enter_async_context(Box(Host(), Limits(), max(levels)))
        await docker.warm()
        await process.warm()
        waiting = (await words("docker", "run", "-d", *ISOLATED, image, "sleep", "600")).strip()
        stack.push_async_callback(words, "docker", "rm", "-f", waiting)
        python = ["python3", "-c", PROGRAM]

        async def warm() -> str:
            return (await docker.run(PROGRAM)).stdout

        async def on_host() -> str:
            return (await process.run(PROGRAM)).stdout

        async def cold() -> str:
            async with Box(Engine(image), Limits(), 1) as fresh:
                return (await fresh.run(PROGRAM)).stdout

        for parallel in levels:
            async with AsyncExitStack() as inner:
                notebooks = [await inner.enter_async_context(notebook_in(docker)) for _ in range(parallel)]
                repls = [await inner.enter_async_context(repl_in_container(image)) for _ in range(parallel)]
                # Quick ones many times, after a first time that is not counted.
                for name, one in {
                    "sandbox, docker, warm run": warm,
                    "sandbox, docker, session run": in_turn(notebooks),
                    "sandbox, process, warm run": on_host,
                    "bare REPL in a container": in_turn(repls),
                    "subprocess of the host": lambda: words(sys.executable, "-c", PROGRAM),
                }.items():
                    await measured(one, parallel, parallel)
                    await report(name, one, rounds, parallel)
                for name, one in {
                    "docker exec python3": lambda: words("docker", "exec", waiting, *python),
                    "sandbox, docker, cold start and run": cold,
                    "docker run --rm": lambda: words("docker", "run", "--rm", *ISOLATED, image, *python),
                }.items():
                    await report(name, one, max(parallel, rounds // 8), parallel)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=40)
    parser.add_argument("--parallel", type=int, nargs="+", default=[1, 8])
    parser.add_argument("--image", default=DEFAULT_IMAGE)
    given = parser.parse_args()
    asyncio.run(main(given.image, given.rounds, given.parallel))
