"""Reward models: a real HTTP server that answers as vLLM does, and tiny classifiers in this process."""

from __future__ import annotations

import json
import math
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from clew.errors import ConfigError
from clew.journal import Budget, Journal
from clew.scoring import ProcessReward, RewardModel, Verdict, classifiers, fingerprint_of, knows_gold
from clew.scoring.reward import SEPARATOR
from clew.task import Answer, Task
from tests.models.support import in_run

pytestmark = pytest.mark.anyio

TASK = Task(id="t", prompt="What is 6 times 7?")
Replies = Callable[[str, dict[str, Any]], tuple[int, Any]]


class Server:
    """Answers every POST by a function of its path and body."""

    def __init__(self, reply: Replies) -> None:
        self.requests: list[tuple[str, dict[str, Any], str]] = []
        outer = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
                outer.requests.append((self.path, body, self.headers.get("Authorization", "")))
                status, said = reply(self.path, body)
                data = said.encode() if isinstance(said, str) else json.dumps(said).encode()
                self.send_response(status)
                self.send_header("Content-Length", str(len(data)))
                self.end_headers()
                self.wfile.write(data)

            def log_message(self, *_: Any) -> None: ...

        self.http = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.http.server_port}/v1"


@contextmanager
def serving(reply: Replies) -> Iterator[Server]:
    server = Server(reply)
    thread = threading.Thread(target=server.http.serve_forever, args=(0.01,))
    thread.start()
    try:
        yield server
    finally:
        server.http.shutdown()
        thread.join()
        server.http.server_close()


def one_logit(path: str, body: dict[str, Any]) -> tuple[int, Any]:
    """As `/classify` of vLLM: 2 for an answer with the word right, else -2."""
    assert path == "/classify" and body["use_activation"] is False and body["add_generation_prompt"] is False
    logit = 2.0 if "right" in body["messages"][-1]["content"] else -2.0
    return 200, {
        "data": [{"index": 0, "label": None, "probs": [logit], "num_classes": 1}],
        "usage": {"prompt_tokens": 9},
    }


def per_step(path: str, body: dict[str, Any]) -> tuple[int, Any]:
    """As `/pooling` of a process reward model: one row of two probabilities for each separator."""
    assert path == "/pooling"
    steps = body["messages"][-1]["content"].split(SEPARATOR)[:-1]
    rows = [[0.1, 0.9] if "good" in step else [0.75, 0.25] for step in steps]
    return 200, {"data": [{"index": 0, "object": "pooling", "data": rows}], "usage": {"prompt_tokens": 30}}


def sigmoid(value: float) -> float:
    return 1 / (1 + math.exp(-value))


# Served ----------------------------------------------------------------------------------------------------------


async def test_a_served_classifier() -> None:
    with serving(one_logit) as server:
        scorer = RewardModel("hosted_vllm/judge/rm", api_base=server.url, api_key="sk-reward-1")
        verdicts = await scorer.score(TASK, [Answer(text=t) for t in ("right", "no", "right", "")])
        assert [verdict.value for verdict in verdicts] == pytest.approx([sigmoid(2), sigmoid(-2), sigmoid(2), 0.0])
        assert [verdict.label for verdict in verdicts] == ["unknown", "unknown", "unknown", "wrong"]
        assert len(server.requests) == 2
        path, body, key = server.requests[0]
        assert (path, body["model"], key) == ("/classify", "judge/rm", "Bearer sk-reward-1")
        assert [message["role"] for message in body["messages"]] == ["user", "assistant"]
        assert "sk-reward" not in repr(scorer._classifier) + json.dumps(fingerprint_of(scorer))
    assert not knows_gold(scorer)


async def test_a_value_to_accept_and_a_class_to_choose() -> None:
    def two(path: str, body: dict[str, Any]) -> tuple[int, Any]:
        return 200, {"data": [{"probs": [3.0, 1.0]}]}

    with serving(two) as server:
        for positive, label in ((0, "right"), (1, "wrong")):
            scorer = RewardModel("rm", api_base=server.url, accept=0.5, positive=positive)
            (verdict,) = await scorer.score(TASK, [Answer(text="x")])
            assert verdict.value == pytest.approx(sigmoid(2 if positive == 0 else -2))
            assert verdict.label == label
        (verdict,) = await RewardModel("rm", api_base=server.url, positive=2).score(TASK, [Answer(text="x")])
        assert verdict.value is None and "no class 2" in verdict.feedback


async def test_steps_are_aggregated() -> None:
    answer = Answer(text="a good step\n\na bad step\n \nanother good one")
    with serving(per_step) as server:
        expected = {"min": 0.25, "last": 0.9, "mean": (0.9 + 0.25 + 0.9) / 3, "product": 0.9 * 0.25 * 0.9}
        for aggregate, value in expected.items():
            scorer = ProcessReward("prm", api_base=server.url, aggregate=aggregate)  # type: ignore[arg-type]
            (verdict,) = await scorer.score(TASK, [answer])
            assert verdict.value == pytest.approx(value)
        assert verdict.feedback == "steps 0.900, 0.250, 0.900; the weakest is step 2: a bad step"
        said = server.requests[0][1]["messages"][-1]["content"]
        assert said == f"a good step{SEPARATOR}a bad step{SEPARATOR}another good one{SEPARATOR}"


async def test_steps_of_ones_own_and_no_steps() -> None:
    with serving(per_step) as server:
        scorer = ProcessReward("prm", api_base=server.url, steps=lambda task, answer: answer.text.splitlines())
        verdicts = await scorer.score(TASK, [Answer(text=f"good {SEPARATOR}\nbad"), Answer(text="\n")])
        assert [verdict.value for verdict in verdicts] == [0.25, 0.0]
        assert server.requests[0][1]["messages"][-1]["content"].count(SEPARATOR) == 2


async def test_another_number_of_outputs_than_steps_is_unknown() -> None:
    def each_token(path: str, body: dict[str, Any]) -> tuple[int, Any]:
        return 200, {"data": [{"data": [[0.5, 0.5]] * 40}]}

    with serving(each_token) as server:
        (verdict,) = await ProcessReward("prm", api_base=server.url).score(TASK, [Answer(text="one step")])
    assert verdict.value is None and "40 outputs for 1 steps" in verdict.feedback


@pytest.mark.parametrize(
    ("status", "said", "cause"),
    [
        (401, "no", "ModelAuthError"), (404, "no such model", "ModelNotFound"), (400, "bad", "ModelRequestRejected"),
        (400, "maximum context length is 8", "ContextOverflow"), (200, "<html>", "BadReply"), (200, {}, "BadReply"),
        (200, {"data": []}, "BadReply"), (200, {"data": [{"probs": []}]}, "BadReply"),
        (200, {"data": [{"probs": ["high"]}]}, "BadReply"), (200, '{"data": [{"probs": [NaN]}]}', "BadReply"),
        (200, [1], "BadReply"),
    ],
)  # fmt: skip
async def test_what_a_server_refuses_or_garbles_is_unknown(status: int, said: Any, cause: str) -> None:
    with serving(lambda path, body: (status, said)) as server:
        (verdict,) = await RewardModel("rm", api_base=server.url, accept=0.5).score(TASK, [Answer(text="x")])
        assert len(server.requests) == 1
    assert (verdict.value, verdict.label) == (None, "unknown") and cause in verdict.feedback


async def test_a_busy_server_is_asked_again(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(classifiers, "WAIT_S", 0.001)
    replies = iter([(429, "slow down"), (503, "loading")])
    with serving(lambda path, body: next(replies, None) or one_logit(path, body)) as server:
        (verdict,) = await RewardModel("rm", api_base=server.url).score(TASK, [Answer(text="right")])
        assert verdict.value == pytest.approx(sigmoid(2)) and len(server.requests) == 3
    (verdict,) = await RewardModel("rm", api_base=server.url).score(TASK, [Answer(text="right")])
    assert verdict.value is None and "ModelUnreachable" in verdict.feedback


async def test_costs_and_replay(tmp_path: Path) -> None:
    async def body() -> str:
        scorer = RewardModel("rm", api_base=server.url, price=0.25)
        verdicts = await scorer.score(TASK, [Answer(text="right"), Answer(text="no")])
        return repr([verdict.value for verdict in verdicts])

    with serving(one_logit) as server:
        first = await in_run(tmp_path / "journal.db", body)
        assert (await in_run(tmp_path / "journal.db", body)).text == first.text
        assert len(server.requests) == 2
        refused = await in_run(tmp_path / "other.db", body, budget=Budget(model_calls=1))
        assert refused.text.endswith(", None]")
    with Journal(tmp_path / "journal.db") as journal:
        effects = [event for event in journal.events("r1") if event.kind == "reward"]
        assert [(event.cost.tokens, event.cost.model_calls, event.cost.usd) for event in effects] == [(9, 1, 2.25)] * 2


def test_settings() -> None:
    with pytest.raises(ConfigError, match="api_base"):
        RewardModel("openai/rm")
    with pytest.raises(ConfigError, match="accept=2"):
        RewardModel("rm", api_base="http://localhost:1", accept=2)
    with pytest.raises(ConfigError, match="aggregate='max'"):
        ProcessReward("rm", api_base="http://localhost:1", aggregate="max")  # type: ignore[arg-type]
    with pytest.raises(ConfigError, match="separator"):
        ProcessReward("rm", api_base="http://localhost:1", separator="")


# In this process -------------------------------------------------------------------------------------------------


def save(folder: Path, labels: int, tokens: bool = False) -> str:
    """A tiny classifier with random weights."""
    import torch

    from tests.models.local.making import config, tokenizer, transformers

    made = tokenizer()
    torch.manual_seed(0)
    settings = config("llama", len(made))
    settings.num_labels = labels
    kind = transformers.AutoModelForTokenClassification if tokens else transformers.AutoModelForSequenceClassification
    kind.from_config(settings).save_pretrained(folder)
    made.save_pretrained(folder)
    return f"local/{folder}"


async def values(scorer: RewardModel, *texts: str) -> list[float | None]:
    return [verdict.value for verdict in await scorer.score(TASK, [Answer(text=text) for text in texts])]


async def test_a_local_classifier_gives_what_transformers_gives(tmp_path: Path) -> None:
    import torch

    from tests.models.local.making import transformers

    name = save(tmp_path, labels=1)
    texts = ["42", "It is forty-two, since six sevens are that.", "41"]
    found = await values(RewardModel(name), *texts)
    tokenizer = transformers.AutoTokenizer.from_pretrained(tmp_path)
    model = transformers.AutoModelForSequenceClassification.from_pretrained(tmp_path).eval()
    model.config.pad_token_id = tokenizer.pad_token_id
    for text, value in zip(texts, found, strict=True):
        messages = [{"role": "user", "content": TASK.prompt}, {"role": "assistant", "content": text}]
        ids = tokenizer(tokenizer.apply_chat_template(messages, tokenize=False), return_tensors="pt")
        with torch.inference_mode():
            assert value == pytest.approx(sigmoid(float(model(**ids).logits[0, 0])), abs=1e-5)
    assert len(set(found)) == 3


async def test_a_local_process_reward_is_read_at_the_end_of_each_step(tmp_path: Path) -> None:
    import torch

    from tests.models.local.making import transformers

    name = save(tmp_path, labels=2, tokens=True)
    steps = ["Six sevens.", "Seven and seven are fourteen.", "42"]
    scorer = ProcessReward(name, separator="\n", aggregate="last")
    (verdict,) = await scorer.score(TASK, [Answer(text="\n\n".join(steps))])
    tokenizer = transformers.AutoTokenizer.from_pretrained(tmp_path)
    model = transformers.AutoModelForTokenClassification.from_pretrained(tmp_path).eval()
    expected = []
    for n in range(1, 4):  # a causal model reads each step without those after it
        said = "".join(step + "\n" for step in steps[:n])
        ids = tokenizer(
            f"<|im_start|>user\n{TASK.prompt}<|im_end|>\n<|im_start|>assistant\n{said}", return_tensors="pt"
        )
        with torch.inference_mode():
            expected.append(float(torch.softmax(model(**ids).logits[0, -1], 0)[1]))
    assert verdict.value == pytest.approx(expected[-1], abs=1e-5)
    assert verdict.feedback.startswith("steps " + ", ".join(f"{value:.3f}" for value in expected))


async def test_a_folder_that_is_no_classifier_is_unknown(tmp_path: Path) -> None:
    from tests.models.local import making

    making.save(tmp_path / "chat")
    for folder, told in (("chat", "lack score.weight"), ("nowhere", "holds no classifier")):
        scorer = RewardModel(f"local/{tmp_path / folder}")
        (verdict,) = await scorer.score(TASK, [Answer(text="x")])
        assert verdict.value is None and told in verdict.feedback


async def test_a_long_conversation_is_unknown_and_the_others_are_judged(tmp_path: Path) -> None:
    scorer = RewardModel(save(tmp_path, labels=1))
    long, short = await scorer.score(TASK, [Answer(text="word " * 3_000), Answer(text="42")])
    assert isinstance(short, Verdict) and short.value is not None
    assert long.value is None and "ContextOverflow" in long.feedback
