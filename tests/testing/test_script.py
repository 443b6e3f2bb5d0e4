"""Which reply answers which request, and what happens off script."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import pytest

from clew.testing import Call, Faulty, RandomText, Reply, Request, Rule, ScriptedServer, Template
from tests.testing.client import SEARCH, chat, complete, post


def ask(server: ScriptedServer, text: str) -> str:
    return chat(server, messages=[{"role": "user", "content": text}])["message"]["content"]


def test_a_list_is_used_up_in_order():
    with ScriptedServer(["a", Reply("b")]) as server:
        assert [ask(server, "?"), ask(server, "?")] == ["a", "b"]
        server.assert_done()


def test_rules_come_before_the_list():
    rules = [Rule("weather", "Rain."), "first", Rule(lambda r: r.last.startswith("Sum"), "4"), "second"]
    with ScriptedServer(rules) as server:
        asked = ["Hello", "the weather?", "Sum 2+2", "the weather!", "Bye"]
        assert [ask(server, text) for text in asked] == ["first", "Rain.", "4", "Rain.", "second"]
        server.assert_done()


def test_a_rule_with_a_list_is_used_up():
    with ScriptedServer([Rule("x", ["one", "two"]), "rest"]) as server:
        assert [ask(server, "x") for _ in range(3)] == ["one", "two", "rest"]


def test_functions_answer_sync_and_async():
    async def later(request: Request) -> Reply:
        await asyncio.sleep(0)
        return Reply(Template("{{ last }}, later"))

    with ScriptedServer(lambda request: request.last.upper()) as server:
        assert ask(server, "hi") == "HI"
    with ScriptedServer([later, "x"]) as server:
        assert ask(server, "hi") == "hi, later"


def test_replies_run_out():
    with ScriptedServer(["only one"]) as server:
        ask(server, "first")
        response = post(server, messages=[{"role": "user", "content": "one too many"}])
        assert response.status_code == 500
        assert "no scripted reply is left" in response.json()["error"]["message"]
        assert "one too many" in response.json()["error"]["message"]
        assert [u.request.last for u in server.unexpected] == ["one too many"]
    with pytest.raises(AssertionError, match="one too many"):
        server.assert_done()


@pytest.mark.parametrize(
    "replies", [["left over"], [Rule("never", ["left over"])], [Faulty("rate_limit", 2, "left over")]]
)
def test_unused_replies_are_reported(replies: list[object]):
    with ScriptedServer(replies) as server:
        pass
    with pytest.raises(AssertionError, match="left over"):
        server.assert_done()


def test_a_rule_without_list_need_not_be_used():
    with ScriptedServer([Rule("never", "x")]) as server:
        pass
    server.assert_done()


@pytest.mark.parametrize("wrong", [lambda: Reply(fault="nope"), lambda: Faulty("nope"), lambda: ScriptedServer([5])])
def test_a_wrong_script_is_refused_where_it_is_written(wrong: Callable[[], object]):
    with pytest.raises((ValueError, TypeError), match=r"nope|5 is no reply"):
        wrong()


def test_a_function_that_raises_is_off_script():
    with ScriptedServer(lambda request: {}["key"]) as server:
        assert post(server).status_code == 500
        assert "KeyError('key')" in server.unexpected[0].reason


# Templates ---------------------------------------------------------------------------------------------------------


def test_a_template_is_filled_from_the_request():
    messages = [
        {"role": "user", "content": "Q"},
        {"role": "tool", "tool_call_id": "1", "content": "<r>old</r> stdout: 41"},
        {"role": "user", "content": [{"type": "text", "text": "<r>old</r> <r>new</r> stdout: 42"}]},
    ]
    text = (
        "{{ prompt | find('stdout: ([0-9]+)', -1) }} {{ last | after('<r>') | before('</r>') }} "
        "{{ last | before('</r>') | after('<r>') }} {{ messages[0].content }}"
    )
    with ScriptedServer([Template(text)]) as server:
        assert chat(server, messages=messages)["message"]["content"] == "42 new old Q"


def test_templates_reach_tool_arguments():
    call = Call("search", {"query": Template("{{ last | find('about (.+)') }}"), "k": 3})
    with ScriptedServer([Reply(tool_calls=[call])]) as server:
        messages = [{"role": "user", "content": "tell me about otters"}]
        called = chat(server, messages=messages, tools=[SEARCH])["message"]["tool_calls"][0]
    assert called["function"]["arguments"] == '{"query": "otters", "k": 3}'


@pytest.mark.parametrize(
    "text",
    [
        "{{ last | find('missing') }}",
        "{{ last | after('<missing>') }}",
        "{{ last | before('<missing>') }}",
        "{{ undefined_name }}",
        "{{ request.__class__.__mro__ }}",
        "{% if %}",
    ],
)
def test_a_template_that_cannot_be_filled_is_off_script(text: str):
    with ScriptedServer([Template(text)]) as server:
        assert post(server).status_code == 500
        assert len(server.unexpected) == 1


def test_a_template_sees_the_raw_prompt():
    with ScriptedServer([Template("{{ prompt | after('Q:') }}!")]) as server:
        assert complete(server, "Q: why")["text"] == " why!"


# Faults before a reply ---------------------------------------------------------------------------------------------


def test_faulty_fails_and_then_answers():
    with ScriptedServer([Faulty("rate_limit", times=2, then="Paris."), "next"]) as server:
        assert [post(server).status_code for _ in range(3)] == [429, 429, 200]
        assert ask(server, "other") == "next"


def test_tries_of_one_request_belong_together():
    with ScriptedServer([Faulty("server_error", 1, "for a"), Faulty("overloaded", 1, "for b")]) as server:
        a, b = ([{"role": "user", "content": name}] for name in "ab")
        assert [post(server, messages=m).status_code for m in (a, b)] == [500, 503]
        assert [chat(server, messages=m)["message"]["content"] for m in (b, a)] == ["for b", "for a"]


def test_a_faulty_rule_fails_each_request_anew():
    with ScriptedServer([Rule("x", Faulty(Reply("busy", status=503), 1, "ok"))]) as server:
        for text in ("x1", "x2"):
            messages = [{"role": "user", "content": text}]
            assert [post(server, messages=messages).status_code for _ in range(2)] == [503, 200]


def test_concurrent_requests_share_the_list_without_loss():
    replies = [f"reply {i}" for i in range(60)]
    with ScriptedServer(replies) as server, ThreadPoolExecutor(12) as pool:
        answers = list(pool.map(lambda i: ask(server, f"q{i}"), range(60)))
        server.assert_done()
    assert sorted(answers) == sorted(replies)


# Random text -------------------------------------------------------------------------------------------------------


def test_random_text_never_repeats_itself():
    with ScriptedServer(RandomText()) as server, ScriptedServer(RandomText()) as other:
        texts = [ask(one, "the same question") for one in (server, other) for _ in range(10)]
    assert len(set(texts)) == 20


def test_random_text_repeats_with_a_seed():
    def texts() -> list[str]:
        with ScriptedServer(RandomText(seed=7)) as server:
            return [ask(server, "q") for _ in range(5)]

    first = texts()
    assert first == texts() and len(set(first)) == 5


def test_random_text_asks_with_markers_and_tools():
    ends = RandomText(markers=[("<q>", "</q>")], p=0.0, prefix="Well, ")
    asks = RandomText(markers=[("<q>", "</q>")], p=1.0)
    with ScriptedServer(asks) as server:
        assert chat(server, stop=["</q>"])["stop_reason"] == "</q>"
        call = chat(server, tools=[SEARCH])["message"]["tool_calls"][0]["function"]
    assert call["name"] == "search" and '"query": "' in call["arguments"] and '"k": ' in call["arguments"]
    with ScriptedServer(ends) as server:
        text = ask(server, "q")
    assert text.startswith("Well, ") and "\\boxed{" in text and "<q>" not in text
