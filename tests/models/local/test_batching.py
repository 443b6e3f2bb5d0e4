"""Places in the batch: taken in order, limited, and given back."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from clew.errors import ModelError
from clew.models import Model
from clew.models.local import loading
from clew.models.local.batching import Batcher
from tests.models.local.making import save

pytestmark = pytest.mark.anyio


@pytest.fixture
async def name(tmp_path: Path) -> str:
    """A model of its own, loaded, whose texts never end by themselves."""
    made = save(tmp_path / "own")
    settings = tmp_path / "own" / "generation_config.json"
    settings.write_text(settings.read_text().replace('"eos_token_id": 2', '"eos_token_id": null'))
    tokens = tmp_path / "own" / "tokenizer_config.json"
    tokens.write_text(tokens.read_text().replace('"eos_token": "<|im_end|>",', ""))
    return made


def model(name: str, **extra: Any) -> Model:
    return Model(name, temperature=0.0, max_tokens=16, extra=extra)


def batcher(name: str) -> Batcher:
    return loading.load(name.removeprefix("local/")).batcher


async def until(condition: Callable[[], bool]) -> None:
    for _ in range(6000):
        if condition():
            return
        await asyncio.sleep(0.005)
    raise AssertionError("it never came to that")


async def test_requests_share_a_batch_up_to_the_limit(name: str) -> None:
    await asyncio.gather(*(model(name, batch_rows=3).chat(f"Why {n}?", max_tokens=60) for n in range(9)))
    assert batcher(name).most_rows == 3
    await asyncio.gather(*(model(name, batch_tokens=250).chat(f"Why {n}?", max_tokens=60) for n in range(9)))
    assert batcher(name).most_rows == 3
    await asyncio.gather(*(model(name).chat(f"Why {n}?", max_tokens=60) for n in range(9)))
    assert batcher(name).most_rows > 3


async def test_a_request_larger_than_the_limit_runs_alone(name: str) -> None:
    reply = await model(name, batch_tokens=1).chat("Why?")
    assert reply.usage.output == 16


async def test_a_cancelled_request_frees_its_place(name: str) -> None:
    door = model(name, batch_rows=1)
    whole = await door.chat("Why?")
    long = asyncio.create_task(door.chat("On and on?", max_tokens=1000))
    await until(lambda: batcher(name).rows == 1)
    waiting = asyncio.create_task(door.chat("Never?", max_tokens=1000))
    next_one = asyncio.create_task(door.chat("Why?"))
    await asyncio.sleep(0.05)
    waiting.cancel()
    long.cancel()
    assert (await next_one).text == whole.text
    results = await asyncio.gather(long, waiting, return_exceptions=True)
    assert all(isinstance(result, asyncio.CancelledError) for result in results)
    await until(lambda: batcher(name).rows == 0)


async def test_those_who_stay_are_not_disturbed_by_those_who_leave(name: str) -> None:
    door = model(name)
    asked = [f"Question {n}? " + "Well? " * (n % 5) for n in range(8)]
    alone = [(await door.chat(question, max_tokens=60)).token_ids for question in asked]
    others = [asyncio.create_task(door.chat(f"{n} " * 30, max_tokens=900)) for n in range(4)]
    await until(lambda: batcher(name).rows >= 4)
    staying = [asyncio.create_task(door.chat(question, max_tokens=60)) for question in asked]
    for other in others:
        await asyncio.sleep(0.01)
        other.cancel()
    assert [(await task).token_ids for task in staying] == alone


async def test_a_failing_step_fails_its_requests_and_no_later_one(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    door = model(name)
    before = await door.chat("Why?")
    forward = batcher(name)._forward
    # What a device that is out of memory does; a CPU does it too late to be asked for it here.
    monkeypatch.setattr(type(forward), "__call__", lambda *_: (_ for _ in ()).throw(MemoryError("no room")))
    with pytest.raises(ModelError, match="MemoryError: no room; lower batch_tokens"):
        await door.chat("Why?")
    with pytest.raises(ModelError, match="MemoryError"):
        await door.logprob("Why?", " so")
    monkeypatch.undo()
    assert (await door.chat("Why?")).text == before.text
