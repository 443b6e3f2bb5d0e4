"""The vote key of a patch: equal for changes that run alike, whatever their comments, quotes and layout are.

As in the released code (specification of Agentless, section 2.1) Python is compared without comments, docstrings and
formatting, and functions that are only added have one key wherever they stand; here through `ast`, and in other
languages through the tree of their grammar.
"""

from __future__ import annotations

import ast
import hashlib
import json
import re
import warnings
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import PurePosixPath

from tree_sitter import Node, Parser

from clew.graphs.agentless.languages import grammar_of, load, suffix_of
from clew.graphs.agentless.types import Change, Language

NO_CHANGE = ""

# A larger file is compared as it stands, and not checked.
LARGEST = 2_000_000
_BYTE_ORDER_MARK = "\ufeff"
# Their text counts as it is, blanks included.
_ATOMS = re.compile(r"string|char|template_literal|regex|jsx_text|heredoc")
_QUOTES_ALIKE: tuple[Language, ...] = ("javascript", "typescript", "tsx")
_PLAIN_QUOTED = re.compile(r"(['\"])([^'\"\\]*)\1")
_CLOSERS = frozenset(")]}")
_NOT_PYTHON = (SyntaxError, ValueError, RecursionError, MemoryError)
_SHOWN = 60


def vote_key(changes: Sequence[Change]) -> str:
    """A key for what `changes` do, equal for equal ones to the same files; `NO_CHANGE` when nothing that runs becomes
    different: only comments, docstrings, quotes, layout and blank lines, or new files that hold nothing."""
    parts = [
        [change.path, said]
        for change in sorted(changes, key=lambda change: change.path)
        if (said := _said(change)) is not None
    ]
    return hashlib.sha256(json.dumps(parts).encode()).hexdigest()[:32] if parts else NO_CHANGE


def _said(change: Change) -> object:
    """What a change does to its file, as JSON; None for nothing."""
    if change.after is None:
        return None if change.before is None else "deleted"
    after = canonical(change.path, change.after)
    if change.before is None:
        counts = after or PurePosixPath(change.path).name == "__init__.py"
        return ["new", after] if counts else None
    if canonical(change.path, change.before) == after:
        return None
    return _additions_to(change.path, change.before, change.after) or after


def canonical(path: str, text: str) -> str:
    """The text of a file without what does not run. Without a grammar: without blank lines and blanks at line ends."""
    text = text.removeprefix(_BYTE_ORDER_MARK)
    data = text.encode("utf-8", "replace")
    grammar = grammar_of(suffix_of(path), data) if len(data) <= LARGEST else None
    if grammar is None:
        return "\n".join(stripped for line in text.split("\n") if (stripped := line.rstrip()))
    if grammar.language == "python":
        body = _python(text)
        if body is not None:
            try:
                return "\n".join(map(ast.dump, body))
            except RecursionError:
                pass
    root = Parser(load(grammar.language)).parse(data).root_node
    return "\n".join(_tokens(root, data, grammar.language in _QUOTES_ALIKE))


# Python ----------------------------------------------------------------------------------------------------------


def _python(text: str) -> list[ast.stmt] | None:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            tree = ast.parse(text)
    except _NOT_PYTHON:
        return None
    for node in ast.walk(tree):
        if isinstance(node, (ast.Module, ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)):
            if node.body and _is_text(node.body[0]):
                del node.body[0]
            if not node.body and not isinstance(node, ast.Module):
                node.body.append(ast.Pass())
        elif isinstance(node, ast.Constant):
            node.kind = None
    return tree.body


def _is_text(node: ast.stmt) -> bool:
    return isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant) and isinstance(node.value.value, str)


def _additions_to(path: str, before: str, after: str) -> object:
    """The functions and classes that were added, when nothing else was."""
    if not path.endswith((".py", ".pyi", ".pyw")) or max(len(before), len(after)) > LARGEST:
        return None
    old, new = _python(before.removeprefix(_BYTE_ORDER_MARK)), _python(after.removeprefix(_BYTE_ORDER_MARK))
    if old is None or new is None:
        return None
    try:
        added = _additions(old, new, "")
    except RecursionError:
        return None
    return ["added", *sorted(added)] if added else None


def _additions(before: Sequence[ast.stmt], after: Sequence[ast.stmt], scope: str) -> list[str] | None:
    taken = {node.name for node in before if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef))}
    added: list[str] = []
    at = 0
    for node in after:
        old = before[at] if at < len(before) else None
        if old is not None and ast.dump(old) == ast.dump(node):
            at += 1
        elif isinstance(old, ast.ClassDef) and isinstance(node, ast.ClassDef) and _head(old) == _head(node):
            inner = _additions(old.body, node.body, f"{scope}{node.name}.")
            if inner is None:
                return None
            added += inner
            at += 1
        elif isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)) and node.name not in taken:
            added.append(scope + ast.dump(node))
            taken.add(node.name)
        else:
            return None
    return added if at == len(before) else None


def _head(node: ast.ClassDef) -> str:
    return ast.dump(ast.ClassDef(node.name, node.bases, node.keywords, [], node.decorator_list))


# Other languages -------------------------------------------------------------------------------------------------


def _tokens(root: Node, data: bytes, quotes_alike: bool) -> Iterator[str]:
    """The words of a tree with its structure, without comments and without what only separates. Structure keeps apart
    what layout decides, as in JavaScript `return` alone and `return` with a value on the next line."""
    todo: list[Node | str] = [root]
    while todo:
        node = todo.pop()
        if isinstance(node, str):
            yield node
            continue
        if _is_comment(node, data) or (not node.is_named and _text(node, data).strip() in ("", ";")):
            continue
        if not node.child_count or _ATOMS.search(node.type):
            text = _text(node, data)
            plain = _PLAIN_QUOTED.fullmatch(text) if quotes_alike else None
            yield f'"{plain[2]}"' if plain else text if _ATOMS.search(node.type) else " ".join(text.split())
            continue
        yield f"({node.type}"
        todo.append(")")
        todo += reversed(_parts(node, data))


def _parts(node: Node, data: bytes) -> list[Node | str]:
    """The children of a node, without a comma that ends a list, and the text that stands between them."""
    parts: list[Node | str] = []
    position = node.start_byte
    for child in node.children:
        parts += [between] if (between := data[position : child.start_byte].decode("utf-8", "replace").strip()) else []
        parts += [] if _is_comment(child, data) else [child]
        position = child.end_byte
    if not node.type.startswith(("tuple", "token_tree")) and len(parts) > 2:
        last, comma, closer = parts[-3:]
        types = [part if isinstance(part, str) else part.type for part in (comma, closer)]
        if types[0] == "," and types[1] in _CLOSERS and not isinstance(last, str) and last.is_named:
            del parts[-2]
    return parts


def _is_comment(node: Node, data: bytes) -> bool:
    # Directives of Go are comments that do something.
    return node.type.endswith("comment") and not _text(node, data).startswith("//go:")


def _text(node: Node, data: bytes) -> str:
    return data[node.start_byte : node.end_byte].decode("utf-8", "replace")


# Whether a change is well formed ---------------------------------------------------------------------------------


def syntax_error(change: Change) -> str | None:
    """What is wrong with the syntax of the new text and was not in the old one; None when there is nothing, or no
    grammar to tell. Python is also compiled to its tree when the old text could be, which sees indentation."""
    if change.after is None or len(change.after) > LARGEST:
        return None
    after = change.after.removeprefix(_BYTE_ORDER_MARK)
    before = (change.before or "").removeprefix(_BYTE_ORDER_MARK)
    data = after.encode("utf-8", "replace")
    grammar = grammar_of(suffix_of(change.path), data)
    if grammar is None:
        return None
    if grammar.language == "python" and _python(before) is not None:
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                ast.parse(after)
        except SyntaxError as error:
            return f"{change.path}, line {error.lineno}: {error.msg}"
        except _NOT_PYTHON as error:
            return f"{change.path}: {error or type(error).__name__}"
    parser = Parser(load(grammar.language))
    new = _errors(parser.parse(data).root_node)
    if not new:
        return None
    old = _errors(parser.parse(before.encode("utf-8", "replace")).root_node)
    strange = Counter(text for text, _ in new) - Counter(text for text, _ in old)
    if len(new) <= len(old) or not strange:
        return None
    text, line = next((text, line) for text, line in new if text in strange)
    return f"{change.path}, line {line}: the grammar of {grammar.language} does not allow {text!r}"


def _errors(root: Node) -> list[tuple[str, int]]:
    found: list[tuple[str, int]] = []
    todo = [root] if root.has_error else []
    while todo:
        node = todo.pop()
        if node.is_missing:
            found.append((f"missing {node.type}", node.start_point[0] + 1))
        elif node.is_error:
            found.append(((node.text or b"").decode("utf-8", "replace")[:_SHOWN], node.start_point[0] + 1))
        todo += [child for child in reversed(node.children) if child.has_error or child.is_error or child.is_missing]
    return found
