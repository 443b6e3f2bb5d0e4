"""A folder of Hugging Face becomes a model and a tokenizer: once per process, without running code from the folder."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from logging import CRITICAL
from pathlib import Path
from typing import Any

import torch

from clew.errors import ClewError, ConfigError, ModelError, ModelNotFound, Unsupported
from clew.models.local.batch import Forward
from clew.models.local.batching import Batcher
from clew.models.local.sampling import Sampling

DTYPES = {"float32": torch.float32, "bfloat16": torch.bfloat16, "float16": torch.float16}


@dataclass(frozen=True, slots=True)
class Loaded:
    """A model in memory. `context` is the most tokens that it can hold, None = no limit; `ends` are the tokens that end
    a text; `usual` is how its makers sample from it."""

    name: str
    tokenizer: Any
    batcher: Batcher
    context: int | None
    ends: frozenset[int]
    usual: Sampling

    def decode(self, ids: Sequence[int]) -> str:
        """Text of tokens, special ones included and nothing tidied: what encodes to the same tokens again."""
        return self._decoder(ids) if ids else ""

    @property
    def _decoder(self) -> Callable[[Sequence[int]], str]:
        backend = getattr(self.tokenizer, "backend_tokenizer", None)
        if backend is not None:
            return lambda ids: str(backend.decode(ids, skip_special_tokens=False))
        return lambda ids: str(self.tokenizer.decode(ids, clean_up_tokenization_spaces=False))


_loaded: dict[tuple[str, str, str], Loaded] = {}
_locks: dict[tuple[str, str, str], threading.Lock] = {}
_guard = threading.Lock()


def load(name: str, device: str | None = None, dtype: str | None = None) -> Loaded:
    """The model in the folder `name`, or of that name on the hub (from its cache, or downloaded); blocks while it is
    loaded for the first time, and a failure is tried again by the next call.

    Args:
        device: as torch names it; default: "cuda" where there is one, else "cpu".
        dtype: float32, bfloat16 or float16; default: float32 on a CPU, elsewhere that of the weights.

    Raises `ModelNotFound` (no such folder, no tokenizer), `Unsupported` (not a causal language model, no safetensors,
    code of its own) and `ConfigError` (device, dtype).
    """
    place = _device(device)
    kind = dtype or ("float32" if place == "cpu" else "auto")
    if kind not in (*DTYPES, "auto"):
        raise ConfigError(f"dtype={dtype!r} is unknown: give one of {', '.join(DTYPES)}")
    folder = Path(name).expanduser()
    key = (str(folder.resolve()) if folder.is_dir() else name, place, kind)
    found = _loaded.get(key)
    if found is not None:
        return found
    with _guard:
        lock = _locks.setdefault(key, threading.Lock())
    with lock:
        if key not in _loaded:
            _loaded[key] = _load(name, *key)
        return _loaded[key]


def is_loaded(name: str) -> bool:
    """Whether the model at `name` is in memory, on whatever device."""
    return any(loaded.name == name for loaded in list(_loaded.values()))


def _device(device: str | None) -> str:
    if device is None:
        return "cuda" if torch.cuda.is_available() else "cpu"
    try:
        torch.empty(0, device=device)
    except (RuntimeError, AssertionError) as error:
        said = str(error).partition("\n")[0]
        raise ConfigError(f"device={device!r} cannot be used ({said}): give 'cpu' or 'cuda'") from None
    return device


def _load(name: str, source: str, device: str, dtype: str) -> Loaded:
    config = _config(name, source)
    _check_weights(name, Path(source))
    tokenizer = _tokenizer(name, source)
    model = _model(name, source, device, DTYPES.get(dtype, "auto"))
    usual = model.generation_config
    text = config.get_text_config(decoder=True)
    context = getattr(text, "max_position_embeddings", None)
    return Loaded(
        name=name,
        tokenizer=tokenizer,
        batcher=Batcher(name, Forward(model)),
        context=context if isinstance(context, int) and context > 0 else None,
        ends=_ends(usual.eos_token_id, tokenizer.eos_token_id),
        usual=Sampling(
            temperature=1.0 if usual.temperature is None else float(usual.temperature),
            top_p=1.0 if usual.top_p is None else float(usual.top_p),
            top_k=int(usual.top_k or 0) if usual.do_sample else 0,
        ),
    )


def _ends(*given: int | Sequence[int] | None) -> frozenset[int]:
    ends: set[int] = set()
    for ids in given:
        ends |= {ids} if isinstance(ids, int) else set(ids or ())
    return frozenset(ends)


def _config(name: str, source: str) -> Any:
    from transformers import AutoConfig
    from transformers.models.auto.modeling_auto import MODEL_FOR_CAUSAL_LM_MAPPING_NAMES

    folder = Path(source)
    if not folder.is_dir() and (name.startswith(("/", ".", "~")) or name.count("/") > 1):
        raise ModelNotFound(f"model 'local/{name}': there is no folder {name!r}; correct the path after local/")
    if folder.is_dir() and not (folder / "config.json").is_file():
        raise ModelNotFound(
            f"model 'local/{name}': the folder {name!r} holds no config.json; give a folder that save_pretrained wrote"
        )
    try:
        config = AutoConfig.from_pretrained(source, trust_remote_code=False)
    except Exception as error:
        raise _refusal(name, "its configuration", error) from None
    causal = {one for names in MODEL_FOR_CAUSAL_LM_MAPPING_NAMES.values() for one in _several(names)}
    kinds = config.architectures or []
    if kinds and not causal.intersection(kinds):
        raise Unsupported(f"model 'local/{name}' is a {kinds[0]}, and local models are causal language models")
    return config


def _several(names: Any) -> tuple[str, ...]:
    return (names,) if isinstance(names, str) else tuple(names)


def _check_weights(name: str, folder: Path) -> None:
    if not folder.is_dir() or any(folder.glob("*.safetensors")):
        return
    if any(folder.glob("*.bin")):
        raise Unsupported(
            f"model 'local/{name}' has its weights in .bin files, which are pickles and can run code; "
            "convert them: AutoModelForCausalLM.from_pretrained(OLD).save_pretrained(NEW)"
        )
    raise ModelNotFound(f"model 'local/{name}': the folder holds no *.safetensors file; copy the weights there")


def _tokenizer(name: str, source: str) -> Any:
    from transformers import AutoTokenizer

    lacks = f"model 'local/{name}' has no tokenizer; save one beside the weights: tokenizer.save_pretrained({name!r})"
    folder = Path(source)
    if folder.is_dir() and not any(folder.glob("*token*")) and not any(folder.glob("vocab*")):
        raise ModelNotFound(lacks)
    try:
        tokenizer = AutoTokenizer.from_pretrained(source, trust_remote_code=False)
    except Exception as error:
        raise _refusal(name, "its tokenizer", error) from None
    if not len(tokenizer):
        raise ModelNotFound(lacks)
    return tokenizer


def _model(name: str, source: str, device: str, dtype: Any) -> Any:
    import transformers

    auto: Any = transformers.AutoModelForCausalLM
    logging: Any = transformers.utils.logging
    # A bar and a table of weights would end up in the output of the command line.
    bars, level = logging.is_progress_bar_enabled(), logging.get_verbosity()
    logging.disable_progress_bar()
    logging.set_verbosity(CRITICAL)
    try:
        model, found = auto.from_pretrained(
            source, dtype=dtype, use_safetensors=True, trust_remote_code=False, output_loading_info=True
        )
    except Exception as error:
        raise _refusal(name, "its weights", error) from None
    finally:
        logging.set_verbosity(level)
        if bars:
            logging.enable_progress_bar()
    missing = sorted(found["missing_keys"])
    if missing:
        raise Unsupported(
            f"model 'local/{name}' lacks {len(missing)} weights of a causal language model ({missing[0]}, ...); "
            "it would speak at random"
        )
    try:
        return model.to(device).eval()
    except (RuntimeError, torch.OutOfMemoryError) as error:
        said = str(error).partition("\n")[0]
        raise ModelError(f"model 'local/{name}' does not fit on {device!r} ({said}); give another device") from None


def _refusal(name: str, what: str, error: Exception) -> ClewError:
    said = " ".join(str(error).split())[:300]
    if "trust_remote_code" in said or "custom code" in said:
        return Unsupported(f"model 'local/{name}' brings code of its own, which is never run; use another model")
    kind = ModelNotFound if isinstance(error, OSError) else Unsupported
    return kind(
        f"model 'local/{name}': {what} cannot be read ({type(error).__name__}: {said}); correct the folder or name"
    )
