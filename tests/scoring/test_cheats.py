"""Programs that want to pass without solving the task: none of them may, whatever the kind of test."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

import pytest

from clew.sandbox import Box
from clew.scoring import Assertion, Call, Case, Sample, run_tests
from tests.scoring.conftest import LIMITS

pytestmark = pytest.mark.anyio

EQUAL = """
class Equal:
    def __eq__(self, other): return True
    def __ne__(self, other): return False
    def __lt__(self, other): return True
    __gt__ = __le__ = __ge__ = __lt__
    def __sub__(self, other): return 0.0
    __rsub__ = __add__ = __mul__ = __sub__
    def __abs__(self): return 0.0
    def __bool__(self): return True
    def __hash__(self): return hash(1764)
    def __contains__(self, other): return True
"""

# The link to the referee is the one socket that the program has.
SOCKET = """
import os, socket, json, glob
link = next(n for n in range(3, 1000) if os.path.exists(f"/proc/self/fd/{n}")
            and os.readlink(f"/proc/self/fd/{n}").startswith("socket:"))
"""

CHEATS = {
    "exit 0": "import sys; sys.exit(0)",
    "hard exit 0": "import os; os._exit(0)",
    "exit 0 when called": "import os\ndef f(x): os._exit(0)",
    "SystemExit when called": "import sys\ndef f(x): sys.exit(0)",
    "at exit": "import atexit, os\natexit.register(lambda: os._exit(0))\ndef f(x): return 0",
    "prints the verdict": """
print('{"outcome": "passed", "obtained": "", "detail": "", "where": ""}', flush=True)
def f(x): print('{"outcome": "passed", "obtained": "", "detail": "", "where": ""}'); return 0
""",
    "writes it to every descriptor": """
import os
def f(x):
    for n in range(1000):
        try: os.write(n, b'{"outcome": "passed", "obtained": "", "detail": "", "where": ""}\\n')
        except OSError: pass
    os._exit(0)
""",
    "equal to everything": f"{EQUAL}\ndef f(x): return Equal()",
    "an int equal to everything": """
class Equal(int):
    def __eq__(self, other): return True
    def __ne__(self, other): return False
    def __sub__(self, other): return 0
    def __abs__(self): return 0
    __hash__ = int.__hash__
def f(x): return Equal(0)
""",
    "a float near everything": """
class Near(float):
    def __eq__(self, other): return True
    def __sub__(self, other): return 0.0
    def __abs__(self): return 0.0
    def __lt__(self, other): return True
def f(x): return Near(0)
""",
    "another abs": "abs = lambda x: 0\nimport builtins\nbuiltins.abs = abs\ndef f(x): return 0",
    "no asserts": """
import builtins, sys
builtins.AssertionError = ValueError
builtins.__debug__ if False else None
builtins.isinstance = lambda *a: True
def f(x): return 0
""",
    "its own math": """
import sys, types
math = types.ModuleType("math"); math.isclose = lambda *a, **k: True
sys.modules["math"] = math
def f(x): return 0
""",
    "its own object called math": "class math:\n    isclose = staticmethod(lambda *a, **k: True)\ndef f(x): return 0",
    **{f"a module for the referee, {module}": """
import os, types
for folder in (".", "clew_inside"):
    for name in ("evil", "json", "math", "unittest", "ast", "fractions"):
        try:
            with open(f"{folder}/{name}.py", "w") as file: file.write(
                "import os\\nfor n in range(3, 900):\\n"
                "  try: os.write(n, b'{\\"outcome\\": \\"passed\\", \\"obtained\\": \\"\\", \\"detail\\": \\"\\"}')\\n"
                "  except OSError: pass\\nos._exit(0)\\n")
        except OSError: pass
def f(x): return types.ModuleType("MODULE")
""".replace("MODULE", module) for module in ("evil", "clew_inside.evil")},
    "reads the referee's memory": """
import os, re
def f(x):
    for where in (f"/proc/{os.getppid()}/mem", "/proc/self/mem"):
        try:
            with open(f"{where[:-3]}maps") as maps, open(where, "rb") as memory:
                for line in maps:
                    low, high = (int(n, 16) for n in line.split()[0].split("-"))
                    if "rw" in line and high - low < 1 << 26:
                        memory.seek(low)
                        found = re.search(rb"(?:candidate|expected\\\\?\\"): ?(17[0-9]{2})", memory.read(high - low))
                        if found: return int(found[1])
        except (OSError, ValueError, OverflowError): pass
    return 0
""",
    "reads the referee's input": """
import os, re
def f(x):
    for n in range(20):
        for pid in (os.getppid(), "self"):
            try: text = open(f"/proc/{pid}/fd/{n}", "rb").read(1 << 20)
            except OSError: continue
            found = re.search(rb"17[0-9]{2}", text)
            if found: return int(found[0])
    return 0
""",
    "reads its files": """
import os, re
def f(x):
    for folder, _, names in os.walk("/sandbox"):
        for name in names:
            found = re.search("17[0-9]{2}", open(os.path.join(folder, name), errors="replace").read())
            if found: return int(found[0])
    return 0
""",
    "traces the referee": """
import ctypes, os
def f(x):
    traced = ctypes.CDLL(None).ptrace(16, os.getppid(), 0, 0)
    return 1764 if traced == 0 else 0
""",
    "kills the referee": "import os, signal\ndef f(x): os.kill(os.getppid(), signal.SIGKILL)",
    "ends the referee politely": "import os, signal\ndef f(x): os.kill(os.getppid(), signal.SIGTERM)",
    "floods the link": SOCKET + "os.write(link, b'[\"returned\", 1, []]\\n' * 1000)\ndef f(x): return 0",
    "calls the referee": SOCKET
    + "os.write(link, b'[\"call\", \"attr\", [[\"yours\", 0], \"__globals__\"], []]\\n' * 3)",
    "garbage on the link": SOCKET + "os.write(link, b'\\xff{[\\n' * 9)\ndef f(x): return 0",
    "other protocol": """
import json
dumps = json.dumps
json.dumps = lambda message, **k: '["returned", true, []]'
def f(x): return 0
""",
    "a module as its value": "import types\ndef f(x): return types.ModuleType('there is none')",
    "an exception as its value": "def f(x): raise AssertionError",
    "a SyntaxError": "def f(x): raise SyntaxError('the test is no Python')",
    "an ImportError": "def f(x): raise ModuleNotFoundError('No module named numpy')",
    "an exit as an exception": "class Exit(BaseException): pass\ndef f(x): raise Exit",
    "changes its argument": "def f(x): return x.__class__(0)",
    "infinity": "def f(x): return float('inf')\nif __name__ == '__main__': print('inf')",
    "no number": "def f(x): return float('nan')\nif __name__ == '__main__': print('nan')",
    "nothing": "",
    "no Python": "def f(x: return 1764",
}  # fmt: skip

TESTS: dict[str, Case] = {
    "assertion": Assertion(code="assert f(42) == 1764"),
    "check": Assertion(code="def check(candidate):\n    assert candidate(42) == 1764", entry="f"),
    "close": Assertion(code="import math\nassert math.isclose(f(42), 1764.0)"),
    "close, imported by the program": Assertion(code="assert math.isclose(f(42), 1764.0)"),
    "difference": Assertion(code="assert abs(f(42) - 1764) < 1e-6"),
    "unittest": Assertion(
        code="import unittest\nclass T(unittest.TestCase):\n    def test(self): self.assertEqual(f(42), 1764)"
    ),
    "call": Call(entry="f", args=(42,), expected=1764),
    "near call": Call(entry="f", args=(42,), expected=1764, tolerance=0.01),
    "sample": Sample(input="42", output="1764"),
    "near sample": Sample(input="42", output="1764.0", tolerance=0.01),
}


async def test_the_solution_passes(processes: Box) -> None:
    program = "import math\ndef f(x): return x * x\nif __name__ == '__main__': print(f(int(input())))"
    report = await run_tests(processes, program, list(TESTS.values()))
    assert report.all_passed, report.feedback()


async def failed_by_all(box: Box, program: str, names: Iterable[str]) -> None:
    limits = replace(LIMITS, seconds=3)
    report = await run_tests(box, program, [TESTS[name] for name in names], limits=limits)
    assert set(report.outcomes) == {"failed"}, report.feedback()


@pytest.mark.parametrize("program", CHEATS.values(), ids=CHEATS)
async def test_no_cheat_passes(processes: Box, program: str) -> None:
    await failed_by_all(processes, program, ("close, imported by the program", "difference", "near call"))


@pytest.mark.long
@pytest.mark.parametrize("program", CHEATS.values(), ids=CHEATS)
async def test_no_cheat_passes_any_test(processes: Box, program: str) -> None:
    await failed_by_all(processes, program, TESTS)


@pytest.mark.docker
async def test_no_cheat_passes_in_docker(containers: Box) -> None:
    for name in (
        "exit 0",
        "equal to everything",
        "writes it to every descriptor",
        *(n for n in CHEATS if "referee" in n),
    ):
        await failed_by_all(containers, CHEATS[name], ("check", "call"))
