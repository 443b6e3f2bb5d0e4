"""HTML to visible text: the main part of the page without navigation, with headings and definitions as sections."""

from __future__ import annotations

import re
from html import unescape
from typing import Any

from .documents import Builder, Document, Unreadable, leading_symbol, one_line
from .tokens import words

DROPPED = words("""
script style noscript template nav header footer aside form button select svg canvas iframe object head
""")
DROPPED_ROLES = frozenset({"navigation", "search", "banner", "contentinfo", "complementary"})
DROPPED_CLASSES = words("""
headerlink sphinxsidebar sidebar related navbar breadcrumbs viewcode-link viewcode-back linenos
linenodiv nav skip-link sr-only
""")
PARAGRAPHS = words("""
p div section article main ul ol dl table blockquote pre figure fieldset details hr h1 h2 h3 h4 h5 h6 address
""")
LINES = words("""
li tr dt dd br caption figcaption summary thead tbody
""")
HEADINGS = {f"h{level}": level for level in range(1, 7)}
MAIN = (
    "//main",
    "//*[@role='main']",
    "//article",
    "//div[@id='content']",
    "//body",
)
DEFINITION_LEVEL = 10
MAX_TERM = 400


def read_html(markup: str, title: str = "") -> Document:
    """The visible text of an HTML page; broken markup is read as a browser would.

    The title is the `h1` that `<title>` starts with, else the first `h1`, else `<title>`, else `title`.
    Every heading opens a section; so does every term of a definition list, which is how Sphinx and Asciidoctor print an
    API entry or an option.
    """
    from lxml import etree, html

    # An XML declaration with an encoding makes lxml refuse text that is already decoded.
    markup = re.sub(r"^\s*<\?xml[^>]*\?>", "", markup).replace("\0", "")
    parser = html.HTMLParser(huge_tree=True, remove_comments=True)
    try:
        root = html.document_fromstring(markup, parser=parser)
    except (etree.ParserError, ValueError) as error:
        raise Unreadable("no visible text") from error
    if any(entry.type_name == "ERR_RESOURCE_LIMIT" for entry in parser.error_log):
        # Nested deeper than the parser goes: the text alone is better than half a page.
        return markup_free(markup, title)
    page = _Page()
    page.walk(_main(root))
    head = one_line(root.findtext(".//title") or "")
    # A site's banner is often an h1 too.
    top = next((text for text in page.tops if head.startswith(text)), (page.tops or [""])[0])
    return page.out.document(top or head or title, page.link_share())


def markup_free(markup: str, title: str) -> Document:
    """The text between the tags, without structure."""
    out = Builder()
    bare = re.sub(r"(?is)<(script|style)\b.*?</\1\s*>|<[^<>]*>", " ", markup)
    out.block(one_line(unescape(bare)))
    return out.document(title)


def _main(root: Any) -> Any:
    whole = len(root.text_content())
    for path in MAIN:
        found = root.xpath(path)
        # A landmark around a small part of the page (one teaser of many) is not its main part.
        if len(found) == 1 and len(found[0].text_content()) > whole / 10:
            return found[0]
    return root


class _Page:
    """Walks the tree without recursion, since hostile pages nest deeper than Python's stack."""

    def __init__(self) -> None:
        self.out = Builder()
        self.tops: list[str] = []
        self.line: list[str] = []
        self.gap = "\n\n"
        self.preformatted = 0
        self.lists = 0
        self.links = 0
        self.linked = 0
        self.seen = 0

    def walk(self, root: Any) -> None:
        stack: list[tuple[Any, bool]] = [(root, False)]
        while stack:
            node, leaving = stack.pop()
            if leaving:
                self.leave(node)
                if node is not root:
                    self.text(node.tail)
                continue
            if not isinstance(node.tag, str) or self.dropped(node):
                if node is not root:
                    self.text(node.tail)
                continue
            self.enter(node)
            self.text(node.text)
            stack.append((node, True))
            stack.extend((child, False) for child in reversed(node))
        self.flush("\n\n")

    def dropped(self, node: Any) -> bool:
        if node.tag in DROPPED or node.get("role") in DROPPED_ROLES or node.get("hidden") is not None:
            return True
        if "display:none" in (node.get("style") or "").replace(" ", ""):
            return True
        return not DROPPED_CLASSES.isdisjoint((node.get("class") or "").split())

    def enter(self, node: Any) -> None:
        tag = node.tag
        if tag in PARAGRAPHS:
            self.flush("\n\n")
        elif tag in LINES:
            self.flush("\n")
        if tag == "pre":
            self.preformatted += 1
        elif tag == "dl":
            self.lists += 1
        elif tag == "a" and node.get("href"):
            self.links += 1
        elif tag in ("td", "th") and any(part.strip() for part in self.line):
            self.line.append(" | ")

    def leave(self, node: Any) -> None:
        tag = node.tag
        if tag in HEADINGS:
            self.heading(HEADINGS[tag])
        elif tag == "dt":
            self.term(node)
        elif tag in PARAGRAPHS:
            self.flush("\n\n")
        elif tag in LINES:
            self.flush("\n")
        if tag == "pre":
            self.preformatted -= 1
        elif tag == "dl":
            self.out.close(DEFINITION_LEVEL + self.lists)
            self.lists -= 1
        elif tag == "a" and node.get("href"):
            self.links -= 1

    def text(self, text: str | None) -> None:
        if not text:
            return
        self.line.append(text if self.preformatted else re.sub(r"\s+", " ", text))
        size = len(text.strip())
        self.seen += size
        self.linked += size if self.links else 0

    def take(self) -> str:
        text = "".join(self.line)
        self.line.clear()
        if self.preformatted:
            return text.strip("\n").rstrip()
        return re.sub(r" {2,}", " ", text).strip()

    def flush(self, gap: str) -> None:
        text = self.take()
        if text:
            self.out.block(text, self.gap)
            self.gap = gap
        elif gap == "\n\n":
            self.gap = gap

    def heading(self, level: int) -> None:
        text = one_line(self.take()).removesuffix("¶").strip()
        if level == 1 and text:
            self.tops.append(text)
        self.out.heading(level, text)
        self.gap = "\n\n"

    def term(self, node: Any) -> None:
        text = one_line(self.take()).removesuffix("¶").strip()
        if len(text) > MAX_TERM or not self.lists:
            self.out.block(text, self.gap)
        else:
            self.out.heading(DEFINITION_LEVEL + self.lists, text, _names(node.get("id") or "", text))
        self.gap = "\n"

    def link_share(self) -> float:
        return self.linked / self.seen if self.seen else 0.0


def _names(anchor: str, text: str) -> tuple[str, ...]:
    """The symbols that a term defines: its anchor if the text shows it, and the symbol that the text starts with."""
    found = []
    # Sphinx writes c.PyList_New for the C name PyList_New.
    bare = anchor if anchor in text else re.sub(r"^c\.(?=[A-Za-z_])", "", anchor)
    if bare and re.split(r"\.|::", bare)[-1] in text:
        found.append(bare)
    shown = re.sub(r"^(?:(?:class|exception|async|abstract|static|final|property|classmethod|method) )+", "", text)
    symbol = leading_symbol(shown)
    if symbol and not any(name == symbol or name.endswith("." + symbol) for name in found):
        # A sentence or a phrase is a glossary term, not a symbol.
        rest = shown[len(symbol) :]
        if symbol.startswith("-") or "." in symbol or "_" in symbol or rest[:1] in ("", "(", "[", "=", ","):
            found.append(symbol)
    return tuple(found)
