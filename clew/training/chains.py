"""Rows for fine-tuning on CoRAG's three tasks, read from the journal of the runs (arXiv 2501.14342).

One chain of n links gives n samples of the next sub-query, n of the sub-answer and one of the final answer. The prompts
are those that the model was sent, the targets what it wrote; nothing is kept beside the journal.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from clew.errors import ConfigError
from clew.graphs.corag_links import says_nothing, sub_answer
from clew.journal import Event, Journal

if TYPE_CHECKING:
    from clew.training.repair_rows import RepairRow

Message = dict[str, Any]
NOT_TRAINED = -100


@dataclass(frozen=True)
class ChainRow:
    """One sample. `prompt` and `completion` are OpenAI messages (TRL's prompt-completion form), of which only the one
    message of `completion` is a target. `question` is the task's id, `chain` the run (with a number if it holds several
    chains), `link` counts from 1 and is None for the final answer. `score` is the chain's own score, larger is better,
    and `gold_logprob` the mean log probability of the gold answer after the chain, both None where there is none."""

    part: Literal["subquery", "subanswer", "final"]
    question: str
    chain: str
    link: int | None
    prompt: list[Message]
    completion: list[Message]
    score: float | None = None
    gold_logprob: float | None = None


def chain_rows(
    journal: Journal, run: str, *, drop_nothing_found: bool = False, gold_logprob: float | None = None
) -> Iterator[ChainRow]:
    """The rows of every chain that a CoRAG graph answered from in `run`, link by link, the final answer last.

    `drop_nothing_found` leaves out the sub-answers that are the nothing-found sentence. A sub-answer that nobody was
    asked for (the search found nothing) or that was malformed, and a missing final answer, give no row. Raises
    `RunNotFound`; a run of another method has no rows.
    """
    row = journal.find_run(run)
    events = list(journal.events(row.id))
    calls = {event.key: event for event in events if event.kind == "model" and event.state == "finished"}
    chains = [event.request for event in events if event.state == "note" and event.kind == "corag.chain"]
    for number, chain in enumerate(chains):
        name = row.id if len(chains) == 1 else f"{row.id}#{number}"
        for part, link, key, said in _samples(chain, calls, drop_nothing_found):
            prompt, reply = _call(journal, calls[key])
            # What was cleaned of labels is still the model's own text, as long as it stands in its reply.
            target = said if said and said in reply else reply.strip()
            yield ChainRow(
                part, row.task["id"], name, link, prompt, [{"role": "assistant", "content": target}],
                chain.get("score"), gold_logprob,
            )  # fmt: skip


def _samples(
    chain: dict[str, Any], calls: dict[str, Event], drop: bool
) -> Iterator[tuple[Literal["subquery", "subanswer", "final"], int | None, str, str]]:
    """(part, link, key of the model call, what was made of its reply) of a chain."""
    for number, link in enumerate(chain["links"], 1):
        yield "subquery", number, link["plan"], link["query"]
        wanted = link["read"] and not (drop and says_nothing(link["answer"]))
        if wanted and sub_answer(calls[link["read"]].outcome["text"]) is not None:
            yield "subanswer", number, link["read"], link["answer"]
    if chain["final"]:
        yield "final", None, chain["final"], ""


def _call(journal: Journal, event: Event) -> tuple[list[Message], str]:
    return journal.transcript(event.request["transcript"]["transcript"]).messages(), event.outcome["text"]


def write_rows(path: str | Path, rows: Iterable[ChainRow | RepairRow]) -> int:
    """Writes `rows` as JSONL, a field of the row a key (`part, question, chain, link, prompt, completion, score,
    gold_logprob` of chains), and returns their number."""
    count = 0
    with Path(path).open("w", encoding="utf-8") as file:
        for row in rows:
            file.write(json.dumps(asdict(row), ensure_ascii=False) + "\n")
            count += 1
    return count


def masked(row: ChainRow | RepairRow, tokenizer: Any) -> dict[str, list[int]]:
    """`input_ids` and `labels` of a row by a Hugging Face `tokenizer` with a chat template; labels are -100 but for the
    target and the token that ends its turn.

    Prompt and target are encoded apart, as at generation, so that no token holds text of both. Raises `ConfigError`
    when the template does not put the target, as it is, behind the prompt, and for a row without a target.
    """
    if not row.completion:
        raise ConfigError(f"a row of part {row.part!r} has no text of a model to train on: leave it out")
    before = tokenizer.apply_chat_template(row.prompt, tokenize=False, add_generation_prompt=True)
    whole = tokenizer.apply_chat_template([*row.prompt, *row.completion], tokenize=False)
    target = row.completion[0]["content"]
    if not whole.startswith(before + target):
        raise ConfigError(
            "the tokenizer's chat template does not continue its generation prompt with the reply: use the template "
            f"that the model is served with (target {target[:80]!r})"
        )
    prompt, said, after = (
        tokenizer(text, add_special_tokens=False)["input_ids"]
        for text in (before, target, whole[len(before) + len(target) :])
    )
    # A template may add what the model never writes, such as a line end after its turn.
    ends = 1 if after and after[0] in tokenizer.all_special_ids else 0
    labels = [NOT_TRAINED] * len(prompt) + said + after[:ends]
    return {"input_ids": [*prompt, *said, *after[:ends]], "labels": labels}
