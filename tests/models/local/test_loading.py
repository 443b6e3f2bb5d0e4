"""From a folder to a model: once, and with clear words when it is none."""

from __future__ import annotations

import asyncio
import json
import shutil
from pathlib import Path

import pytest
import torch

from clew.errors import ClewError, ModelNotFound, Unsupported
from clew.models import Model
from clew.models.local import loading

pytestmark = pytest.mark.anyio


@pytest.fixture
def copy(folder: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(folder, tmp_path / "copy"))


async def refused(folder: Path) -> ClewError:
    with pytest.raises(ClewError) as caught:
        await Model(f"local/{folder}", max_tokens=4).chat("Why?")
    return caught.value


async def test_a_model_is_loaded_once(copy: Path) -> None:
    door = Model(f"local/{copy}", max_tokens=4)
    assert not loading.is_loaded(str(copy))
    await asyncio.gather(*(door.chat(f"Why {n}?") for n in range(6)))
    first = loading.load(str(copy))
    assert loading.load(str(copy / ".." / "copy")) is first


async def test_no_folder(tmp_path: Path) -> None:
    error = await refused(tmp_path / "nothing")
    assert isinstance(error, ModelNotFound) and "there is no folder" in str(error)


async def test_an_empty_folder(tmp_path: Path) -> None:
    error = await refused(tmp_path)
    assert isinstance(error, ModelNotFound) and "config.json" in str(error)


async def test_a_failure_can_be_repaired(copy: Path) -> None:
    (copy / "model.safetensors").rename(copy / "moved")
    error = await refused(copy)
    assert isinstance(error, ModelNotFound) and "no *.safetensors" in str(error)
    (copy / "moved").rename(copy / "model.safetensors")
    assert (await Model(f"local/{copy}", max_tokens=4).chat("Why?")).usage.output == 4


async def test_pickles_are_refused(copy: Path) -> None:
    (copy / "model.safetensors").unlink()
    torch.save({}, copy / "pytorch_model.bin")
    error = await refused(copy)
    assert isinstance(error, Unsupported) and "pickles" in str(error)


async def test_no_tokenizer(copy: Path) -> None:
    for file in copy.glob("*token*"):
        file.unlink()
    error = await refused(copy)
    assert isinstance(error, ModelNotFound) and "no tokenizer" in str(error)


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"architectures": ["LlamaForSequenceClassification"]}, "is a LlamaForSequenceClassification"),
        ({"architectures": ["BertModel"], "model_type": "bert"}, "is a BertModel"),
        ({"num_hidden_layers": 3}, "lacks 9 weights"),
        (
            {"model_type": "own", "auto_map": {"AutoConfig": "own.C", "AutoModelForCausalLM": "own.M"}},
            "code of its own, which is never run",
        ),
    ],
)
async def test_folders_that_hold_something_else(copy: Path, change: dict[str, object], says: str) -> None:
    config = json.loads((copy / "config.json").read_text())
    (copy / "own.py").write_text(f"open({str(copy / 'was run')!r}, 'w')")
    (copy / "config.json").write_text(json.dumps({**config, **change}))
    error = await refused(copy)
    assert isinstance(error, Unsupported) and says in str(error)
    assert not (copy / "was run").exists()
