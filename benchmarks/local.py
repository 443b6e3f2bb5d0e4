"""Tokens per second of a local model: one request at a time, 64 at once, and a batch of transformers as the floor.

    python benchmarks/local.py [--requests 64] [--tokens 64] [--rounds 3] [--hidden 256] [--layers 4] [--device cpu]

A Llama with random weights is made for it, so that only the speed means anything. All requests have prompts of equal
length and write the same number of tokens. The three take turns in one process; medians are reported.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import logging
import statistics
import tempfile
import time
from importlib import import_module
from pathlib import Path
from typing import Any

from clew.models import Model

# Before torch: it decides how torch's threads wait.
import_module("clew.models.local")

TEXT = "A clew is a ball of thread, and Ariadne gave one to Theseus, who found his way out of the labyrinth with it. "


def make(folder: Path, options: argparse.Namespace) -> None:
    """Saves a Llama whose texts have no end token, with a byte-level tokenizer."""
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers

    transformers: Any = import_module("transformers")
    bpe = Tokenizer(models.BPE())
    bpe.pre_tokenizer, bpe.decoder = pre_tokenizers.ByteLevel(add_prefix_space=False), decoders.ByteLevel()
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    bpe.train_from_iterator([TEXT], trainers.BpeTrainer(vocab_size=320, initial_alphabet=alphabet, show_progress=False))
    tokenizer = transformers.PreTrainedTokenizerFast(tokenizer_object=bpe)
    tokenizer.chat_template = "{% for m in messages %}{{ m.content }}\n{% endfor %}"
    config = transformers.LlamaConfig(
        vocab_size=8192,
        hidden_size=options.hidden,
        intermediate_size=4 * options.hidden,
        num_hidden_layers=options.layers,
        num_attention_heads=options.hidden // 32,
        max_position_embeddings=4096,
        bos_token_id=None,
        eos_token_id=None,
    )
    transformers.LlamaForCausalLM(config).save_pretrained(folder)
    tokenizer.save_pretrained(folder)


async def alone(model: Model, options: argparse.Namespace) -> None:
    for number in range(options.requests // options.fewer):
        await model.chat(f"{number:04} {TEXT}")


async def together(model: Model, options: argparse.Namespace) -> None:
    await asyncio.gather(*(model.chat(f"{number:04} {TEXT}") for number in range(options.requests)))


def floor(folder: Path, options: argparse.Namespace) -> Any:
    """transformers' `generate` on all prompts at once; no text, no journal."""
    import torch

    transformers: Any = import_module("transformers")
    tokenizer = transformers.AutoTokenizer.from_pretrained(folder)
    model = transformers.AutoModelForCausalLM.from_pretrained(folder).to(options.device)
    ids = torch.tensor([tokenizer(f"{number:04} {TEXT}\n")["input_ids"] for number in range(options.requests)])
    ids = ids.to(options.device)

    @torch.inference_mode()
    def generate() -> None:
        model.generate(ids, attention_mask=torch.ones_like(ids), max_new_tokens=options.tokens, do_sample=False)

    return generate


async def main(folder: Path, options: argparse.Namespace) -> dict[str, Any]:
    extra = {"device": options.device, "batch_rows": options.requests}
    model = Model(f"local/{folder}", temperature=0.0, max_tokens=options.tokens, extra=extra)
    generate = floor(folder, options)
    await model.chat("warm up", max_tokens=4)
    seen: dict[str, list[float]] = {"alone": [], "together": [], "transformers": []}
    for _ in range(options.rounds):
        begun = time.perf_counter()
        await alone(model, options)
        seen["alone"].append(options.requests // options.fewer * options.tokens / (time.perf_counter() - begun))
        begun = time.perf_counter()
        await together(model, options)
        seen["together"].append(options.requests * options.tokens / (time.perf_counter() - begun))
        begun = time.perf_counter()
        await asyncio.to_thread(generate)
        seen["transformers"].append(options.requests * options.tokens / (time.perf_counter() - begun))
    rates = {name: round(statistics.median(values), 1) for name, values in seen.items()}
    return {
        "requests": options.requests,
        "tokens": options.tokens,
        "tokens_per_s": rates,
        "together_over_alone": round(rates["together"] / rates["alone"], 2),
        "together_over_transformers": round(rates["together"] / rates["transformers"], 2),
    }


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--requests", type=int, default=64, help="requests in flight")
    parser.add_argument("--tokens", type=int, default=64, help="new tokens of each")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--hidden", type=int, default=256)
    parser.add_argument("--layers", type=int, default=4)
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--fewer", type=int, default=8, help="one at a time, only a part of the requests is measured")
    options = parser.parse_args()
    logging.getLogger("transformers").setLevel(logging.ERROR)
    with tempfile.TemporaryDirectory() as made:
        make(Path(made), options)
        print(json.dumps(asyncio.run(main(Path(made), options))))
