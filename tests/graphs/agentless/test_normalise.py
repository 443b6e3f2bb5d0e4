"""Vote keys: what counts as the same change; and the check of syntax."""

from __future__ import annotations

from textwrap import dedent

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from clew.graphs.agentless.normalise import NO_CHANGE, syntax_error, vote_key
from clew.graphs.agentless.types import Change

BASE = '''
class Cart:
    """A cart."""

    def total(self):
        # all of it
        return self.price * 1
'''


def change(after: str | None, before: str | None = BASE, path: str = "a.py") -> Change:
    return Change(path=path, before=before, after=after)


def key(after: str | None, before: str | None = BASE, path: str = "a.py") -> str:
    return vote_key([change(after, before, path)])


# Acceptance cases ------------------------------------------------------------------------------------------------


def test_case_14_a_syntax_error_is_told_with_its_line() -> None:
    found = syntax_error(change(BASE.replace("return", "return (")))
    assert found is not None
    assert found.startswith("a.py, line 7: ")
    assert "line 8" in (syntax_error(change(f"{BASE}          return 1\n")) or "")
    assert syntax_error(change(BASE)) is None
    assert syntax_error(change(None)) is None


@pytest.mark.parametrize(
    "after",
    [
        BASE.replace("all of it", "everything"),
        BASE.replace("        # all of it\n", ""),
        BASE.replace("A cart.", "A basket."),
        BASE.replace('    """A cart."""\n', ""),
        BASE.replace("self.price * 1", "(self.price*1)  # the price"),
        f"{BASE}\n\n# the end\n",
        BASE.replace("\n", "\r\n"),
        f"\ufeff{BASE}",
    ],
)
def test_case_14_a_change_of_comments_has_the_key_of_no_change(after: str) -> None:
    assert key(after) == key(BASE) == vote_key([]) == NO_CHANGE


def test_case_15_comments_and_quotes_do_not_make_another_key() -> None:
    one = key(BASE.replace("self.price * 1", 'self.price * self.rates["vat"]'))
    other = key(BASE.replace("self.price * 1", "(self.price\n            * self.rates['vat'])  # with tax"))
    assert one == other != NO_CHANGE
    assert one != key(BASE.replace("self.price * 1", 'self.price * self.rates["VAT"]'))


# Python ----------------------------------------------------------------------------------------------------------


def test_added_functions_have_one_key_wherever_they_stand() -> None:
    helper, other = "\n\ndef helper():\n    return 1\n", "\n\ndef other():\n    return 2\n"
    assert key(BASE + helper) == key(helper + BASE) != NO_CHANGE
    assert key(BASE + helper + other) == key(other + BASE + helper)
    assert key(BASE + helper) != key(BASE + other)
    method = "\n    def count(self):\n        return 0\n"
    assert key(BASE + method) == key(BASE.replace("    def total", f"{method}\n    def total"))
    assert key(BASE + method) != key(BASE + dedent(method))


def test_a_function_of_a_name_that_is_taken_counts_with_its_place() -> None:
    before = "def f():\n    return 1\n"
    new = "def f():\n    return 2\n"
    assert key(before + new, before) != key(new + before, before)


def test_files_and_their_paths_count() -> None:
    assert key("A = 1\n", None) == key("A = 1  # new\n", None) != NO_CHANGE
    assert key("A = 1\n", None) != key("A = 1\n", None, "b.py")
    assert key("# nothing\n", None) == NO_CHANGE
    assert key("", None, "pkg/__init__.py") != NO_CHANGE
    assert key(None) != NO_CHANGE
    both = [change("A = 2\n", "A = 1\n"), change("B = 2\n", "B = 1\n", "b.py")]
    assert vote_key(both) == vote_key(both[::-1]) != vote_key(both[:1])
    assert vote_key([both[0], change(BASE, path="c.py")]) == vote_key(both[:1])


def test_python_that_does_not_parse_is_compared_by_its_grammar() -> None:
    old = "print 'a'\nif x:\n    exec code in scope  # here\n"
    assert key(old.replace("here", "there"), old) == NO_CHANGE
    assert key(old.replace("    exec", "exec"), old) != NO_CHANGE
    deep = f"x = {'+'.join(['1'] * 5_000)}\n"
    assert key(f"{deep}# more\n", deep) == NO_CHANGE
    assert key(f"{deep}y = 2\n", deep) != NO_CHANGE


# Other languages -------------------------------------------------------------------------------------------------

SAME = [
    ("a.js", "f('a', [1, 2]); // x\n", 'f("a",\n  [\n    1,\n    2,\n  ]) /* y */\n'),
    ("a.ts", "const a: string = 'x';\n", 'const a: string = "x"\n'),
    ("a.tsx", "const a = <b>hi</b>;\n", "const a = <b>hi</b>; // greeting\n"),
    ("A.java", "class A { int f() { return 1; } }\n", "/** Doc. */\nclass A {\n  int f() {\n    return 1;\n  }\n}\n"),
    ("a.go", "package a\n\nfunc f() int { return 1 }\n", "package a\n\n// f\nfunc f() int {\n\treturn 1\n}\n"),
    ("a.rs", "fn f() -> i32 { g(1, 2) }\n", "/// Doc.\nfn f() -> i32 {\n    g(\n        1,\n        2,\n    )\n}\n"),
    ("a.c", "int f(void) { return 1; }\n", "/* f */\nint f(void)\n{\n    return 1; // one\n}\n"),
    ("a.cpp", "int f() { return g<int>(1); }\n", "// f\nint\nf()\n{\n  return g<int>( 1 );\n}\n"),
    ("a.toml", "a = 1\nb = 2\n", "a = 1  \n\nb = 2"),
]
OTHER = [
    ("a.js", "f('a b')\n", "f('a  b')\n"),
    ("a.js", "function f() { return\n1 }\n", "function f() { return 1 }\n"),
    ("a.js", "f([, 1])\n", "f([1])\n"),
    ("a.js", "f(`a ${b} c`)\n", "f(`a ${b}  c`)\n"),
    ("a.go", 'package a\n\nvar s = "a  b"\n', 'package a\n\nvar s = "a b"\n'),
    ("a.go", "//go:build linux\n\npackage a\n", "//go:build darwin\n\npackage a\n"),
    ("a.rs", "fn f() { g((1,)) }\n", "fn f() { g((1)) }\n"),
    ("a.c", "char c = ' ';\n", "char c = '\\t';\n"),
    ("a.c", "#define A 1\n", "#define A 2\n"),
    ("a.java", 'class A { String s = "//x"; }\n', 'class A { String s = "//y"; }\n'),
    ("a.cpp", "int a = b - -c;\n", "int a = b - c;\n"),
    ("a.yaml", "a:\n  b: 1\n", "a:\nb: 1\n"),
]


@pytest.mark.parametrize(("path", "before", "after"), SAME)
def test_layout_and_comments_do_not_count(path: str, before: str, after: str) -> None:
    assert key(after, before, path) == NO_CHANGE
    assert key(f"{after}#", None, path) == key(f"{after}#", None, path) != NO_CHANGE


@pytest.mark.parametrize(("path", "before", "after"), OTHER)
def test_what_runs_counts(path: str, before: str, after: str) -> None:
    assert key(after, before, path) != NO_CHANGE


# Syntax ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("path", "before", "after"),
    [
        ("a.py", "print 'a'\n", "print 'a'\ndef f(:\n"),
        ("a.js", "f(1)\n", "f(1\n"),
        ("a.ts", "const a: string = 'x'\n", "const a: = 'x'\n"),
        ("A.java", "class A { }\n", "class A { int f( { }\n"),
        ("a.go", "package a\n", "package a\nfunc {\n"),
        ("a.rs", "fn f() {}\n", "fn f() {\n"),
        ("a.c", "int f(void) { return 1; }\n", "int f(void) { return 1; \n"),
        ("a.cpp", "int f() { return 1; }\n", "int f() { return 1 }\n"),
    ],
)
def test_a_new_error_is_found_in_every_language(path: str, before: str, after: str) -> None:
    assert syntax_error(change(before, before, path)) is None
    assert (syntax_error(change(after, before, path)) or "").startswith(f"{path}, line ")
    assert syntax_error(change(after, None, path)) is not None


def test_errors_that_were_there_before_are_none() -> None:
    before = "int f( { }\nint g(void) { return 1; }\n"
    assert syntax_error(change(before.replace("1", "2"), before, "a.c")) is None
    assert syntax_error(change("any ( text", "text", "a.txt")) is None
    assert syntax_error(change("x" * 3_000_000 + "(", None)) is None


NOISE = st.lists(
    st.sampled_from(
        ["def f(:\n", "(", "{", "}", "'''", "\x00", "\ud83d", "\\\n", "\t", "class A:\n", "[" * 3_000, "a " * 9_000]
    )
    | st.text(max_size=20),
    max_size=8,
).map("".join)


@settings(deadline=None, max_examples=30)
@given(NOISE, st.sampled_from(["a.py", "a.js", "a.rs", "a.h", "a.go", "a.txt"]))
def test_noise_never_raises(text: str, path: str) -> None:
    assert vote_key([change(text, text, path)]) == NO_CHANGE
    assert key(text, "x", path) == key(text, "x", path)
    syntax_error(change(text, "x", path))
