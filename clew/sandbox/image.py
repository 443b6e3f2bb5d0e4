"""Building the default image of the `docker` backend."""

from __future__ import annotations

import io
import tarfile
from collections.abc import Callable
from importlib import resources

from clew.errors import SandboxFailed

from .engine import DEFAULT_IMAGE, connect, speaking

DEFAULT_BASE = "python:3.12-slim"


def build(
    base: str = DEFAULT_BASE,
    tag: str = DEFAULT_IMAGE,
    *,
    network: str | None = None,
    told: Callable[[str], None] = lambda line: None,
) -> str:
    """Builds the image `tag` on `base`, any image with python3; returns its id. `told` gets the build's output line by
    line. `network` is Docker's name of a network for the build. What the base has of numpy, sympy and pytest is kept;
    the rest is installed with pip. Blocks for as long as that takes. Raises `SandboxFailed` with the last words of the
    build.
    """
    client = connect(timeout=1800)
    last, id = "", ""
    try:
        with speaking():
            steps = client.build(
                fileobj=_context(), custom_context=True, tag=tag, buildargs={"BASE": base}, network_mode=network,
                rm=True, forcerm=True, decode=True,
            )  # fmt: skip
            for step in steps:
                if "error" in step:
                    raise SandboxFailed(
                        f"the image {tag!r} could not be built on {base!r}: {step['error']} (after {last!r})"
                    )
                id = step.get("aux", {}).get("ID", id)
                line = step.get("stream", "").rstrip()
                if line:
                    last = line
                    told(line)
    finally:
        client.close()
    return id


def _context() -> io.BytesIO:
    data = (resources.files("clew.sandbox") / "Dockerfile").read_bytes()
    context = io.BytesIO()
    with tarfile.open(fileobj=context, mode="w") as tar:
        entry = tarfile.TarInfo("Dockerfile")
        entry.size = len(data)
        tar.addfile(entry, io.BytesIO(data))
    context.seek(0)
    return context
