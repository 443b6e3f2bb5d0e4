"""Everything that goes wrong between a client and a server, on demand."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from typing import get_args

import httpx
import pytest

from clew.testing import Fault, Features, Reply, ScriptedServer
from tests.testing.client import CLIENT, USER, chat, events, post, stream

STATUS = {
    "auth": 401,
    "bad_gateway": 502,
    "content_filter": 400,
    "context_overflow": 400,
    "overloaded": 503,
    "permission": 403,
    "quota": 429,
    "rate_limit": 429,
    "server_error": 500,
    "wrong_model": 404,
}
ON_THE_WAY = {
    "cut_stream",
    "disconnect",
    "empty",
    "end_stream",
    "hang",
    "malformed_json",
    "null_content",
    "slow",
    "stall",
}


def test_each_fault_is_tested_here():
    assert set(get_args(Fault)) == set(STATUS) | ON_THE_WAY


@pytest.mark.parametrize("fault", STATUS)
@pytest.mark.parametrize("streaming", [False, True])
def test_statuses(fault: Fault, streaming: bool):
    with ScriptedServer([Reply(fault=fault, headers={"x-request-id": "7"})]) as server:
        response = post(server, stream=streaming)
        server.assert_done()
    assert response.status_code == STATUS[fault]
    assert response.headers["x-request-id"] == "7"


def test_a_rate_limit_says_when_to_come_back():
    date = timedelta(minutes=2)
    replies = [Reply(fault="rate_limit"), Reply(fault="overloaded"), Reply(fault="rate_limit", retry_after=0.25)]
    with ScriptedServer([*replies, Reply(fault="overloaded", retry_after=date)]) as server:
        given = [post(server).headers.get("retry-after") for _ in range(4)]
    assert given[:3] == ["0", None, "0.25"]
    when = parsedate_to_datetime(str(given[3]))
    assert timedelta(minutes=1) < when - datetime.now(UTC) <= date


@pytest.mark.parametrize(
    ("dialect", "code", "words"),
    [
        ("openai", "context_length_exceeded", "your messages resulted in"),
        ("vllm", 400, "in the messages, 50 in the completion"),
        ("anthropic", None, "exceed context limit"),
    ],
)
def test_context_overflow_in_each_wording(dialect: str, code: object, words: str):
    with ScriptedServer(Reply(fault="context_overflow"), features=Features(dialect=dialect)) as server:
        error = post(server, max_tokens=50).json()["error"]
    assert error["code"] == code
    assert words in error["message"]


def test_codes_tell_quota_from_rate_limit():
    with ScriptedServer(
        [Reply(fault=f) for f in ("quota", "rate_limit")], features=Features(dialect="openai")
    ) as server:
        codes = [post(server).json()["error"]["code"] for _ in range(2)]
    assert codes == ["insufficient_quota", "rate_limit_exceeded"]


def test_any_status_with_any_message():
    with ScriptedServer([Reply("no teapot here", status=418, headers={"x-a": "b"})]) as server:
        response = post(server)
    assert (response.status_code, response.json()["error"]["message"]) == (418, "no teapot here")


def test_empty_choices():
    with ScriptedServer(Reply("x", fault="empty")) as server:
        assert post(server).json()["choices"] == []
        assert [chunk["choices"] for chunk in stream(server)] == [[]]


def test_null_content():
    with ScriptedServer(Reply("x", fault="null_content")) as server:
        assert chat(server)["message"]["content"] is None
        deltas = [chunk["choices"][0]["delta"] for chunk in stream(server)]
    assert [d.get("content") for d in deltas] == [None, None]


def test_malformed_json():
    with ScriptedServer(Reply("a b c", fault="malformed_json")) as server:
        response = post(server)
        assert response.status_code == 200
        with pytest.raises(ValueError):
            response.json()
        with pytest.raises(ValueError):
            events(post(server, stream=True))


@pytest.mark.parametrize("streaming", [False, True])
def test_a_connection_that_breaks_half_way(streaming: bool):
    with (
        ScriptedServer(Reply("a b c d", fault="cut_stream")) as server,
        pytest.raises(httpx.RemoteProtocolError, match=r"incomplete|without sending complete"),
    ):
        post(server, stream=streaming)


def test_a_cut_stream_has_half_of_its_events():
    lines = []
    body = {"model": "m", "messages": USER, "stream": True}
    with (
        ScriptedServer(Reply("a b c d", fault="cut_stream")) as server,
        pytest.raises(httpx.RemoteProtocolError),
        CLIENT.stream("POST", server.url + "/chat/completions", json=body) as response,
    ):
        lines.extend(response.iter_lines())
    text = "".join(lines)
    assert '" b"' in text and '" d"' not in text and "[DONE]" not in text


def test_a_stream_that_ends_early_without_done():
    with ScriptedServer(Reply("a b c d", fault="end_stream")) as server:
        text = post(server, stream=True).text
    assert "data: " in text and "[DONE]" not in text and '"stop"' not in text


def test_a_connection_closed_before_the_reply():
    with ScriptedServer(Reply(fault="disconnect")) as server, pytest.raises(httpx.RemoteProtocolError):
        post(server)


@pytest.mark.parametrize("fault", ["hang", "stall"])
@pytest.mark.parametrize("streaming", [False, True])
def test_a_server_that_says_no_more(fault: Fault, streaming: bool):
    with ScriptedServer(Reply("a b c d", fault=fault)) as server:
        with pytest.raises(httpx.ReadTimeout):
            httpx.post(
                server.url + "/chat/completions",
                json={"model": "m", "messages": USER, "stream": streaming},
                timeout=0.2,
            )
        assert server.count == 1


def test_closing_the_server_ends_what_hangs():
    with ScriptedServer(Reply(fault="hang")) as server, ThreadPoolExecutor() as pool:
        answer = pool.submit(post, server)
        server.wait_for(1)
        server.stop()
        with pytest.raises(httpx.RemoteProtocolError):
            answer.result(30)


def test_slow_answers_are_whole():
    with ScriptedServer(Reply("a b c", fault="slow", delay=0.001)) as server:
        assert chat(server)["message"]["content"] == "a b c"
        assert len(stream(server)) == 5
