"""Prices and addresses, without a network and without LiteLLM."""

from __future__ import annotations

import subprocess
import sys

import pytest

from clew.models.pricing import FREE, base_of, entry, is_local, price_of


@pytest.mark.parametrize(
    ("name", "api_base", "local"),
    [
        ("hosted_vllm/x", "http://localhost:8000/v1", True),
        ("openai/x", "http://127.0.0.1:1/v1", True),
        ("openai/x", "http://[::1]:1/v1", True),
        ("openai/x", "http://10.1.2.3/v1", True),
        ("openai/x", "http://192.168.0.9/v1", True),
        ("openai/x", "http://vllm:8000/v1", True),
        ("openai/x", "http://gpu.internal:8000/v1", True),
        ("ollama_chat/llama", None, True),
        ("openai/x", None, False),
        ("openai/x", "https://api.example.com/v1", False),
        ("openai/x", "http://8.8.8.8/v1", False),
        ("litellm_proxy/gpt", "http://localhost:4000", False),
    ],
)
def test_what_is_local(name: str, api_base: str | None, local: bool) -> None:
    assert is_local(name, api_base) is local
    assert (price_of(name, api_base, None) == FREE) is local


def test_a_known_model_has_its_price_wherever_it_is_reached() -> None:
    listed = price_of("openai/gpt-4o-mini", None, None)
    assert listed is not None and listed.base.input > 0
    assert price_of("gpt-4o-mini", "http://localhost:4000/v1", None) == listed


def test_a_given_price_wins() -> None:
    price = price_of("openai/gpt-4o-mini", None, (1.0, 2.0))
    assert price is not None and price.usd(3, 4) == 11.0


@pytest.mark.parametrize("name", ["openai/no-such-model", "somewhere/x", "groq/none-such"])
def test_an_unknown_price_is_unknown_not_zero(name: str) -> None:
    assert price_of(name, None, None) is None


def test_cached_tokens_are_cheaper_and_long_prompts_dearer() -> None:
    price = price_of("anthropic/claude-sonnet-4-5", None, None)
    assert price is not None
    assert price.usd(1000, 0, cached=1000) < price.usd(1000, 0) < price.usd(1000, 0, written=1000)
    tiered = price_of("gemini/gemini-2.5-pro", None, None)
    assert tiered is not None
    assert tiered.usd(300_000, 0) > 3 * tiered.usd(100_000, 0) > 0


def test_agrees_with_litellm_on_a_plain_call() -> None:
    import litellm

    for name in "gpt-4o-mini", "claude-sonnet-4-5", "deepseek/deepseek-chat", "gemini/gemini-2.5-pro":
        price = price_of(name, None, None)
        assert price is not None
        theirs = sum(litellm.cost_per_token(name, prompt_tokens=1000, completion_tokens=100))
        assert price.usd(1000, 100) == pytest.approx(theirs)


def test_environment_addresses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_BASE_URL", "http://127.0.0.1:5/v1")
    assert base_of("openai/x", None) == "http://127.0.0.1:5/v1"
    assert base_of("openai/x", "http://other/v1") == "http://other/v1"
    assert is_local("openai/x", None) and not is_local("anthropic/claude-sonnet-4-5", None)


def test_prices_need_no_litellm() -> None:
    code = (
        "import sys; from clew.models import Model; m = Model('openai/gpt-4o-mini'); "
        "assert m.price.base.input > 0; assert 'litellm' not in sys.modules and 'httpx' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


def test_an_entry_of_another_provider_is_not_taken() -> None:
    assert entry("groq/gpt-4o-mini") is None
    assert entry("openai/gpt-4o-mini") is not None
