"""What a model reads of a program's output and of other people's text: cut to size, and unable to act."""

from __future__ import annotations

from clew.sandbox.types import Execution, Limits

SILENT = "[no output: print what you want to see]"
FORGOTTEN = "[what this program defined is lost; names of earlier programs are still there]"


def shown(done: Execution, limits: Limits, chars: int) -> str:
    """What the output block says of a program: stdout; the error too, when it failed or printed nothing."""
    endings = {
        "timeout": f"[timeout: the program was stopped after {limits.seconds:g} s]",
        "oom": f"[out of memory: the program may use {limits.memory >> 20} MiB]",
        "killed": f"[the program was ended by signal {-done.exit_code}]",
    }
    error = "" if done.ok and done.stdout.strip() else done.stderr
    parts = [cut(done.stdout.rstrip(), chars), cut(error.rstrip(), chars), endings.get(done.status, "")]
    said = [part for part in parts if part] or [SILENT if done.ok else f"[exit code {done.exit_code}]"]
    return "\n".join([*said, FORGOTTEN] if done.lost else said)


def cut(text: str, chars: int) -> str:
    """`text`, or its head and tail, half of `chars` each, and how much is missing between them."""
    if len(text) <= chars:
        return text
    half = chars // 2
    return f"{text[:half]}\n[... {len(text) - 2 * half} characters left out ...]\n{text[len(text) - half :]}"


def neutralise(text: str) -> str:
    """Text of others, made unable to act as a control marker: `<|name|>` becomes `< |name| >`."""
    return text.replace("<|", "< |").replace("|>", "| >")
