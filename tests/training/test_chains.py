"""Rows of chains from the journal."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

import clew
from clew.errors import ConfigError
from clew.graphs import corag
from clew.graphs.corag_links import NOTHING_FOUND
from clew.journal import Journal
from clew.task import Task
from clew.training import chain_rows, masked, write_rows
from tests.graphs.corag_words import (
    BIRTHPLACE,
    DESIGNER,
    FINAL,
    PLAN,
    QUESTION,
    READ,
    asked,
    model,
    searcher,
    talk,
)

pytestmark = pytest.mark.anyio

OPENING = "When did the Ariel bridge open?"


def small_tokenizer() -> Any:
    """A byte-level BPE of a few merges with a chat template of the usual kind."""
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
    from transformers import PreTrainedTokenizerFast

    bare = Tokenizer(models.BPE())
    bare.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    bare.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=400,
        special_tokens=["<|im_start|>", "<|im_end|>"],
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    bare.train_from_iterator(["Who designed the Ariel bridge? Answer the question."] * 20, trainer)
    fast: Any = PreTrainedTokenizerFast
    tokenizer = fast(tokenizer_object=bare, eos_token="<|im_end|>")
    tokenizer.chat_template = (
        "{% for m in messages %}<|im_start|>{{ m.role }}\n{{ m.content }}<|im_end|>\n{% endfor %}"
        "{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
    )
    return tokenizer


async def test_19_three_links_give_three_three_and_one_with_masks_over_the_targets_only(tmp_path: Path) -> None:
    tokenizer = small_tokenizer()
    with (
        talk(f'Question 1: "{DESIGNER}"', BIRTHPLACE, OPENING) as server,
        Journal(tmp_path / "j.db") as journal,
    ):
        answer = await clew.run(
            corag(model(server), searcher(), length=3), Task(prompt=QUESTION, id="q1"), journal=journal, run_id="c"
        )
        rows = list(chain_rows(journal, "c", gold_logprob=-0.25))
        assert answer.text == "Ghent"
        assert [(row.part, row.link) for row in rows] == [
            ("subquery", 1), ("subanswer", 1), ("subquery", 2), ("subanswer", 2), ("subquery", 3), ("subanswer", 3),
            ("final", None),
        ]  # fmt: skip
        targets = [row.completion[0]["content"] for row in rows]
        born = "Where was Ilse Maar born?"
        assert targets == [DESIGNER, "Ilse Maar", born, "Ghent", OPENING, "1931", r"So it is \boxed{ Ghent }."]
        assert {(row.question, row.chain, row.gold_logprob) for row in rows} == {("q1", "c", -0.25)}
        sent = {PLAN: asked(server, PLAN), READ: asked(server, READ), FINAL: asked(server, FINAL)}
        for row, kind in zip(rows, [PLAN, READ] * 3 + [FINAL], strict=True):
            assert row.prompt == sent[kind].pop(0).messages
            tokens = masked(row, tokenizer)
            trained = [token for token in tokens["labels"] if token != -100]
            target = row.completion[0]["content"]
            assert tokenizer.decode(trained) == target + "<|im_end|>"
            whole = tokenizer.apply_chat_template([*row.prompt, *row.completion], tokenize=False)
            assert tokenizer.decode(tokens["input_ids"]) == whole.removesuffix("\n")
            assert len(tokens["input_ids"]) == len(tokens["labels"])
            assert all(label in (-100, own) for label, own in zip(tokens["labels"], tokens["input_ids"], strict=True))
        assert write_rows(tmp_path / "rows.jsonl", rows) == 7
        first = json.loads((tmp_path / "rows.jsonl").read_text().splitlines()[0])
        assert first["part"] == "subquery" and first["completion"] == [{"role": "assistant", "content": DESIGNER}]


async def test_19b_sub_answers_that_found_nothing_are_left_out_by_option() -> None:
    plans = ["Who designed the Zyx?", "What is Qqq?", DESIGNER]
    read = ["...", NOTHING_FOUND, "Ilse Maar"]
    with talk(*plans, read=read, final=r"\boxed{x}") as server, Journal.memory() as journal:
        pages = {"a": "Zyx Ariel bridge", "b": "What is it?"}
        await clew.run(corag(model(server), searcher(pages), length=3), "Who?", journal=journal, run_id="c")
        parts = [(row.part, row.link) for row in chain_rows(journal, "c") if row.part == "subanswer"]
        assert parts == [("subanswer", 2), ("subanswer", 3)], "the first reply was no answer at all"
        kept = [row for row in chain_rows(journal, "c", drop_nothing_found=True) if row.part == "subanswer"]
        assert [row.link for row in kept] == [3]


async def test_a_template_that_changes_the_reply_is_refused() -> None:
    tokenizer = small_tokenizer()
    tokenizer.chat_template = "{% for m in messages %}[{{ m.content | upper }}]{% endfor %}"
    with talk(DESIGNER, final=r"\boxed{x}") as server, Journal.memory() as journal:
        await clew.run(corag(model(server), searcher(), length=1), QUESTION, journal=journal, run_id="c")
        with pytest.raises(ConfigError, match="chat template"):
            masked(next(chain_rows(journal, "c")), tokenizer)
