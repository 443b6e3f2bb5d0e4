"""A small HTTP server that speaks Qdrant's REST for the calls of `clew.retrieval.server`, in a process to be killed.

    python -m tests.retrieval.qdrant_server FOLDER [--key KEY] [--port PORT] [--version 1.15.0] [--die-in-upsert N]

It prints its port. Bodies are checked with the client's own models; the data lie in the client's local mode in FOLDER,
which is another engine than a server: what is tested against this is the protocol and its failures. `--die-in-upsert`
kills the process when half of the points of its Nth upsert (from 1) are on disk. `/fail?status=503&times=2` makes the
next requests fail.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import signal
import socket
import subprocess
import sys
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Lock
from types import TracebackType
from typing import Any, Self
from urllib.parse import parse_qs, urlsplit

COLLECTION = re.compile(r"/collections/([^/]+)(/.*)?$")


class QdrantServer:
    """The server in a process of its own; `url` is its address without a collection."""

    def __init__(self, folder: Path, *, port: int = 0, **options: str) -> None:
        self.folder, self.options, self.port = folder, options, port
        self.process: subprocess.Popen[str] | None = None

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def __enter__(self) -> Self:
        given = [part for name, value in self.options.items() for part in ("--" + name.replace("_", "-"), value)]
        command = [sys.executable, "-m", __name__, str(self.folder), "--port", str(self.port), *given]
        root = Path(__file__).parents[2]
        self.process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=root)
        assert self.process.stdout is not None
        self.port = int(self.process.stdout.readline())
        return self

    def kill(self) -> None:
        assert self.process is not None and self.process.stdout is not None
        self.process.kill()
        self.process.wait()
        self.process.stdout.close()

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.kill()


class Answers:
    """What the server knows; `answer` maps a request to (status, result)."""

    def __init__(self, folder: str, die_in_upsert: int) -> None:
        from qdrant_client import QdrantClient

        self.client = QdrantClient(path=folder, force_disable_check_same_thread=True)
        self.die_in_upsert, self.upserts = die_in_upsert, 0
        self.failures: list[int] = []
        self.lock = Lock()

    def answer(self, method: str, path: str, body: bytes) -> tuple[int, Any]:
        from pydantic import ValidationError

        found = COLLECTION.match(path)
        if found is None:
            return 404, "no such page"
        name, rest = found.group(1), found.group(2) or ""
        call = getattr(self, "_".join([method.lower(), *re.findall(r"\w+", rest)]), None)
        if call is None:
            return 404, f"no such call: {method} {rest}"
        if not self.client.collection_exists(name) and (method, rest) not in (("GET", "/exists"), ("PUT", "")):
            return 404, f"Not found: Collection `{name}` doesn't exist!"
        try:
            return 200, call(name, body)
        except (ValidationError, ValueError) as error:
            return 400, f"Wrong input: {error}"

    def get_exists(self, name: str, body: bytes) -> Any:
        return {"exists": self.client.collection_exists(name)}

    def put(self, name: str, body: bytes) -> Any:
        from qdrant_client.http import models

        given = models.CreateCollection.model_validate_json(body)
        return self.client.create_collection(
            name, vectors_config=given.vectors, sparse_vectors_config=given.sparse_vectors
        )

    def delete(self, name: str, body: bytes) -> Any:
        return self.client.delete_collection(name)

    def put_index(self, name: str, body: bytes) -> Any:
        from qdrant_client.http import models

        models.CreateFieldIndex.model_validate_json(body)
        return _DONE

    def put_points(self, name: str, body: bytes) -> Any:
        from qdrant_client.http import models

        points = models.PointsList.model_validate_json(body).points
        self.upserts += 1
        if self.upserts == self.die_in_upsert:
            self.client.upsert(name, points[: len(points) // 2 or 1])
            os.kill(os.getpid(), signal.SIGKILL)
        self.client.upsert(name, points)
        return _DONE

    def post_points(self, name: str, body: bytes) -> Any:
        from qdrant_client.http import models

        asked = models.PointRequest.model_validate_json(body)
        return self.client.retrieve(name, asked.ids, asked.with_payload or False, asked.with_vector or False)

    def post_points_delete(self, name: str, body: bytes) -> Any:
        from qdrant_client.http import models

        self.client.delete(name, models.PointIdsList.model_validate_json(body))
        return _DONE

    def post_points_scroll(self, name: str, body: bytes) -> Any:
        from qdrant_client.http import models

        asked = models.ScrollRequest.model_validate_json(body)
        points, following = self.client.scroll(
            name,
            asked.filter,
            asked.limit or 10,
            offset=asked.offset,
            with_payload=asked.with_payload or False,
            with_vectors=asked.with_vector or False,
        )
        return {"points": points, "next_page_offset": following}

    def post_points_count(self, name: str, body: bytes) -> Any:
        from qdrant_client.http import models

        asked = models.CountRequest.model_validate_json(body)
        return self.client.count(name, asked.filter, exact=bool(asked.exact))

    def post_points_query_batch(self, name: str, body: bytes) -> Any:
        from qdrant_client.http import models

        searches = models.QueryRequestBatch.model_validate_json(body).searches
        return self.client.query_batch_points(name, searches)


_DONE = {"operation_id": 0, "status": "completed"}


def _plain(result: Any) -> Any:
    from pydantic import BaseModel

    if isinstance(result, BaseModel):
        return result.model_dump(mode="json")
    if isinstance(result, list):
        return [_plain(each) for each in result]
    return {key: _plain(value) for key, value in result.items()} if isinstance(result, dict) else result


def handler(answers: Answers, key: str, version: str) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def answer(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            parts = urlsplit(self.path)
            with answers.lock:
                if parts.path == "/fail":
                    asked = parse_qs(parts.query)
                    answers.failures = [int(asked["status"][0])] * int(asked["times"][0])
                    self.send(200, "ok")
                elif key and self.headers.get("api-key") != key:
                    self.send(401, f"Invalid API key or JWT: {self.headers.get('api-key')}")
                elif answers.failures:
                    self.send(answers.failures.pop(), "failing as told")
                elif parts.path == "/":
                    self.send_json(200, {"title": "qdrant - vector search engine", "version": version})
                else:
                    self.send(*answers.answer(self.command, parts.path, body))

        do_GET = do_PUT = do_POST = do_DELETE = answer

        def send(self, status: int, result: Any) -> None:
            if status == 200:
                self.send_json(status, {"result": _plain(result), "status": "ok", "time": 0.0})
            else:
                self.send_json(status, {"status": {"error": result}, "time": 0.0})

        def send_json(self, status: int, content: Any) -> None:
            data = json.dumps(content).encode()
            self.send_response(status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(data)))
            self.end_headers()
            self.wfile.write(data)

        def log_message(self, format: str, *args: Any) -> None:
            pass

    return Handler


class Server(ThreadingHTTPServer):
    address_family = socket.AF_INET
    daemon_threads = True


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("folder")
    parser.add_argument("--port", type=int, default=0)
    parser.add_argument("--key", default="")
    parser.add_argument("--version", default="1.15.0")
    parser.add_argument("--die-in-upsert", type=int, default=0)
    given = parser.parse_args()
    answers = Answers(given.folder, given.die_in_upsert)
    server = Server(("127.0.0.1", given.port), handler(answers, given.key, given.version))
    print(server.server_address[1], flush=True)
    server.serve_forever()


if __name__ == "__main__":
    main()
