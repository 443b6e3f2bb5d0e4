"""The inside of a forked process: it becomes a clean Python, or another command, and never returns."""

from __future__ import annotations

import ast
import atexit
import builtins
import errno
import fcntl
import io
import linecache
import os
import resource
import signal
import struct
import sys
import tarfile
import threading
import traceback
import types
from typing import Any, NoReturn

from .system import HIGH_DESCRIPTOR, OPEN_FILES, become, choose_for_oom, limit

NOT_FOUND, NOT_EXECUTABLE = 127, 126
_read_now, _write_now, _put_now = os.read, os.write, os.dup2
SESSION_REPLY = struct.Struct("!16si")
SESSION_REQUEST = struct.Struct("!16sI")


class Misplaced(Exception):
    """The files do not fit into the working directory."""


def prepare(
    place: dict[str, Any], limits: dict[str, Any], stdio: tuple[int, int, int], keep: tuple[int, ...]
) -> list[int]:
    """Cuts every tie to the server, but for the descriptors `keep`, whose new numbers are returned."""
    signal.set_wakeup_fd(-1)
    for number in (signal.SIGCHLD, signal.SIGTERM):
        signal.signal(number, signal.SIG_DFL)
    signal.signal(signal.SIGINT, signal.default_int_handler)
    os.setsid()
    for target, descriptor in enumerate(stdio):
        os.dup2(descriptor, target)
    kept = []
    for n, descriptor in enumerate(keep):
        os.dup2(descriptor, HIGH_DESCRIPTOR + n, inheritable=False)
        kept.append(HIGH_DESCRIPTOR + n)
    os.closerange(3, HIGH_DESCRIPTOR)
    os.closerange(HIGH_DESCRIPTOR + len(keep), HIGH_DESCRIPTOR + 64)

    choose_for_oom()
    os.setpriority(os.PRIO_PROCESS, 0, 10)  # the server is heard, however many programs there are
    limit(resource.RLIMIT_CORE, 0)
    limit(resource.RLIMIT_NOFILE, OPEN_FILES)
    limit(resource.RLIMIT_FSIZE, limits["disk"])
    if place["rlimits"]:
        limit(resource.RLIMIT_DATA, limits["memory"])
        # Shared memory is no data. Libraries and reserved, unused addresses must have room beside it.
        limit(resource.RLIMIT_AS, 2 * limits["memory"] + (256 << 20))
        limit(resource.RLIMIT_CPU, int(limits["seconds"] * max(1.0, limits["cpus"])) + 5)
        limit(resource.RLIMIT_NPROC, limits["processes"])
    become(place["user"])
    os.umask(0o022)
    os.chdir(place["work"])
    os.environ.clear()
    os.environ.update(place["environment"])
    return kept


def receive(link: int, program: int, stdin: int, files: bool) -> bytes:
    """The program, of so many bytes, which is the first thing that comes through `link`. Then come the bytes of its
    standard input, and with `files` a tar archive, which is unpacked into the working directory. Raises `Misplaced`."""
    with os.fdopen(link, "rb") as stream:
        source = stream.read(program)
        given = os.memfd_create("stdin")
        os.write(given, stream.read(stdin))
        os.lseek(given, 0, os.SEEK_SET)
        os.dup2(given, 0)
        os.close(given)
        if files:
            try:
                _unpack(stream)
            except (OSError, ValueError) as error:
                raise Misplaced(str(error)) from error
    return source


def _unpack(stream: io.BufferedReader) -> None:
    with tarfile.open(fileobj=stream, mode="r|") as tar:
        if hasattr(tarfile, "fully_trusted_filter"):
            tar.extraction_filter = tarfile.fully_trusted_filter  # what its own user may do, and no more
        tar.extractall()


def run_command(argv: list[str]) -> NoReturn:
    """Becomes another program; exit codes 127 and 126 as in a shell."""
    for number in (signal.SIGPIPE, signal.SIGXFSZ):
        signal.signal(number, signal.SIG_DFL)
    try:
        os.execvpe(argv[0], argv, os.environ)
    except ValueError:
        os.write(2, f"{argv[0]!r}: its words are no text\n".encode())
        os._exit(NOT_EXECUTABLE)
    except OSError as error:
        os.write(2, f"{argv[0]}: {error.strerror}\n".encode("utf-8", "backslashreplace"))
        os._exit(NOT_FOUND if error.errno == errno.ENOENT else NOT_EXECUTABLE)


def run_program(source: str) -> NoReturn:
    """Runs a program as `python program.py` would, and ends this process as that would."""
    namespace, own = fresh_main(), streams()
    code = execute(source, "program.py", namespace)
    try:
        threading._shutdown()  # type: ignore[attr-defined]
        atexit._run_exitfuncs()
    except BaseException:
        traceback.print_exc()
    os._exit(code & 0xFF if flush(own) or code else 1)


def run_session(link: int, seed: int) -> NoReturn:
    """Runs the programs that come through `link`, one after another in one namespace, until it closes.
    Each of them finds standard streams that work, whatever an earlier one did to its own."""
    import random

    namespace = fresh_main()
    random.seed(seed)
    pid_now, end = os.getpid, os._exit  # as they are now, whatever programs put in their place
    standard = [fcntl.fcntl(number, fcntl.F_DUPFD_CLOEXEC, HIGH_DESCRIPTOR - 3) for number in range(3)]
    me, number = pid_now(), 0
    while True:
        nonce, size = SESSION_REQUEST.unpack(_exactly(link, SESSION_REQUEST.size))
        source = _exactly(link, size).decode("utf-8", "surrogatepass")
        number += 1
        for target, descriptor in enumerate(standard):
            _put_now(descriptor, target)
        own = streams()
        code = execute(source, f"program-{number}.py", namespace, echo=True)
        if pid_now() != me:
            end(code & 0xFF)  # a fork that the program made and that ran to the program's end
        flush(own)
        _write(link, SESSION_REPLY.pack(nonce, code))


def fresh_main() -> dict[str, Any]:
    """The namespace of a new `__main__`; nothing is left of the server's modules."""
    for name in [name for name in sys.modules if name.partition(".")[0] == "inside"]:
        del sys.modules[name]
    main = types.ModuleType("__main__")
    main.__dict__["__builtins__"] = builtins
    sys.modules["__main__"] = main
    sys.argv = ["program.py"]
    sys.path[0] = os.getcwd()
    return main.__dict__


def streams() -> list[io.TextIOWrapper]:
    """New standard streams; returns those for output."""
    sys.stdin = io.TextIOWrapper(io.BufferedReader(io.FileIO(0, closefd=False)), "utf-8", "surrogateescape")
    own: list[io.TextIOWrapper] = []
    # Line by line: what was printed before a kill has left the process.
    for name, number in (("stdout", 1), ("stderr", 2)):
        raw = io.FileIO(number, "w", closefd=False)
        stream = io.TextIOWrapper(io.BufferedWriter(raw), "utf-8", "backslashreplace", line_buffering=True)
        setattr(sys, name, stream)
        setattr(sys, f"__{name}__", stream)
        own.append(stream)
    return own


def execute(source: str, name: str, namespace: dict[str, Any], echo: bool = False) -> int:
    """Executes `source`; returns its exit code. Names bound before an exception stay bound. With `echo` the value of a
    last line that is an expression is printed, as in a notebook."""
    linecache.cache[name] = (len(source), None, source.splitlines(True), name)
    try:
        tree = ast.parse(source, name)
        last = tree.body.pop() if echo and tree.body and isinstance(tree.body[-1], ast.Expr) else None
        exec(compile(tree, name, "exec", dont_inherit=True), namespace)  # noqa: S102 - what a sandbox is for
        if last is not None:
            shown = compile(ast.Interactive([last]), name, "single", dont_inherit=True)
            exec(shown, namespace)  # noqa: S102
    except SystemExit as end:
        if end.code is None or isinstance(end.code, int):
            return end.code or 0
        sys.stderr.write(f"{end.code}\n")
        return 1
    except BaseException as error:
        _explain(error)
        return 1
    return 0


def _explain(error: BaseException) -> None:
    """The traceback of a program, without the frames that led to it: of a program that is none, no frame is left."""
    frame = error.__traceback__
    while frame is not None and any(frame.tb_frame.f_globals is own for own in (globals(), vars(ast))):
        frame = frame.tb_next
    try:
        traceback.print_exception(type(error), error, frame)
    except BaseException:  # an exception whose own text raises, or no memory left
        os.write(2, f"{type(error).__name__}\n".encode())


def flush(own: list[io.TextIOWrapper]) -> bool:
    """Whether all output left the process: that of the streams that the program ends with, and of its first ones."""
    left = True
    for stream in (sys.stdout, sys.stderr, *own):
        try:
            stream.flush()
        except ValueError:
            continue  # it was closed, or its buffer was taken out
        except BaseException:
            left = False
    return left


def _exactly(descriptor: int, size: int) -> bytes:
    data = bytearray()
    while len(data) < size:
        piece = _read_now(descriptor, min(size - len(data), 1 << 16))
        if not piece:
            os._exit(0)
        data += piece
    return bytes(data)


def _write(descriptor: int, data: bytes) -> None:
    try:
        _write_now(descriptor, data)
    except OSError:
        os._exit(1)
