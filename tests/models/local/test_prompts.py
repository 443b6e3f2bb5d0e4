"""Tool calls in what a model wrote."""

from __future__ import annotations

from clew.models.local.prompts import calls_in


def test_calls_are_read_and_the_text_before_them_kept() -> None:
    text = (
        'Let me see.\n<tool_call>\n{"name": "search", "arguments": {"query": "thread"}}\n</tool_call>\n'
        '<tool_call>{"name": "stop"}</tool_call>'
    )
    said, calls = calls_in(text)
    assert said == "Let me see."
    assert [(call["function"]["name"], call["function"]["arguments"]) for call in calls] == [
        ("search", '{"query": "thread"}'),
        ("stop", "{}"),
    ]


def test_what_is_no_call_stays_text() -> None:
    for text in "no call", "<tool_call>not JSON</tool_call>", '<tool_call>{"arguments": {}}</tool_call>':
        assert calls_in(text) == (text, [])


def test_a_call_that_was_cut_is_text_unless_it_is_whole() -> None:
    assert calls_in('<tool_call>{"name": "se') == ('<tool_call>{"name": "se', [])
    assert calls_in('<tool_call>{"name": "search"}')[1][0]["function"]["name"] == "search"
