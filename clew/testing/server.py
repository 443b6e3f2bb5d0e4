"""A real HTTP server that speaks OpenAI's protocol and says what a script tells it to."""

from __future__ import annotations

import asyncio
import json
import os
import threading
import time
from collections.abc import Iterable, Sized
from dataclasses import replace
from pathlib import Path
from types import TracebackType
from typing import Any, NamedTuple, Self

from aiohttp import web

from clew.testing import tokens
from clew.testing.answer import Answering
from clew.testing.checks import check, continues, prompt_tokens
from clew.testing.faults import Refusal, bad_request, error_body, refusal, stands_alone
from clew.testing.features import Features
from clew.testing.replies import Reply, Scripted
from clew.testing.request import Request
from clew.testing.sample import Sample, generate
from clew.testing.script import Replies, Script, ScriptError, describe, resolve
from clew.testing.tokens import LogProb, pseudo_logprob
from clew.testing.wire import Wire

_SECRET_HEADERS = frozenset({"authorization", "api-key", "x-api-key", "proxy-authorization", "cookie"})
_LARGEST_BODY = 256 * 2**20


class Unexpected(NamedTuple):
    """A request that the script could not answer (or answered wrongly), and why."""

    request: Request
    reason: str


class ScriptedServer:
    """An OpenAI-compatible server on 127.0.0.1 in a thread of its own, for `with` and `async with`.

        with ScriptedServer(["Hello.", Reply(fault="rate_limit")]) as server:
            ...  # send requests to server.url

    `replies` is one reply for every request, a list of replies and `Rule`s, or a (sync or async) function of the
    `Request`; functions run on the server's event loop. A request without a scripted reply is answered with 500 and
    listed in `unexpected`.

    Args:
        features: what the server can do; presets `vllm`, `openai`, `anthropic_like_prefill`, `hidden_reasoning`.
        models: names that it serves, others are 404; None = any name.
        api_key: the bearer key that it demands, otherwise 401; None = no key needed.
        ledger: file to which each POST is appended as one JSON line when it arrives, before it is answered:
            `number, at (Unix seconds), path, model, digest, prompt_tokens`.
        logprob: log p(token | text before it) to answer with, in place of the built-in pseudo model.
        port: 0 = any free one.
    """

    def __init__(
        self,
        replies: Replies = (),
        *,
        features: Features | None = None,
        models: Iterable[str] | None = None,
        api_key: str | None = None,
        ledger: str | Path | None = None,
        logprob: LogProb = pseudo_logprob,
        port: int = 0,
    ) -> None:
        self.features = features or Features()
        self.models = None if models is None else tuple(models)
        self.listings = 0
        self._script = Script(replies)
        self._api_key = api_key
        self._logprob = logprob
        self._port = port
        self._ledger_path = ledger
        self._ledger: int | None = None
        self._requests: list[Request] = []
        self._unexpected: list[Unexpected] = []
        self._abandoned: list[Request] = []
        self._news = threading.Condition()
        self._started = threading.Event()
        self._failure: BaseException | None = None
        self._thread: threading.Thread | None = None

    # What happened ------------------------------------------------------------------------------------------------

    @property
    def url(self) -> str:
        """Base URL for clients (`base_url`, `api_base`), ending in /v1."""
        return f"http://127.0.0.1:{self._port}/v1"

    @property
    def requests(self) -> list[Request]:
        """POST requests in order of arrival, refused ones included. (GET /v1/models is counted in `listings`.)"""
        return list(self._requests)

    @property
    def count(self) -> int:
        """Number of POST requests that have arrived."""
        return len(self._requests)

    @property
    def unexpected(self) -> list[Unexpected]:
        """Requests for which the script had no fitting reply."""
        return list(self._unexpected)

    @property
    def abandoned(self) -> list[Request]:
        """Requests whose client went away before the answer was complete."""
        return list(self._abandoned)

    @property
    def left(self) -> list[Scripted]:
        """Scripted replies that nothing has asked for."""
        return self._script.left

    def wait_for(self, n: int, timeout: float = 60.0) -> None:
        """Blocks until `n` POST requests have arrived; TimeoutError after `timeout` seconds.

        From code on the event loop that the client uses, await `arrived` instead.
        """
        self._wait(self._requests, n, timeout, "arrived")

    async def arrived(self, n: int, timeout: float = 60.0) -> None:
        """`wait_for` without blocking the event loop."""
        await asyncio.to_thread(self.wait_for, n, timeout)

    async def departed(self, n: int, timeout: float = 60.0) -> None:
        """Waits until `n` clients have gone away before their answer; TimeoutError after `timeout` seconds."""
        await asyncio.to_thread(self._wait, self._abandoned, n, timeout, "were abandoned")

    def _wait(self, what: Sized, n: int, timeout: float, verb: str) -> None:
        with self._news:
            if not self._news.wait_for(lambda: len(what) >= n, timeout):
                raise TimeoutError(f"{len(what)} of {n} requests {verb} within {timeout:g} s")

    def assert_done(self) -> None:
        """AssertionError unless each scripted reply was used and each request had one."""
        problems = [f"unexpected: {reason}" for _, reason in self._unexpected]
        problems += [f"never asked for: {reply!r}" for reply in self.left]
        if problems:
            raise AssertionError("the script and the requests differ:\n" + "\n".join(problems))

    # Life -----------------------------------------------------------------------------------------------------------

    def start(self) -> Self:
        """Starts serving; returns when the port accepts connections. After `stop` it takes the same port again."""
        self._started.clear()
        self._failure = None
        self._thread = threading.Thread(target=self._run, name="clew-scripted-server", daemon=True)
        self._thread.start()
        self._started.wait()
        if self._failure is not None:
            raise self._failure
        return self

    def stop(self) -> None:
        """Closes every connection, hanging ones too, and the port."""
        if self._thread is not None and self._thread.is_alive():
            self._loop.call_soon_threadsafe(self._closing.set)
            self._thread.join()

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    async def __aenter__(self) -> Self:
        return await asyncio.to_thread(self.start)

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await asyncio.to_thread(self.stop)

    def _run(self) -> None:
        try:
            asyncio.run(self._serve())
        except BaseException as error:
            self._failure = error
        finally:
            self._started.set()

    async def _serve(self) -> None:
        self._loop, self._closing = asyncio.get_running_loop(), asyncio.Event()
        if self._ledger_path is not None:
            self._ledger = os.open(self._ledger_path, os.O_APPEND | os.O_CREAT | os.O_WRONLY, 0o644)
        server = web.Server(self._handle, request_factory=_request, handler_cancellation=True, access_log=None)
        runner = web.ServerRunner(server, shutdown_timeout=1.0)
        await runner.setup()
        try:
            site = web.TCPSite(runner, "127.0.0.1", self._port, backlog=1024)
            await site.start()
            self._port = runner.addresses[0][1]
            self._started.set()
            await self._closing.wait()
        finally:
            await runner.cleanup()
            if self._ledger is not None:
                os.close(self._ledger)

    # Requests -------------------------------------------------------------------------------------------------------

    async def _handle(self, http: web.BaseRequest) -> web.StreamResponse:
        if http.method == "GET":
            return self._listing(http)
        request = None
        try:
            request = await self._receive(http)
            return await self._answer(http, request)
        except Refusal as refused:
            return _refused(refused)
        except (asyncio.CancelledError, ConnectionError):
            if request is not None and not self._closing.is_set():
                with self._news:
                    self._abandoned.append(request)
                    self._news.notify_all()
            raise

    def _listing(self, http: web.BaseRequest) -> web.Response:
        if http.path not in ("/v1/models", "/models"):
            return web.json_response(error_body(self.features, 404, f"Invalid URL (GET {http.path})"), status=404)
        self.listings += 1
        if self._api_key is not None and not self._authorized(http):
            body = error_body(self.features, 401, "Incorrect API key provided.", code="invalid_api_key")
            return web.json_response(body, status=401)
        window = {} if self.features.context is None else {"max_model_len": self.features.context}
        extra = window if self.features.dialect == "vllm" else {}
        models = [
            {"id": name, "object": "model", "created": 0, "owned_by": self.features.dialect, **extra}
            for name in self.models or ("scripted",)
        ]
        return web.json_response({"object": "list", "data": models})

    async def _receive(self, http: web.BaseRequest) -> Request:
        """The request, recorded and in the ledger before anything is decided about it."""
        raw = await http.read()
        try:
            body = json.loads(raw)
        except ValueError:
            body = None
        headers = {k.lower(): v for k, v in http.headers.items() if k.lower() not in _SECRET_HEADERS}
        request = Request(
            number=len(self._requests),
            path=http.path,
            body=body if isinstance(body, dict) else {},
            headers=headers,
            authorized=self._authorized(http),
            at=time.time(),
        )
        request = replace(request, continues=continues(request, self.features))
        if self._ledger is not None:
            os.write(self._ledger, _ledger_line(request))
        with self._news:
            self._requests.append(request)
            self._news.notify_all()
        if not isinstance(body, dict):
            raise bad_request(self.features, "We could not parse the JSON body of your request.")
        return request

    def _authorized(self, http: web.BaseRequest) -> bool:
        key = http.headers.get("authorization", "").removeprefix("Bearer ").strip()
        return bool(key) if self._api_key is None else key == self._api_key

    async def _answer(self, http: web.BaseRequest, request: Request) -> web.StreamResponse:
        if self._api_key is not None and not request.authorized:
            raise self._plain("auth", request)
        if self.models is not None and request.model not in self.models:
            raise self._plain("wrong_model", request)
        check(request, self.features)
        try:
            asked = prompt_tokens(request)
            samples = await self._samples(request, asked)
        except ScriptError as error:
            return self._off_script(request, str(error))
        except (Refusal, ConnectionError):
            raise
        except Exception as error:
            return self._off_script(request, f"the script raised {error!r}; {describe(request)}")
        wire = Wire(request, self.features, asked, self._logprob)
        return await Answering(http, wire, samples, self._closing).send()

    def _plain(self, fault: Any, request: Request) -> Refusal:
        refused = refusal(Reply(fault=fault), request, self.features, 0)
        assert refused is not None
        return refused

    async def _samples(self, request: Request, asked: int) -> list[Sample]:
        """One sample per choice; a fault of the first stands for the whole answer."""
        choices = [replace(request, choice=i) for i in range(request.n * max(1, len(request.prompts)))]
        scoring = _only_scores(request)
        items = [self._script.take(choices[0], rules_only=scoring)]
        if not stands_alone(items[0]):
            items += [self._script.take(choice, rules_only=scoring) for choice in choices[1:]]
        samples: list[Sample] = []
        for choice, item in zip(choices, items, strict=False):
            reply = Reply(text=".") if item is None else await resolve(item, choice)
            if not samples and reply.delay and reply.fault != "slow":
                await asyncio.sleep(reply.delay)
            if not samples and (refused := refusal(reply, request, self.features, asked)):
                raise refused
            samples.append(generate(reply, choice, self.features))
        return samples

    def _off_script(self, request: Request, reason: str) -> web.Response:
        self._unexpected.append(Unexpected(request, reason))
        body = error_body(self.features, 500, f"off script: {reason}", "server_error")
        return web.json_response(body, status=500, headers={"x-should-retry": "false"})


def _only_scores(request: Request) -> bool:
    """Whether a request only asks for the probabilities of its prompt, so that nothing new needs to be said."""
    asks = request.body.get("echo") or request.body.get("prompt_logprobs") is not None
    return bool(asks) and request.max_tokens is not None and request.max_tokens <= 1


def _ledger_line(request: Request) -> bytes:
    line = {
        "number": request.number,
        "at": request.at,
        "path": request.path,
        "model": request.model,
        "digest": request.digest,
        "prompt_tokens": tokens.count(request.prompt),
    }
    return (json.dumps(line) + "\n").encode()


def _refused(refused: Refusal) -> web.Response:
    if isinstance(refused.body, str):
        return web.Response(text=refused.body, status=refused.status, headers=refused.headers, content_type="text/html")
    return web.json_response(refused.body, status=refused.status, headers=refused.headers)


def _request(message: Any, payload: Any, protocol: Any, writer: Any, task: Any) -> web.BaseRequest:
    return web.BaseRequest(
        message, payload, protocol, writer, task, asyncio.get_running_loop(), client_max_size=_LARGEST_BODY
    )
