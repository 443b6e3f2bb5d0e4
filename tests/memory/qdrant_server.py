"""The Qdrant stand-in of the tests for documents, with the one call more that memory makes."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any, Self

from tests.retrieval import qdrant_server as documents


class MemoryServer(documents.QdrantServer):
    def __enter__(self) -> Self:
        command = [sys.executable, "-m", __name__, str(self.folder), "--port", str(self.port)]
        root = Path(__file__).parents[2]
        self.process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=root)
        assert self.process.stdout is not None
        self.port = int(self.process.stdout.readline())
        return self


class Answers(documents.Answers):
    def put_points_payload(self, name: str, body: bytes) -> Any:
        from qdrant_client.http import models

        given = models.SetPayload.model_validate_json(body)
        self.client.overwrite_payload(name, given.payload, points=given.points or [])
        return documents._DONE


if __name__ == "__main__":
    documents.Answers = Answers  # type: ignore[misc]
    documents.main()
