"""Runs that are killed anywhere and run again: nothing seen changes, nothing is paid for without a trace."""

from __future__ import annotations

import asyncio
import json
import os
import random
import threading
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import clew
from clew.journal import Journal, replay
from clew.journal.attempt import inside_of
from clew.testing.kills import Aim, Killer, Seen, account, crash, die
from tests.journal.graphs import calls_of_fan_out, fan_out

RUNS, WIDTH, SAMPLES = 20, 2, 2
CALLS = RUNS * calls_of_fan_out(WIDTH, SAMPLES)


class RandomTextServer:
    """A TCP server in a thread: each line is a request, answered with new random text after a random time. The request
    is in `arrivals` before anything else is done about it."""

    def __init__(self, killer: Killer) -> None:
        self.killer = killer
        self.arrivals: Counter[str] = Counter()
        self._loop = asyncio.new_event_loop()
        self._server = self._loop.run_until_complete(asyncio.start_server(self._serve, "127.0.0.1", 0))
        self.port = self._server.sockets[0].getsockname()[1]
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)
        self._thread.start()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            request = (await reader.readline()).decode()
            if not request.endswith("\n"):
                return  # the client was killed before it had asked
            self.arrivals[request.strip()] += 1
            self.killer.arrived()
            await asyncio.sleep(random.uniform(0, 0.01))
            writer.write(os.urandom(8).hex().encode() + b"\n")
            await writer.drain()
        except ConnectionError:
            pass  # the client was killed
        finally:
            writer.close()

    def close(self) -> None:
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._server.close()
        self._loop.close()


@pytest.fixture
def server() -> Iterator[RandomTextServer]:
    server = RandomTextServer(Killer())
    yield server
    server.close()


class Place:
    """One folder with a journal, what was seen, and which nodes have had their one transient failure."""

    def __init__(self, folder: Path, port: int) -> None:
        folder.mkdir()
        self.folder, self.port = folder, port
        self.journal, self.seen = folder / "j.db", Seen(folder / "seen")

    def work(self, die_in_retry: bool) -> None:
        asyncio.run(self._work(die_in_retry))

    async def _work(self, die_in_retry: bool) -> None:
        with Journal(self.journal) as journal:
            await asyncio.gather(*[self._run(journal, f"r{i:02}", die_in_retry) for i in range(RUNS)])

    async def _run(self, journal: Journal, run: str, die_in_retry: bool) -> None:
        retried = set()

        async def ask(kind: str, request: Any) -> str:
            key, _ = inside_of.get() or ("", 0)
            reader, writer = await asyncio.open_connection("127.0.0.1", self.port)
            writer.write(f"{run} {key}\n".encode())
            text = (await reader.readline()).decode().strip()
            writer.close()
            if not text:
                raise ConnectionError("the server sent nothing")
            return text

        def flaky(who: str) -> bool:
            """Fails once for ever: the failure does not come back after a kill."""
            if who in retried:
                if die_in_retry and random.random() < 0.1:
                    (self.folder / "died").write_text("in a retry")
                    die()
                return False
            try:
                (self.folder / f"{run} {who}").touch(exist_ok=False)
            except FileExistsError:
                return False
            retried.add(who)
            return True

        graph = fan_out(ask, width=WIDTH, samples=SAMPLES, flaky=flaky)
        answer = await clew.run(graph, "t", journal=journal, run_id=run, watch=self.seen.watch(run))
        assert answer.status == "ok", answer

    def died_in_retry(self) -> bool:
        return (self.folder / "died").exists()


def aims(n: int) -> list[Aim]:
    """Half of the kills while a request is being answered, half at any moment."""
    return [
        Aim(arrivals=random.randrange(1, CALLS // n)) if i % 2 else Aim(seconds=random.uniform(0.02, 0.4))
        for i in range(n)
    ]


async def _no_server(kind: str, request: Any) -> str:
    raise AssertionError(f"a replay asked a server for {request!r}")


async def _replay_all(path: Path) -> int:
    effects = 0
    with Journal(path) as journal:
        for i in range(RUNS):
            graph = fan_out(_no_server, width=WIDTH, samples=SAMPLES)
            again = await replay(f"r{i:02}", journal=journal, graph=graph)
            assert again.same and not again.unused
            effects += again.effects
    return effects


def kill_and_check(folder: Path, server: RandomTextServer, kills: int, die_in_retry: bool) -> tuple[int, int, bool]:
    place = Place(folder, server.port)
    server.arrivals.clear()
    crashes = crash(lambda: place.work(die_in_retry), place.journal, server.killer, aims(kills))
    while crashes.kills and (more := crash(lambda: place.work(False), place.journal, server.killer, [])).kills:
        crashes.kills += more.kills
    assert not crashes.changed and not place.seen.changed()
    books = account(place.journal, server.arrivals)
    books.check()
    assert books.finished == CALLS
    assert asyncio.run(_replay_all(place.journal)) == CALLS
    return crashes.kills, crashes.in_flight, place.died_in_retry()


def kill_many(folder: Path, server: RandomTextServer, kills: int) -> None:
    done = in_flight = rounds = in_retry = 0
    while done < kills or not in_retry:
        some, flying, died = kill_and_check(folder / f"{rounds}", server, 10, die_in_retry=rounds % 2 == 0)
        done, in_flight, in_retry, rounds = done + some, in_flight + flying, in_retry + died, rounds + 1
    print(json.dumps({"kills": done, "in flight": in_flight, "in a retry": in_retry, "rounds": rounds}))
    assert in_flight >= done / 3


def test_nothing_is_lost_by_kills(tmp_path: Path, server: RandomTextServer) -> None:
    kill_many(tmp_path, server, 10)


@pytest.mark.long
def test_nothing_is_lost_by_many_kills(tmp_path: Path, server: RandomTextServer) -> None:
    kill_many(tmp_path, server, 200)


def test_the_books_notice_what_is_missing(tmp_path: Path, server: RandomTextServer) -> None:
    """The check itself can fail: a request without a record, a record without a request."""
    place = Place(tmp_path / "0", server.port)
    place.work(False)
    account(place.journal, server.arrivals).check()
    some = next(iter(server.arrivals))
    for change in (1, -1):
        with pytest.raises(AssertionError, match=r"requests arrived for 1 outcomes and 0 unknowns"):
            account(place.journal, server.arrivals + Counter({some: change})).check()
