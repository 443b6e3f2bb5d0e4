"""Hostile repositories, patches and tests: each comes to a clear outcome, and nothing of it leaves the workspace.

What a workspace refuses to hold is in `test_repository`, what a patch may not touch in `test_patches`, how tests cannot
make themselves pass in `test_suites`, and patches that change their judge in `test_tampering`.
"""

from __future__ import annotations

import asyncio
import os
import socket
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import pytest

from clew.errors import NotText, PatchRefused, RepositoryError
from clew.graphs.agentless.candidates import Texts, from_answer
from clew.graphs.agentless.edits import MAX_ANSWER, MAX_BLOCKS
from clew.graphs.agentless.locations import parse_files, parse_folders, parse_mentions
from clew.graphs.agentless.repository import MAX_TEXT, Workspace
from clew.graphs.agentless.structure import read_structure
from clew.graphs.agentless.suites import Suite, discover, guarded, run_suite
from clew.graphs.agentless.types import Candidate, Change, TestReport
from clew.sandbox import Box, Limits
from clew.sandbox.types import MiB
from tests.graphs.agentless.repositories import LIMITS, commit, git, repository, suite_box, workspace, write
from tests.sandbox.conftest import BACKENDS

pytestmark = pytest.mark.anyio

SUITE = Suite(limits=LIMITS)
LONG = pytest.mark.long
SHOP: dict[str, str | bytes] = {
    "src/shop/__init__.py": "",
    "src/shop/price.py": "def total(prices):\n    return sum(prices[1:])\n",
    "tests/test_price.py": "from shop import price\n\n\ndef test_some():\n    assert price.total([1, 2]) == 3\n",
}
SOME = "tests/test_price.py::test_some"
HIDDEN = "the-gold-patch-3f9a1c"


@pytest.fixture(scope="module", params=BACKENDS)
def box(request: pytest.FixtureRequest) -> Iterator[Box]:
    made = suite_box(request.param)
    yield made
    asyncio.run(made.close())


@pytest.fixture(scope="module")
def process() -> Iterator[Box]:
    made = suite_box("process")
    yield made
    asyncio.run(made.close())


def listing(folder: Path) -> list[tuple[str, int]]:
    """Everything below a folder, but what git packs away."""
    found = (path for path in folder.rglob("*") if "objects" not in path.parts)
    return sorted((str(path), path.lstat().st_size if not path.is_dir() else 0) for path in found)


# Answers of models and patches -----------------------------------------------------------------------------------

BLOCK = "### {}\n<<<<<<< SEARCH\n{}=======\n{}>>>>>>> REPLACE\n"
WANTED = ("return sum(prices[1:])", "return sum(prices)")
GOOD = BLOCK.format("src/shop/price.py", *(f"    {line}\n" for line in WANTED))
HUGE = 50 * MiB
ANSWERS = {
    "50 MB of new text": (BLOCK.format("src/new.py", "", "x = 1\n" * (HUGE // 6)), "characters"),
    "50 MB in one line": ("x" * HUGE, "characters"),
    "50 MB of open blocks": ("<<<<<<< SEARCH\n" * (HUGE // 15), "characters"),
    "too many blocks": (GOOD * (MAX_BLOCKS + 1), "blocks"),
    "as many dividers as fit": (
        "### src/shop/price.py\n<<<<<<< SEARCH\nx\n" + "=======\n" * (MAX_ANSWER // 9), "REPLACE`"
    ),
    "binary text": (BLOCK.format("src/new.py", "", "a\0b\n"), "no UTF-8"),
    "half characters": (BLOCK.format("src/new.py", "", "a\ud800b\n"), "no UTF-8"),
    "a link as a file": (BLOCK.format("out/passwd", "", "x\n"), "out/passwd"),
    "a link itself": (BLOCK.format("out", "/etc\n", "/tmp\n"), "out"),
    "a submodule": (BLOCK.format("vendored/a.py", "", "x\n"), "vendored"),
    "a path above": (BLOCK.format("src/../../escaped.py", "", "x\n"), "escaped.py"),
    "a path of the host": (BLOCK.format("/tmp/escaped.py", "", "x\n"), "escaped.py"),
    "a hook": (BLOCK.format(".git/hooks/post-checkout", "", "#!/bin/sh\n"), "hooks"),
    "a hook of a folder in it": (BLOCK.format("src/.GIT/hooks/pre-commit", "", "#!/bin/sh\n"), "hooks"),
    "a command for a path": (BLOCK.format("$(touch escaped).py;`touch escaped`", "", "x\n"), ""),
    "a name as long as a path": (BLOCK.format("x" * 300 + ".py", "", "x\n"), "x"),
    "a path of a thousand folders": (BLOCK.format("x/" * 1000 + "a.py", "", "x\n"), "x"),
}  # fmt: skip


@pytest.fixture(scope="module")
def tree(tmp_path_factory: pytest.TempPathFactory) -> Workspace:
    folder = tmp_path_factory.mktemp("tree")
    inner = repository(folder / "inner", {"a.py": "1\n"})
    source = repository(folder / "repo", SHOP)
    (source / "out").symlink_to("/etc")
    git(source, "submodule", "--quiet", "add", str(inner), "vendored")
    commit(source)
    return Workspace.make(source, "HEAD", folder / "workspace")


@pytest.mark.parametrize("name", ANSWERS)
def test_a_hostile_answer_is_a_reason(name: str, tree: Workspace) -> None:
    before = listing(tree.folder.parent)
    answer, why = ANSWERS[name]
    made = from_answer(answer, tree, Texts(tree), (), set=0, sample=0)
    assert why in made.reason or not made.diff, made.reason
    assert (bool(made.diff), bool(made.key)) == (False, False) and made.reason and len(made.reason) < 10_000
    assert listing(tree.folder.parent) == before
    assert Candidate.model_validate(made.model_dump(mode="json")).reason == made.reason
    if len(answer) < MAX_ANSWER // 2:  # what is good in the same answer is used, or refused with it
        both = from_answer(f"{GOOD}\n{answer}", tree, Texts(tree), (), set=0, sample=0)
        assert both.reason or [change.path for change in tree.changes_of(both.diff)] == ["src/shop/price.py"]


@pytest.mark.parametrize("answer", [f"```\n{'x' * HUGE}\n```", "src/shop/price.py\n" * (HUGE // 18), "`" * HUGE])
def test_hostile_lists_of_places_are_read_to_their_end(answer: str, tree: Workspace) -> None:
    paths = list(tree.paths())
    assert set(parse_files(answer, paths).paths) <= {"src/shop/price.py"}
    assert set(parse_folders(answer, paths)) <= {"src", "src/shop"}
    parse_mentions(answer, paths)


@pytest.mark.parametrize("text", ["+x\n" * (HUGE // 3), "+" + "x" * HUGE, "\0" * HUGE])
def test_a_patch_of_50_mb_is_refused_before_git_sees_it(text: str, tree: Workspace) -> None:
    before = listing(tree.folder.parent)
    with pytest.raises(PatchRefused, match=r"above|binary"):
        tree.apply(f"--- /dev/null\n+++ b/new.py\n@@ -0,0 +1 @@\n{text}")
    assert listing(tree.folder.parent) == before
    with pytest.raises(PatchRefused):
        tree.diff([Change(path="new.py", before=None, after=text)])


# Repositories ----------------------------------------------------------------------------------------------------

NAMES = [
    "-rf", "--help.py", "-p evil.py", "$(touch pwned).py", "`touch pwned`.py", "a;touch pwned;.py", "a|b.py", "'\".py",
    "\\..\\x.py", "tests/-x_test.py", "tests/test_a b$(touch pwned).py", "src/con", "%s{0}{x}.py", "ünïcödé/ﬀ.py", "~",
    " ", "{{ x }}.py", "HEAD", "refs/heads/main",
]  # fmt: skip
LINKS = {"loop": "loop", "one": "two", "two": "one", "etc": "/etc/passwd", "tests/test_link.py": "/etc/passwd"}
# A runner that follows these finds the whole machine.
AROUND = {"here": ".", "up": "../.."}
LFS = "version https://git-lfs.github.com/spec/v1\noid sha256:" + "a" * 64 + "\nsize 99999999999\n"


def hostile(folder: Path) -> Path:
    """A repository of all that is odd and yet possible."""
    source = repository(folder, {**SHOP, "model.bin": LFS, "huge.py": b"x = 1\n" * (MAX_TEXT // 5)})
    write(source, {name: "x = 1\n" for name in NAMES})
    write(source, {"line.py": "x = [" + "1, " * 100_000 + "]\n", "nested.py": "(" * 5_000, "nul.py": b"x\0"})
    write(source, {"d/" * 60 + "deep.py": "x = 1\n", os.fsdecode(b"n\xff.py"): "1\n", "new\nline.py": "1\n"})
    write(
        source,
        {
            ".gitattributes": "*.bin filter=lfs diff=lfs merge=lfs -text\n*.py filter=evil\n",
            ".lfsconfig": "[lfs]\n\turl = ext::sh -c 'touch pwned'\n",
            ".gitmodules": '[submodule "-x"]\n\tpath = sub\n'
            '\turl = ext::sh -c "touch pwned"\n\tupdate = !touch pwned\n',
            ".gitconfig": "[core]\n\tfsmonitor = touch pwned\n",
        },
    )
    for link, target in {**LINKS, **AROUND}.items():
        (source / link).symlink_to(target)
    git(source, "add", "--all")
    git(source, "update-index", "--add", "--cacheinfo", f"160000,{'1' * 40},sub")
    git(source, "commit", "--quiet", "--message", "$(touch pwned)")
    return source


async def test_a_repository_of_all_that_is_odd_is_read_patched_and_tested(box: Box, tmp_path: Path) -> None:
    source = hostile(tmp_path / "repo")
    made = Workspace.make(source, "HEAD", tmp_path / "workspace")
    paths = made.paths()
    assert set(SHOP) <= set(paths) and {"model.bin", "--help.py", "d/" * 60 + "deep.py", "HEAD", " "} <= set(paths)
    assert not [path for path in paths if "\n" in path or path in ("loop", "one", "here", "up", "etc", "sub")]
    assert made.read("model.bin") == LFS
    for path in ("huge.py", "nul.py", "etc", "sub", "here"):
        with pytest.raises(NotText):
            made.read(path)
    found = read_structure(made)
    assert "src/shop/price.py" in found.outlines and "huge.py" in found.skipped
    assert {"line.py", "nested.py", "--help.py"} <= found.outlines.keys()
    for link in AROUND:
        (source / link).unlink()
    made = Workspace.make(source, commit(source), tmp_path / "straight")
    mended = from_answer(GOOD, made, Texts(made), (), set=0, sample=0)
    applied, _ = guarded(made, made.apply(mended.diff))
    suite = Suite(limits=Limits(seconds=40, memory=512 * MiB, disk=64 * MiB, processes=128))
    discovery = await discover(box, suite, applied)
    assert SOME in discovery.tests, discovery
    report = await run_suite(box, suite, applied, [SOME])
    assert report.complete and report.counts.passed == 1, report
    assert not list(tmp_path.rglob("pwned"))


@pytest.mark.parametrize(("depth", "fits"), [(6, True), (20, False)])
def test_folders_deeper_than_a_path_are_left_out_or_told(tmp_path: Path, depth: int, fits: bool) -> None:
    source = repository(tmp_path / "repo", SHOP)
    blob = git(source, "rev-parse", "HEAD:src/shop/price.py")
    tree = git(source, "mktree", stdin=f"100644 blob {blob}\ta.py\n".encode())
    for _ in range(depth):
        tree = git(source, "mktree", stdin=f"040000 tree {tree}\t{'d' * 250}\n".encode())
    root = f"{git(source, 'ls-tree', 'HEAD')}\n040000 tree {tree}\tdeep\n"
    whole = git(source, "mktree", stdin=root.encode())
    made = Workspace.make(source, git(source, "commit-tree", "-m", "x", whole), tmp_path / "workspace")
    assert set(made.paths()) == set(SHOP)
    if fits:
        assert (made.checkout() / "src/shop/price.py").exists()
    else:
        with pytest.raises(RepositoryError, match="checkout-index"):
            made.checkout()
        assert list((tmp_path / "workspace" / "trees").iterdir()) == []


# Tests that attack -----------------------------------------------------------------------------------------------


@contextmanager
def listener() -> Iterator[tuple[int, list[str]]]:
    """A port of this host, and who came to it."""
    came: list[str] = []
    server = socket.create_server(("0.0.0.0", 0))
    server.settimeout(0.2)
    over = threading.Event()

    def serve() -> None:
        while not over.is_set():
            try:
                came.append(str(server.accept()[1]))
            except TimeoutError:
                continue

    thread = threading.Thread(target=serve)
    thread.start()
    try:
        yield server.getsockname()[1], came
    finally:
        over.set()
        thread.join()
        server.close()


# Each writes what it achieved into its failure; a test that contains it passes.
TESTS = {
    "it writes outside": """
        import os
        for place in ("../escaped", "/escaped", "/tmp/../escaped", os.path.expanduser("~/escaped"), "{host}/escaped"):
            try:
                open(place, "w").write("x")
            except OSError:
                pass
    """,
    "it deletes all that it can": """
        import os, shutil
        for place in ("/", "..", ".", "{host}"):
            for name in os.listdir(place) if os.path.isdir(place) else []:
                shutil.rmtree(os.path.join(place, name), ignore_errors=True)
    """,
    "it kills whom it can": """
        import os, signal
        for pid in range(2, 50000):
            if pid not in (os.getpid(), os.getppid()):
                try:
                    os.kill(pid, signal.SIGKILL)
                except OSError:
                    pass
    """,
    "it looks for other candidates and the gold patch": """
        import os
        found = []
        for folder, folders, names in os.walk("/"):
            folders[:] = [f for f in folders if os.path.join(folder, f) not in ("/proc", "/sys", "/usr", "/dev")]
            if "site-packages" in folder or "python3" in folder:
                continue
            for name in names:
                try:
                    with open(os.path.join(folder, name), "rb") as file:
                        found += [folder] * (b"{neddih}"[::-1] in file.read(1 << 20))
                except OSError:
                    pass
        found += [name for name, value in os.environ.items() if "{neddih}"[::-1] in value]
        assert not found
    """,
    "it calls home": """
        import socket, urllib.request
        for address in (("127.0.0.1", {port}), ("{address}", {port}), ("140.82.121.4", 443), ("pypi.org", 443)):
            try:
                socket.create_connection(address, 1).close()
            except OSError:
                continue
            raise AssertionError(address)
    """,
    "it has no history": """
        import os, subprocess
        assert not os.path.exists(".git")
        done = subprocess.run("git log; git reflog; git fetch --all", shell=True, capture_output=True, text=True)
        assert done.returncode and "commit " not in done.stdout
    """,
}  # fmt: skip


@pytest.mark.parametrize("name", TESTS)
async def test_what_tests_attack_stays_as_it_is(
    name: str, process: Box, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    await attacked_by_test(process, name, tmp_path, monkeypatch)


@pytest.mark.docker
async def test_what_tests_attack_from_a_container_stays_as_it_is(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    container = suite_box("docker")
    try:
        for number, name in enumerate(TESTS):
            await attacked_by_test(container, name, tmp_path / str(number), monkeypatch)
    finally:
        await container.close()


async def attacked_by_test(box: Box, name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SOME_API_KEY", HIDDEN)
    with listener() as (port, came):
        words = {
            "{host}": str(tmp_path), "{neddih}": HIDDEN[::-1], "{port}": str(port),
            "{address}": socket.gethostbyname(socket.gethostname()),
        }  # fmt: skip
        body = TESTS[name]
        for word, value in words.items():
            body = body.replace(word, value)
        text = "def test_attack():" + body.replace("\n    ", "\n") + "\n\ndef test_after():\n    pass\n"
        made = workspace(tmp_path, {**SHOP, "test_attack.py": text})
        other = made.apply(made.diff([Change(path="other.py", before=None, after=f"x = '{HIDDEN}'\n")]))
        other.checkout()
        (tmp_path / "gold.patch").write_text(HIDDEN)
        made.checkout()
        before = listing(tmp_path)
        report = await run_suite(box, SUITE, made, ["test_attack.py::test_attack", "test_attack.py::test_after"])
        assert not came
    assert (
        listing(tmp_path) == before and not Path("/escaped").exists() and not Path.home().joinpath("escaped").exists()
    )
    if "delete" in name:
        assert report.counts.passed == 2 * report.complete, report
    else:
        assert report.complete and report.counts.passed == 2, report
    if "delete" in name or "kills" in name:
        again = await run_suite(box, SUITE, other, [SOME])
        assert again.complete and again.counts.failed == 1, "the next run is untouched"


CONFTESTS = {
    "ends the process well": "import os\nos._exit(0)\n",
    "ends pytest well": "import pytest\npytest.exit('done', returncode=0)\n",
    "says that nothing failed": (
        "def pytest_sessionfinish(session, exitstatus):\n    session.exitstatus = 0\n\n\n"
        "def pytest_unconfigure(config):\n    import os\n    os._exit(0)\n"
    ),
    "writes the report itself": (
        "import os\n\n\ndef pytest_collection_finish(session):\n    place = session.config.option.xmlpath\n"
        '    case = \'<testcase classname="tests.test_price" name="test_some"/>\'\n'
        "    open(place, 'w').write(f'<testsuite tests=\"1\">{case}</testsuite>')\n    os._exit(0)\n"
    ),
    "rewrites reports": (
        "import pytest\n\n\n@pytest.hookimpl(hookwrapper=True)\ndef pytest_runtest_makereport(item, call):\n"
        "    outcome = yield\n    outcome.get_result().outcome = 'passed'\n"
    ),
    "takes the tests away": "def pytest_collection_modifyitems(items):\n    items.clear()\n",
    "kills its parent": "import os, signal\nos.kill(os.getppid(), signal.SIGKILL)\n",
    "kills its group": "import os, signal\nos.killpg(0, signal.SIGKILL)\n",
    "prints without end": "while True:\n    print('x' * 10000)\n",
    "starts a fork bomb": "import os\nwhile True:\n    try:\n        os.fork()\n    except OSError:\n        pass\n",
    "fills the disk": "with open('full', 'wb') as file:\n    while True:\n        file.write(b'x' * (1 << 20))\n",
    "takes all memory": "x = []\nwhile True:\n    x.append(bytearray(1 << 24))\n",
    "hangs": "import signal, time\nsignal.pthread_sigmask(signal.SIG_BLOCK, range(1, 64))\ntime.sleep(999)\n",
    "breaks its own reading": "def pytest_configure(:\n",
}
IN_DOCKER = ("kills its parent", "starts a fork bomb")
WHOLE = ("ends the process well", "fills the disk")
QUICK = (*WHOLE, "writes the report itself", "kills its parent")


def judged(report: TestReport) -> str:
    return f"complete={report.complete} {[result.outcome for result in report.results]} {report.output[-300:]}"


@pytest.mark.parametrize("name", [name if name in QUICK else pytest.param(name, marks=LONG) for name in CONFTESTS])
async def test_a_malicious_conftest_of_the_repository_is_never_a_pass(name: str, process: Box, tmp_path: Path) -> None:
    await attacked_by_conftest(process, name, tmp_path, whole=name in WHOLE)


@pytest.mark.docker
async def test_a_malicious_conftest_in_a_container(tmp_path: Path) -> None:
    container = suite_box("docker")
    try:
        for number, name in enumerate(IN_DOCKER):
            await attacked_by_conftest(container, name, tmp_path / str(number), whole=True)
    finally:
        await container.close()


async def attacked_by_conftest(box: Box, name: str, folder: Path, *, whole: bool = False) -> None:
    suite = Suite(limits=Limits(seconds=4, memory=256 * MiB, disk=16 * MiB, processes=64))
    made = workspace(folder, {**SHOP, "conftest.py": CONFTESTS[name]})
    before = listing(made.checkout())
    report = await run_suite(box, suite, made, [SOME])
    assert report.counts.passed == 0 and report.counts.failed + report.counts.error == 1, judged(report)
    assert listing(made.checkout()) == before
    if whole:
        found = await discover(box, suite, made)
        assert found.tests or found.why, found
        clean = made.apply(made.diff([Change(path="conftest.py", before=CONFTESTS[name], after=None)]))
        after = await run_suite(box, SUITE, clean, [SOME])
        assert after.complete and after.counts.failed == 1, f"the next run is untouched: {judged(after)}"


PASSES = "import pytest\npytest.Function.runtest = lambda self: None\n"
ADDED = {
    "conftest.py": PASSES,
    "src/shop/conftest.py": PASSES,
    "tests/conftest.py": PASSES,
    "sitecustomize.py": PASSES,
    "src/sitecustomize.py": PASSES,
    "src/usercustomize.py": PASSES,
    "src/evil.pth": "import pytest; pytest.Function.runtest = lambda self: None\n",
    "pytest.ini": "[pytest]\naddopts = -p shop.evil\n",
    ".pytest.ini": "[pytest]\naddopts = -p shop.evil\n",
    "tox.ini": "[pytest]\naddopts = -p shop.evil\n",
    "setup.cfg": "[tool:pytest]\naddopts = -p shop.evil\n",
    "pyproject.toml": "[tool.pytest.ini_options]\naddopts = '-p shop.evil'\n",
    "pytest.toml": "[pytest]\naddopts = ['-p', 'shop.evil']\n",
    ".pytest.toml": "[pytest]\naddopts = ['-p', 'shop.evil']\n",
    "tests/__init__.py": PASSES,
    "tests/shop.py": "class price:\n    total = staticmethod(lambda prices: 3)\n",
    "src/evil-1.dist-info/entry_points.txt": "[pytest11]\nevil = shop.evil\n",
    "EVIL.Egg-Info/entry_points.txt": "[pytest11]\nevil = shop.evil\n",
    "src/sitecustomize/__init__.py": PASSES,
    ".clew-installed/pytest.py": "",
}
ALONE = [name for name in ADDED if "-info" in name or name.startswith(".clew")]


async def added(box: Box, paths: Sequence[str], folder: Path) -> None:
    made = workspace(folder, SHOP)
    evil = Change(path="src/shop/evil.py", before=None, after=PASSES)
    changes = [evil, *(Change(path=path, before=None, after=ADDED[path]) for path in paths)]
    candidate, restored = guarded(made, made.apply(made.diff(changes)))
    report = await run_suite(box, SUITE, candidate, [SOME])
    assert report.counts.passed == 0, (restored, judged(report))


async def test_what_a_candidate_adds_to_be_judged_by_does_not_help_it(process: Box, tmp_path: Path) -> None:
    await added(process, list(ADDED), tmp_path)
    await added(process, ["pytest.toml", "src/evil.pth", "sitecustomize.py"], tmp_path / "some")
    await added(process, ["src/sitecustomize/__init__.py", *ALONE], tmp_path / "installed")


# Forges report, result and exit code once pytest has ended.
LATE = r"""import atexit, json, os, sys


def late():
    place = next(word for word in sys.argv if word.startswith("--junitxml="))[11:]
    open(place, "w").write('<testsuite><testcase classname="tests.test_price" name="test_some"/></testsuite>')
    told = os.path.join(os.path.dirname(place), "watch.json")
    text = open(told).read()
    for old, new in (('exit": 1', 'exit": 0'), ('["AssertionError"]', "[]")):
        text = text.replace(old, new).replace(old.replace('"', r'\"'), new.replace('"', r'\"'))
    open(told, "w").write(text)
    os.execv("/bin/true", ["true"])


atexit.register(late)


def total(prices):
    return 0
"""


async def test_what_is_forged_after_pytest_has_ended_is_no_pass(process: Box, tmp_path: Path) -> None:
    made = workspace(tmp_path, SHOP)
    path = "src/shop/price.py"
    forged = made.apply(made.diff([Change(path=path, before=made.read(path), after=LATE)]))
    report = await run_suite(process, SUITE, forged, [SOME])
    assert report.counts.error == 1 and not report.complete, judged(report)


async def test_what_the_command_runs_is_not_for_the_candidate_to_write(process: Box, tmp_path: Path) -> None:
    checks = "import sys\nsys.path.insert(0, 'src')\nfrom shop import price\nassert price.total([1, 2]) == 3\n"
    files = {**SHOP, "check.sh": "python3 checks.py\n", "checks.py": checks, "Makefile": "test:\n\tsh check.sh\n"}
    made = workspace(tmp_path, files)
    for command, path in (("sh -e ./check.sh", "check.sh"), ("make test", "Makefile")):
        suite = Suite.of(command, limits=LIMITS)
        lies = Change(path=path, before=made.read(path), after="exit 0\n")
        new = Change(path="GNUmakefile", before=None, after="test: ;\n")
        candidate, restored = guarded(made, made.apply(made.diff([lies, new])), suite=suite)
        assert path in restored and ("GNUmakefile" in restored) == (command == "make test")
        report = await run_suite(process, suite, candidate)
        assert report.counts.passed == 0, judged(report)
    mended = Change(
        path="src/shop/price.py",
        before=made.read("src/shop/price.py"),
        after=WANTED[1].join(made.read("src/shop/price.py").split(WANTED[0])),
    )
    suite = Suite.of("sh -e ./check.sh", limits=LIMITS)
    report = await run_suite(process, suite, guarded(made, made.apply(made.diff([mended])), suite=suite)[0])
    assert report.counts.passed == 1, judged(report)


@LONG
@pytest.mark.parametrize("path", ADDED)
async def test_no_file_alone_helps_a_candidate(path: str, process: Box, tmp_path: Path) -> None:
    await added(process, [path], tmp_path)
