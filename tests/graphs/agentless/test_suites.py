"""Real test suites in real sandboxes: what is found, what passes, and what cannot make itself pass."""

from __future__ import annotations

import asyncio
import json
import os
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from clew.errors import ConfigError
from clew.graphs.agentless.blame import blame
from clew.graphs.agentless.repository import Workspace
from clew.graphs.agentless.suites import (
    Suite,
    affected,
    discover,
    guarded,
    run_base,
    run_covered,
    run_in_stages,
    run_suite,
)
from clew.graphs.agentless.types import Change, TestReport
from clew.journal import Journal, RunRow
from clew.journal.runs import Run, enter
from clew.sandbox import Box, Limits
from tests.graphs.agentless.repositories import LIMITS, commit, repository, suite_box, workspace
from tests.sandbox.conftest import BACKENDS

pytestmark = pytest.mark.anyio

SUITE = Suite(limits=LIMITS)
SHOP = {
    "src/shop/__init__.py": "",
    "src/shop/price.py": "RATE = 2\n\n\ndef total(prices):\n    result = 0\n    for price in prices[1:]:\n"
    "        result += price\n    return result * RATE\n\n\ndef free():\n    return 0\n",
    "tests/test_price.py": "import pytest\nfrom shop import price\n\n\ndef test_none():\n"
    "    assert price.total([]) == 0\n\n\n"
    "def test_some():\n    assert price.total([1, 2]) == 6\n\n\n"
    "@pytest.mark.parametrize('n', [0, 1])\ndef test_free(n):\n"
    "    assert price.free() == 0\n\n\n@pytest.mark.skip\ndef test_later():\n    assert False\n",
    "tests/test_other.py": "import unittest\n\n\nclass Test(unittest.TestCase):\n"
    "    def test_it(self):\n        self.assertEqual(1, 1)\n",
}
SOME = "tests/test_price.py::test_some"


@pytest.fixture(scope="module", params=BACKENDS)
def box(request: pytest.FixtureRequest) -> Iterator[Box]:
    made = suite_box(request.param)
    yield made
    asyncio.run(made.close())


@pytest.fixture
def process() -> Iterator[Box]:
    made = suite_box("process")
    yield made
    asyncio.run(made.close())


def outcomes(report: TestReport) -> dict[str, str]:
    return {result.name.rpartition("::")[2]: result.outcome for result in report.results}


async def test_tests_are_found_and_run_with_their_outcomes(box: Box, tmp_path: Path) -> None:
    tree = workspace(tmp_path, SHOP)
    found = await discover(box, SUITE, tree)
    assert found.tests == (
        "tests/test_other.py::Test::test_it", "tests/test_price.py::test_none", SOME,
        "tests/test_price.py::test_free[0]", "tests/test_price.py::test_free[1]", "tests/test_price.py::test_later",
    ), found  # fmt: skip
    report, covered = await run_covered(box, SUITE, tree, found.tests)
    assert report.complete and report.source == "junit" and report.exit_code == 1, report.output
    assert outcomes(report) == {
        "test_it": "passed", "test_none": "passed", "test_some": "failed", "test_free[0]": "passed",
        "test_free[1]": "passed", "test_later": "skipped",
    }  # fmt: skip
    assert "assert 4 == 6" in report.results[2].message
    assert covered.tests[SOME]["src/shop/price.py"] == {4, 5, 6, 7, 8}
    assert covered.modules["src/shop/price.py"] >= {1, 4, 11}
    assert SOME in covered.tests_of("src/shop/price.py", [7]) and len(covered.tests_of("src/shop/price.py", [12])) == 2
    passed = [result.name for result in report.results if result.outcome == "passed"]
    ranked = blame(covered, [SOME], passed)
    assert next(line for line in ranked if line[0].startswith("src")) == ("src/shop/price.py", 7)


async def test_flaky_tests_are_set_apart(process: Box, tmp_path: Path) -> None:
    text = "import os\n\n\ndef test_dice():\n    assert os.urandom(40)[0] % 2 == {}\n\n\ndef test_sure():\n    pass\n"
    tree = workspace(tmp_path, {"test_a.py": text.format(0) + "\n\ndef test_bad():\n    assert 0\n"})
    for _ in range(20):
        base = await run_base(process, SUITE, tree, [f"test_a.py::test_{name}" for name in ("dice", "sure", "bad")])
        assert base.complete and "test_a.py::test_sure" in base.passing and "test_a.py::test_bad" in base.failing
        if base.flaky:
            break
    assert base.flaky == ("test_a.py::test_dice",)


ATTACKS = {
    "exits early": "import os\n\n\ndef test_a():\n    os._exit(0)\n",
    "exits as it is imported": "import os\nos._exit(0)\n\n\ndef test_a():\n    assert 0\n",
    "writes the report and exits": (
        "import os, sys\n\n\ndef test_a():\n    place = next(a for a in sys.argv if a.startswith('--junitxml='))[11:]\n"
        "    open(place, 'w').write('<testsuite><testcase classname=\"test_a\" name=\"test_a\"/></testsuite>')\n"
        "    os._exit(0)\n"
    ),
    "removes all files and fails": (
        "import os, shutil, tempfile\n\n\ndef test_a():\n    for place in ('.', tempfile.gettempdir()):\n"
        "        for name in os.listdir(place):\n"
        "            shutil.rmtree(os.path.join(place, name), ignore_errors=True)\n"
        "    os._exit(0)\n"
    ),
    "kills the runner": "import os, signal\n\n\n"
    "def test_a():\n    os.kill(os.getppid(), signal.SIGKILL)\n    os._exit(0)\n",
    "never ends": "import time\n\n\ndef test_a():\n    while True:\n"
    "        try:\n            time.sleep(1)\n        except BaseException:\n            pass\n",
    "unregisters the plugin": (
        "def test_a(request):\n    manager = request.config.pluginmanager\n"
        "    manager.unregister(manager.get_plugin('clew_watch_hooks'))\n"
    ),
    "ends pytest": "import pytest\n\n\ndef test_a():\n    pytest.exit('done', 0)\n",
    "a fork bomb": "import os\n\n\ndef test_a():\n    while True:\n        os.fork()\n",
}  # fmt: skip


@pytest.mark.parametrize("attack", ATTACKS)
async def test_no_attack_is_a_pass(attack: str, box: Box, tmp_path: Path) -> None:
    tree = workspace(tmp_path, {"test_a.py": ATTACKS[attack]})
    suite = Suite(limits=Limits(seconds=4, memory=LIMITS.memory, disk=LIMITS.disk, processes=LIMITS.processes))
    report = await run_suite(box, suite, tree, ["test_a.py::test_a"])
    assert not report.complete and [each.outcome for each in report.results] == ["error"], report
    assert report.why and report.why in report.output


async def test_a_conftest_that_rewrites_outcomes_is_noticed(process: Box, tmp_path: Path) -> None:
    conftest = (
        "import pytest\n\n\n@pytest.hookimpl(hookwrapper=True)\ndef pytest_runtest_makereport(item, call):\n"
        "    outcome = yield\n    outcome.get_result().outcome = 'passed'\n"
    )
    tree = workspace(tmp_path, {"test_a.py": "def test_a():\n    assert 0\n", "conftest.py": conftest})
    report = await run_suite(process, SUITE, tree, ["test_a.py::test_a"])
    assert report.counts.error == 1 and report.counts.passed == 0, report
    expected = "import pytest\n\n\n@pytest.mark.xfail\ndef test_a():\n    assert 0\n"
    tree = workspace(tmp_path / "2", {"test_a.py": expected})
    assert (await run_suite(process, SUITE, tree, ["test_a.py::test_a"])).counts.skipped == 1


async def test_one_slow_test_fails_alone(process: Box, tmp_path: Path) -> None:
    text = "def test_slow():\n    while True:\n        pass\n\n\ndef test_fast():\n    pass\n"
    tree = workspace(tmp_path, {"test_a.py": text})
    report = await run_suite(
        process, Suite(limits=LIMITS, test_seconds=0.3), tree, ["test_a.py::test_slow", "test_a.py::test_fast"]
    )
    assert report.complete and outcomes(report) == {"test_slow": "failed", "test_fast": "passed"}, report
    assert "longer than 0.3 s" in report.results[0].message


async def test_a_file_that_breaks_takes_its_own_tests_with_it(process: Box, tmp_path: Path) -> None:
    tree = workspace(tmp_path, {"test_a.py": "import nothing_of_this_name\n", "test_b.py": "def test_b():\n    pass\n"})
    found = await discover(process, SUITE, tree)
    assert found.tests == ("test_b.py::test_b",) and "nothing_of_this_name" in found.broken["test_a.py"]
    report = await run_suite(process, SUITE, tree, ["test_a.py::test_a", "test_b.py::test_b"])
    assert outcomes(report) == {"test_a": "error", "test_b": "passed"} and report.complete, report


async def test_files_of_tests_may_have_any_name(process: Box, tmp_path: Path) -> None:
    files = [
        "-rf/test_a.py",
        "@x/test_b.py",
        "a b/test_c.py",
        "test_{report}.py",
        "f::g/test_h.py",
        "test_é.py",
    ]
    tree = workspace(tmp_path, dict.fromkeys(files, "def test_it():\n    pass\n"))
    found = await discover(process, SUITE, tree)
    assert sorted(found.tests) == sorted(f"{file}::test_it" for file in files), found
    report = await run_suite(process, SUITE, tree, found.tests)
    assert report.complete and report.counts.passed == len(files), report
    plain = [f"{file}::test_it" for file in files[:3]]
    assert (await run_suite(process, SUITE, tree, plain)).counts.passed == 3


async def test_a_name_that_is_no_text_harms_its_own_tests_alone(process: Box, tmp_path: Path) -> None:
    names = (os.fsdecode(b"test_\xff.py"), "test_b.py")
    tree = workspace(tmp_path, dict.fromkeys(names, "def test_it():\n    pass\n"))
    with Journal(tmp_path / "j.db") as journal:
        journal.create_run(RunRow(id="r"))
        enter(Run(journal, "r", lease=journal.acquire("r")))
        found = await discover(process, SUITE, tree)
        report = await run_suite(process, SUITE, tree, found.tests)
    assert len(found.tests) == 2 and report.complete and report.model_dump_json()
    assert {result.name: result.outcome for result in report.results}["test_b.py::test_it"] == "passed"


CONFIGURED = """[pytest]
addopts = -n auto --dist loadfile --cov=shop --cov-report term --reruns=2 --mine --strict-config --doctest-modules
required_plugins = pytest-nothing-of-this-name
unknown_option = 1
"""
DOCTEST = 'def one():\n    """\n    >>> one()\n    1\n    """\n    return 1\n'
OPTION = "def pytest_addoption(parser):\n    parser.addoption('--mine', action='store_true')\n"


async def test_options_of_plugins_that_are_not_there_are_no_reason_not_to_begin(box: Box, tmp_path: Path) -> None:
    files = {"pytest.ini": CONFIGURED, "conftest.py": OPTION, "shop.py": DOCTEST}
    test = "def test_a(request):\n    assert request.config.getoption('--mine')\n"
    tree = workspace(tmp_path, {**files, "test_a.py": test})
    found = await discover(box, SUITE, tree)
    assert found.tests == ("shop.py::shop.one", "test_a.py::test_a"), found
    assert "--cov=shop" in found.dropped and "--cov-report term" in found.dropped and "--mine" not in found.dropped
    report = await run_suite(box, SUITE, tree, found.tests)
    assert report.complete and report.counts.passed == 2 and report.why == "", report


async def test_tests_of_unittest_alone_are_found(process: Box, tmp_path: Path) -> None:
    text = (
        "import unittest\n\n\nclass Shop(unittest.TestCase):\n    def test_good(self):\n        pass\n\n"
        "    def test_bad(self):\n        self.assertEqual(1, 2)\n\n"
        "    @unittest.skip('later')\n    def test_later(self):\n        pass\n\n"
        "    def test_parts(self):\n        for n in range(2):\n            with self.subTest(n=n):\n"
        "                self.assertEqual(n, 0)\n\n\nif __name__ == '__main__':\n    unittest.main()\n"
    )
    tree = workspace(tmp_path, {"tests/__init__.py": "", "tests/test_shop.py": text})
    found = await discover(process, SUITE, tree)
    report = await run_suite(process, SUITE, tree, found.tests)
    assert report.complete and outcomes(report) == {
        "test_good": "passed", "test_bad": "failed", "test_later": "skipped", "test_parts": "failed"
    }, report  # fmt: skip


async def test_files_that_a_build_would_write_are_laid_where_there_are_none(process: Box, tmp_path: Path) -> None:
    test = "from shop import a, b\n\n\ndef test_a():\n    assert (a.V, b.V) == (1, 2)\n"
    tree = workspace(tmp_path, {"shop/__init__.py": "", "shop/a.py": "V = 1\n", "test_a.py": test})
    suite = Suite(limits=LIMITS, files={"shop/a.py": "V = 9\n", "shop/b.py": "V = 2\n"})
    assert (await run_suite(process, suite, tree, ["test_a.py::test_a"])).counts.passed == 1
    assert Suite.from_json(json.loads(json.dumps(suite.to_json()))) == suite


async def test_other_runners_are_read_by_their_files_or_their_exit_code(process: Box, tmp_path: Path) -> None:
    old = '<testsuite><testcase classname="c" name="old"/></testsuite>'
    new = old.replace("old", "new")
    tree = workspace(tmp_path, {"out/old.xml": old, "new.txt": new})
    suite = Suite.of("sh -c 'cp new.txt out/new.xml'", ["out/*.xml"], limits=LIMITS)
    report = await run_suite(process, suite, tree)
    assert report.complete and [each.name for each in report.results] == ["c::new"], report
    assert (await discover(process, suite, tree)).tests == ("c::new",)
    report = await run_suite(process, Suite.of("sh -c 'exit 3'", limits=LIMITS), tree)
    assert (report.source, report.exit_code, report.counts.failed) == ("exit_code", 3, 1)
    report = await run_suite(process, Suite.of("true", setup=["false"], limits=LIMITS), tree)
    assert not report.complete and report.counts.error == 1 and "setup failed" in report.results[0].message


async def test_a_resumed_run_performs_no_recorded_test_run_again(process: Box, tmp_path: Path) -> None:
    tree = workspace(tmp_path, SHOP)
    with Journal(tmp_path / "j.db") as journal:
        journal.create_run(RunRow(id="r"))
        reports = []
        for performed in (2, 0):
            lease = journal.acquire("r")
            enter(run := Run(journal, "r", lease=lease))
            reports.append(await run_base(process, SUITE, tree, [SOME]))
            assert (run.performed, run.replayed) == (performed, 2 - performed)
            journal.release("r", lease)
        assert reports[0] == reports[1] and reports[0].failing == (SOME,)


async def test_survivors_alone_meet_all_tests(process: Box, tmp_path: Path) -> None:
    tree = workspace(tmp_path, SHOP)
    rest = ["tests/test_price.py::test_none", "tests/test_other.py::Test::test_it"]
    assert outcomes(await run_in_stages(process, SUITE, tree, [SOME], rest)) == {"test_some": "failed"}
    both = await run_in_stages(process, SUITE, tree, rest[:1], rest)
    assert outcomes(both) == {"test_none": "passed", "test_it": "passed"}


def test_affected_tests_are_those_that_name_the_file(tmp_path: Path) -> None:
    tree = workspace(tmp_path, SHOP)
    tests = [SOME, "tests/test_other.py::Test::test_it"]
    assert affected(tree, ["src/shop/price.py"], tests) == [SOME]
    assert affected(tree, ["src/shop/__init__.py"], tests) == [SOME]
    assert affected(tree, ["lib/other.py"], tests) == tests[1:]
    assert affected(tree, [], tests) == []


def test_a_candidate_is_judged_by_nothing_that_it_wrote(tmp_path: Path) -> None:
    base = workspace(tmp_path, {**SHOP, "conftest.py": "A = 1\n"})

    def changed(path: str, text: str | None) -> Workspace:
        before = base.read(path) if path in base.entries else None
        return base.apply(base.diff([Change(path=path, before=before, after=text)]))

    for path, text in [("conftest.py", "A = 2\n"), ("tests/test_price.py", None), ("pytest.ini", "[pytest]\n")]:
        tree, restored = guarded(base, changed(path, text))
        assert restored == (path,) and tree.tree == base.tree
    mine = changed("src/shop/price.py", "x = 1\n")
    assert guarded(base, mine) == (mine, ())


def test_modes_links_and_bytes_of_tests_are_put_back(tmp_path: Path) -> None:
    repo = repository(tmp_path / "repo", {**SHOP, "tests/data.bin": b"\0\1", "tests/run.sh": "exit 0\n"})
    base = Workspace.make(repo, "HEAD", tmp_path / "workspace")
    (repo / "tests/run.sh").chmod(0o755)
    (repo / "tests/data.bin").write_bytes(b"\0\2")
    (repo / "tests/test_price.py").unlink()
    (repo / "tests/test_price.py").symlink_to("/etc/passwd")
    (repo / "src/shop/price.py").write_text("x = 1\n")
    commit(repo)
    other = Workspace.make(repo, "HEAD", tmp_path / "other")
    (base.folder / "git/objects/info/alternates").write_text(f"{other.folder}/git/objects\n")
    tree, restored = guarded(base, replace(base, tree=other.tree))
    assert restored == ("tests/data.bin", "tests/run.sh", "tests/test_price.py")
    assert {path for path in base.entries if base.entries[path] != tree.entries[path]} == {"src/shop/price.py"}


def test_suites_say_what_is_wrong_with_them() -> None:
    for bad in (lambda: Suite(()), lambda: Suite(kind="junit"), lambda: Suite.of("'"), lambda: Suite(test_seconds=0)):
        with pytest.raises(ConfigError):
            bad()
    for command in ("py\0test", "\udcff pytest", "true 'x"):
        for words, setup in ((command, []), ("pytest", [command])):
            with pytest.raises(ConfigError, match="command"):
                Suite.of(words, setup=setup)
    assert Suite.of("python -m pytest -q").kind == "pytest" and Suite.of("make test").kind == "exit_code"
    with pytest.raises(ConfigError, match="empty"):
        Suite.of("pytest", setup=[""])


def test_what_only_a_shell_understands_is_refused() -> None:
    for line, word in [
        ("pytest tests && echo done", "'&&'"),
        ("make || true", "'||'"),
        ("pytest | tee log", "'|'"),
        ("make ; pytest", "';'"),
        ("make; pytest", "'make;'"),
        ("echo x > made.txt", "'>'"),
        ("echo x >> made.txt", "'>>'"),
        ("cat >made.txt", "'>made.txt'"),
        ("cat < made.txt", "'<'"),
        ("pytest 2>&1", "'2>&1'"),
        ("server &", "'&'"),
        ("cd tests", "'cd'"),
        ("A=1 pytest", "'A=1'"),
    ]:
        for command, setup in ((line, []), ("pytest", [line])):
            with pytest.raises(ConfigError) as told:
                Suite.of(command, setup=setup)
            assert str(told.value).startswith(f"{word} in '{line}'") and f"sh -c '{line}'" in str(told.value), (
                told.value
            )
    assert "give env A=1 pytest, or" in str(told.value)
    for line, words in [
        ("pytest -k 'a | b'", ("pytest", "-k", "a | b")),
        ("pytest -k 'a and b' x;y a=b", ("pytest", "-k", "a and b", "x;y", "a=b")),
        ("pytest 'test_a.py::test_a[<lambda>]'", ("pytest", "test_a.py::test_a[<lambda>]")),
        ("grep '>' a", ("grep", ">", "a")),
        (r"find . -exec cat {} \;", ("find", ".", "-exec", "cat", "{}", ";")),
        ("sh -c 'cd a && b > c'", ("sh", "-c", "cd a && b > c")),
    ]:
        made = Suite.of(line, setup=[line])
        assert made.command == made.setup[0] == words


def test_a_command_is_known_by_what_stands_behind_env_and_in_a_shell() -> None:
    assert Suite.of("python3.11 -B tools/check.py src").decides("tools/check.py")
    assert not Suite.of("python3 -m pytest").decides("src/pytest.py")
    assert Suite.of("env A=1 ./run.py").decides("run.py") and not Suite.of("env A=1 true").decides("run.py")
    made = Suite.of("env A=1 PYTHONPATH=a:b python3 -m pytest", python_path=("src",))
    assert (made.command, made.python_path) == (("env", "A=1", "python3", "-m", "pytest"), ("a", "b", "src"))
    assert made.kind == "pytest"
    assert {Suite.of(line).kind for line in ("sh -c pytest", "env A=1 sh -c 'cd x && /bin/pytest'")} == {"exit_code"}
