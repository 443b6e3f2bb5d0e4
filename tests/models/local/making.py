"""Small models with random weights, as folders that `save_pretrained` wrote."""

from __future__ import annotations

from importlib import import_module
from pathlib import Path
from typing import Any

import torch
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers

# Its classes are typed too loosely for their own arguments.
transformers: Any = import_module("transformers")

TEMPLATE = (
    "{% if tools %}<|im_start|>system\nTools: {{ tools | tojson }}. Call as <tool_call>JSON</tool_call>.<|im_end|>\n"
    "{% endif %}{% for m in messages %}<|im_start|>{{ m.role }}\n{{ m.content }}"
    "{% for c in m.tool_calls or [] %}<tool_call>{{ c.function | tojson }}</tool_call>{% endfor %}<|im_end|>\n"
    "{% endfor %}{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
)
TEXT = [
    "A clew is a ball of thread, and Ariadne gave one to Theseus, who found his way out of the labyrinth with it.",
    "The question is what the thread was made of: wool, linen or gold? Nobody knows, and nobody asked Ariadne.",
    "Straße, naïve café, Αριάδνη, 糸の玉 are words beyond ASCII. Numbers such as 12, 345 and 6789 are here as well.",
]


def tokenizer(template: str | None = TEMPLATE) -> Any:
    """Byte-level BPE: every text has tokens, and characters beyond ASCII are spread over several of them."""
    bpe = Tokenizer(models.BPE())
    bpe.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    bpe.decoder = decoders.ByteLevel()
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    special = ["<|end|>", "<|im_start|>", "<|im_end|>"]
    bpe.train_from_iterator(
        TEXT, trainers.BpeTrainer(vocab_size=420, initial_alphabet=alphabet, special_tokens=special)
    )
    made = transformers.PreTrainedTokenizerFast(tokenizer_object=bpe, eos_token="<|im_end|>", pad_token="<|end|>")
    made.chat_template = template
    return made


def config(kind: str, vocabulary: int) -> Any:
    size = {"hidden_size": 64, "intermediate_size": 128, "num_hidden_layers": 2, "num_attention_heads": 4}
    places = {"vocab_size": vocabulary, "max_position_embeddings": 1024, "bos_token_id": 0, "eos_token_id": 2}
    # Wide weights, so that the likeliest token is well ahead of the others.
    wide = {"initializer_range": 0.2, **places}
    match kind:
        case "llama":
            return transformers.LlamaConfig(**size, **wide, num_key_value_heads=2)
        case "gpt2":
            return transformers.GPT2Config(n_embd=64, n_layer=2, n_head=4, **wide)
        case "qwen3":
            return transformers.Qwen3Config(**size, **wide, num_key_value_heads=2, head_dim=16)
        case "mistral":
            return transformers.MistralConfig(**size, **wide, num_key_value_heads=2, sliding_window=16)
        case "gemma3":
            return transformers.Gemma3TextConfig(**size, **wide, num_key_value_heads=2, head_dim=16, sliding_window=16)
        case "mamba":
            places = {"vocab_size": vocabulary, "bos_token_id": 0, "eos_token_id": 2}
            return transformers.MambaConfig(hidden_size=64, num_hidden_layers=2, state_size=8, **places)
        case "bloom":
            return transformers.BloomConfig(hidden_size=64, n_layer=2, n_head=4, initializer_range=0.2, **places)
    raise ValueError(kind)


def save(folder: Path, kind: str = "llama", template: str | None = TEMPLATE) -> str:
    """Writes a model of an architecture into `folder`; gives its name for `Model`."""
    made = tokenizer(template)
    torch.manual_seed(0)
    model = transformers.AutoModelForCausalLM.from_config(config(kind, len(made)))
    # Its own generation ends at nothing but the end token that the tokenizer names.
    model.generation_config.eos_token_id = made.eos_token_id
    model.save_pretrained(folder)
    made.save_pretrained(folder)
    return f"local/{folder}"


def save_script(folder: Path, text: str, messages: list[dict[str, Any]], tools: list[dict[str, Any]]) -> str:
    """A model that answers `messages` with `text`: which token comes next depends on the position alone."""
    made = tokenizer()
    prompt = made.apply_chat_template(messages, tools=tools, tokenize=False, add_generation_prompt=True)
    begin = len(made(prompt, add_special_tokens=False)["input_ids"]) - 1
    script = [*made(text, add_special_tokens=False)["input_ids"], made.eos_token_id]
    size = {"n_positions": 512, "n_embd": 512, "n_layer": 1, "n_head": 2, "vocab_size": len(made)}
    model = transformers.GPT2LMHeadModel(transformers.GPT2Config(**size, tie_word_embeddings=False, eos_token_id=None))
    with torch.no_grad():
        for weights in model.transformer.h.parameters():
            weights.zero_()
        model.transformer.wte.weight.zero_()
        model.transformer.wpe.weight.copy_(torch.eye(512))
        model.lm_head.weight.zero_()
        for place, token in enumerate(script):
            model.lm_head.weight[token, begin + place] = 1.0
    model.save_pretrained(folder)
    made.save_pretrained(folder)
    return f"local/{folder}"


class Plain:
    """The same model by transformers alone."""

    def __init__(self, name: str) -> None:
        folder = name.removeprefix("local/")
        self.tokenizer = transformers.AutoTokenizer.from_pretrained(folder)
        self.model = transformers.AutoModelForCausalLM.from_pretrained(folder).eval()

    def prompt(self, question: str, begun: str = "") -> list[int]:
        messages = [{"role": "user", "content": question}]
        text = self.tokenizer.apply_chat_template(messages, tokenize=False, add_generation_prompt=True)
        ids: list[int] = self.tokenizer(text + begun, add_special_tokens=False)["input_ids"]
        return ids

    @torch.inference_mode()
    def greedy(self, prompt: list[int], number: int) -> list[int]:
        """The likeliest tokens, one request at a time."""
        ids = torch.tensor([prompt])
        written = self.model.generate(ids, attention_mask=torch.ones_like(ids), max_new_tokens=number, do_sample=False)
        found: list[int] = written[0, len(prompt) :].tolist()
        return found

    @torch.inference_mode()
    def logprobs(self, prompt: list[int], tokens: list[int]) -> list[float]:
        """Log probabilities of `tokens` after `prompt`."""
        scores = self.model(torch.tensor([prompt + tokens])).logits[0].log_softmax(-1)
        return [float(scores[len(prompt) - 1 + place, token]) for place, token in enumerate(tokens)]
