"""`python -m clew.testing`: a scripted server in a process of its own, its URL on the first line of output."""

from __future__ import annotations

import argparse
import signal
import sys
import threading

from clew.errors import ClewError
from clew.testing.features import PRESETS
from clew.testing.random_text import RandomText
from clew.testing.replies import Rule
from clew.testing.scriptfile import load
from clew.testing.server import ScriptedServer


def main(arguments: list[str] | None = None) -> int:
    """Serves until SIGTERM, SIGINT or (with --until-eof) the end of standard input."""
    options = _parser().parse_args(arguments)
    try:
        replies = load(options.script) if options.script else []
    except ClewError as error:
        print(error, file=sys.stderr)
        return error.exit_code
    if options.random or not options.script:
        text = RandomText(markers=options.marker, p=options.p, seed=options.seed)
        replies.append(Rule(lambda _: True, text))
    server = ScriptedServer(
        replies,
        features=PRESETS[options.features],
        api_key=options.api_key,
        ledger=options.ledger,
        port=options.port,
    )
    done = threading.Event()
    for signum in (signal.SIGTERM, signal.SIGINT):
        signal.signal(signum, lambda *_: done.set())
    try:
        server.start()
    except OSError as error:
        print(f"cannot serve on port {options.port}: {error.strerror}; choose another or 0", file=sys.stderr)
        return 1
    print(server.url, flush=True)
    if options.until_eof:
        threading.Thread(target=_set_at_eof, args=(done,), daemon=True).start()
    done.wait()
    server.stop()
    return 0


def _pair(text: str) -> tuple[str, str]:
    begin, space, end = text.partition(" ")
    if not (begin and space and end):
        raise argparse.ArgumentTypeError(f"{text!r} is not 'BEGIN END'")
    return begin, end


def _set_at_eof(done: threading.Event) -> None:
    sys.stdin.read()
    done.set()


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m clew.testing", description=__doc__)
    parser.add_argument("--port", type=int, default=0, help="0 (default) = any free port")
    parser.add_argument("--script", metavar="FILE.jsonl", help="replies and rules, one per line")
    parser.add_argument("--random", action="store_true", help="answer with random text what the script does not answer")
    parser.add_argument(
        "--marker", action="append", default=[], type=_pair, metavar='"BEGIN END"', help="pair for random queries"
    )
    parser.add_argument("--p", type=float, default=0.5, help="probability that a random reply asks for something")
    parser.add_argument("--seed", type=int, help="of random text; default: the operating system's")
    parser.add_argument("--features", choices=sorted(PRESETS), default="all", help="kind of provider to play")
    parser.add_argument("--api-key", help="key that clients must send")
    parser.add_argument("--ledger", metavar="FILE", help="append one JSON line per request on arrival")
    parser.add_argument("--until-eof", action="store_true", help="also stop when standard input ends")
    return parser


if __name__ == "__main__":
    sys.exit(main())
