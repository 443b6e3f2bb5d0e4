from __future__ import annotations

from pathlib import Path

import pytest
import torch

from tests.models.local.making import save


@pytest.fixture(scope="session")
def llama(tmp_path_factory: pytest.TempPathFactory) -> str:
    """The name of a small Llama with random weights."""
    return save(tmp_path_factory.mktemp("models") / "llama")


@pytest.fixture(scope="session", autouse=True)
def _one_thread() -> None:
    """Small models are computed fastest so, and tests run beside each other."""
    torch.set_num_threads(1)


@pytest.fixture(scope="session")
def folder(llama: str) -> Path:
    return Path(llama.removeprefix("local/"))
