"""One file read by its grammar: the definitions in it, and what a skeleton keeps of it.

As in the paper (section 3.1; specification, section 2.1) an outline has classes, functions and methods with their
lines, here with variables too. What stands inside of a function is not looked at. Definitions under `if`, `try`,
`#ifdef` and in namespaces count, which the released code misses; so do those in a file with syntax errors, which it
drops whole. In JavaScript an object with functions is a class, and a function that is called at once is a module.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from tree_sitter import Node, Parser

from . import names
from .expressions import HOLDERS, WORD, assigned, bare, default_name, given
from .languages import Grammar, grammar_of, load
from .types import Language, Symbol, SymbolKind

LONG_VARIABLE = 30
KEPT_OF_LONG = 10
LEFT_OUT = "..."
_MAX_DEPTH = 60
_MAX_SYMBOLS = 20_000
_MAX_NAME = 200


@dataclass(slots=True)
class Syntax:
    """`keeps` are the lines (from 0, inclusive) of what stands at module level; `cuts` are byte ranges in them with
    what stands there instead."""

    language: Language | None
    symbols: list[Symbol]
    lines: int
    broken: bool = False
    keeps: list[tuple[int, int]] = field(default_factory=list)
    cuts: list[tuple[int, int, str]] = field(default_factory=list)


def line_count(data: bytes) -> int:
    """Lines of a file; a last one without a line end counts."""
    return data.count(b"\n") + (not data.endswith(b"\n") and bool(data))


def read_syntax(data: bytes, suffix: str) -> Syntax:
    """The definitions of a source file in the order of their lines; `suffix` is that of `suffix_of`."""
    grammar = grammar_of(suffix, data)
    if grammar is None:
        return Syntax(None, [], line_count(data))
    root = Parser(load(grammar.language)).parse(data).root_node
    syntax = Syntax(grammar.language, [], line_count(data), root.has_error)
    _Walk(grammar, data, syntax).inside(root, "", 0)
    syntax.symbols.sort(key=lambda symbol: (symbol.start, -symbol.end))
    return syntax


class _Walk:
    def __init__(self, grammar: Grammar, data: bytes, syntax: Syntax) -> None:
        self.grammar, self.data, self.syntax = grammar, data, syntax
        self.through = grammar.through | {"ERROR"}
        self.within = 0  # classes and objects around, which are kept as they are

    def inside(self, block: Node, owner: str, depth: int) -> None:
        """All definitions among the children of a block; `owner` is the qualified name of the class around it."""
        if depth > _MAX_DEPTH:
            return
        first: Node | None = None
        for child in block.named_children:
            if child.type in self.grammar.prefixes:
                first = first or child
            elif child.type.endswith("comment"):
                self.comment(child)
            else:
                self.child(child, first or child, owner, depth)
                first = None

    def child(self, node: Node, first: Node, owner: str, depth: int) -> None:
        """`first` is where the definition begins: a decorator or what is wrapped around."""
        grammar, kind = self.grammar, node.type
        if kind in grammar.wrappers:
            inner = node.named_children
            single = len([each for each in inner if not each.type.endswith("comment")]) == 1 or kind in _AROUND
            for each in inner:
                self.child(each, first if single else each, owner, depth + 1)
        elif kind in grammar.classes:
            self.type_definition(node, first, owner, depth)
        elif kind in grammar.functions:
            self.function(node, first, owner)
        elif kind in grammar.scopes or (kind == "expression_statement" and self.scope_in(node) is not None):
            self.scope(node, owner, depth)
        elif kind in grammar.variables:
            self.variables(node, first, owner, depth)
        elif kind in self.through:
            self.inside(node, owner, depth + 1)
        elif kind in grammar.expressions:
            self.expression(node, default_name(node), first, node, owner, depth)

    def type_definition(self, node: Node, first: Node, owner: str, depth: int) -> None:
        if node.type == "type_spec" and (node.child_by_field_name("type") or node).type not in self.through:
            self.add("variable", names.text(node.child_by_field_name("name")), owner, first, node)
            return
        name = names.plain(names.text(node.child_by_field_name(self.grammar.classes[node.type]))) or default_name(node)
        if name and (node.child_by_field_name("body") is not None or not node.type.endswith("_specifier")):
            self.members(node, first, node, owner, name, depth)

    def members(self, node: Node, first: Node, last: Node, owner: str, name: str, depth: int) -> None:
        """A class by its name, from `first` to `last`, and what is in it."""
        self.add("class", name, owner, first, last)
        body = node.child_by_field_name("type" if node.type == "type_spec" else "body")
        if body is not None:
            self.docstring(body)
            self.within += 1
            self.inside(body, f"{owner}.{name}" if owner else name, depth + 1)
            self.within -= 1

    def function(self, node: Node, first: Node, owner: str) -> None:
        if (named := node.child_by_field_name("name")) is not None:
            name = names.text(named)
        else:
            name, _ = names.declared(node.child_by_field_name("declarator"))
        if node.type == "method_declaration" and (kind := names.receiver(node)):
            name = f"{kind}.{name}"
        self.add("method" if owner or "." in name else "function", name, owner, first, node)
        self.elide(node.child_by_field_name("body"))

    def variables(self, node: Node, first: Node, owner: str, depth: int) -> None:
        inner = node.child_by_field_name("type")
        if inner is not None and inner.type in self.grammar.classes and inner.child_by_field_name("body") is not None:
            name = names.text(inner.child_by_field_name("name"))
            if node.type == "type_definition":
                name = names.declared(node.child_by_field_name("declarator"))[0] or name
            if name:
                self.members(inner, first, node, owner, name, depth)
            return
        declarator = node.child_by_field_name("declarator")
        if self.grammar.language in ("c", "cpp") and names.declared(declarator)[1]:
            self.add("method" if owner else "function", names.declared(declarator)[0], owner, first, node)
            return
        found = shown = False
        for name, value in names.bound(node):
            found = True
            value = given(value, "class") if value is not None else None
            if names.is_function(value) and value is not None:
                self.add("method" if owner or "." in name else "function", name, owner, first, node)
                self.elide(value.child_by_field_name("body"))
            elif names.is_class(value) and value is not None:
                self.members(value, first, node, owner, name, depth)
            elif value is not None and self.expression(value, name, first, node, owner, depth):
                shown = True
            else:
                self.add("variable", name, owner, first, node)
        if not found and self.grammar.expressions and node.type == "expression_statement" and node.named_children:
            self.expression(node.named_children[0], "", first, node, owner, depth)
        elif not shown and (found or node.type.endswith("declaration")):
            self.keep(first, node)
            self.shorten(node.start_byte, node.end_byte)

    # Expressions of JavaScript ------------------------------------------------------------------------------------

    def expression(self, node: Node, name: str, first: Node, last: Node, owner: str, depth: int) -> bool:
        """Notes the definitions in an expression, and says whether there are any. `name` gets its value, "" is for
        none; `first` to `last` is the statement or member that it is in."""
        node, otherwise = given(node, "class"), ""
        while node.type == "assignment_expression" and (value := node.child_by_field_name("right")) is not None:
            name, otherwise = name or assigned(node), "exports"
            node = given(value, "class")
        if names.is_function(node) or names.is_class(node):
            name = name or names.text(node.child_by_field_name("name")) or otherwise
            if name and names.is_class(node):
                self.members(node, first, last, owner, name, depth)
            elif name:
                self.add("method" if owner else "function", name, owner, first, last)
                cuts = len(self.syntax.cuts)
                self.elide(node.child_by_field_name("body"))
                if len(self.syntax.cuts) == cuts:
                    self.shorten_between(node.start_byte, node.end_byte)
            return bool(name)
        if depth > _MAX_DEPTH or node.type not in HOLDERS:
            return False
        syntax = self.syntax
        symbols, keeps, cuts = len(syntax.symbols), len(syntax.keeps), len(syntax.cuts)
        if name:
            self.add("class", name, owner, first, last)
            del syntax.keeps[keeps:]
            owner = f"{owner}.{name}" if owner else name
        if node.type == "object":
            self.object(node, first, last, owner, depth)
        else:
            self.calls(node, name, first, last, owner, depth)
        if all(each.kind == "variable" for each in syntax.symbols[symbols + bool(name) :]):
            del syntax.symbols[symbols:], syntax.keeps[keeps:], syntax.cuts[cuts:]
            return False
        if not self.within:
            syntax.keeps.append((first.start_point[0], first.start_point[0]))
        return True

    def object(self, node: Node, first: Node, last: Node, owner: str, depth: int) -> None:
        """The functions in an object; what stands between two of them is shortened as a binding is."""
        self.keep(first, last)
        self.within += 1
        border = node.start_byte
        for member in node.named_children:
            before = len(self.syntax.symbols)
            key = names.text(member.child_by_field_name("key") or member.child_by_field_name("name")).strip("'\"")
            name = key if WORD.fullmatch(key) else ""
            value = member.child_by_field_name("value")
            if member.type.endswith("comment"):
                self.comment(member)
            elif member.type == "method_definition":
                self.add("method" if owner else "function", name, owner, member, member)
                self.elide(member.child_by_field_name("body"))
            elif value is not None:
                self.expression(value, name, member, member, owner, depth + 1)
            if len(self.syntax.symbols) > before:
                self.shorten_between(border, member.start_byte)
                border = member.end_byte
        self.shorten_between(border, node.end_byte)
        self.within -= 1

    def calls(self, node: Node, name: str, first: Node, last: Node, owner: str, depth: int) -> None:
        """A chain of calls. A function that is called where it stands is a module, and so are those given to it; one
        given to another call is none when the result has a name: it may be a component."""
        inner: Node | None = node
        while inner is not None and inner.type in ("call_expression", "new_expression"):
            arguments = inner.child_by_field_name("arguments")
            callee = inner.child_by_field_name("function") or inner.child_by_field_name("constructor")
            inner = callee and bare(callee)
            if inner is not None and inner.type == "member_expression":
                callee = inner.child_by_field_name("object")
                inner = callee and bare(callee)
            at_once = names.is_function(inner)
            if at_once and inner is not None:
                self.module(inner, owner, depth)
            for each in arguments.named_children if arguments is not None else ():
                each = given(each, "class", "object")
                own = each.child_by_field_name("name") if names.is_function(each) else None
                if names.is_function(each) and (at_once or not (name or own)):
                    self.module(each, owner, depth)
                elif not at_once and not (name and own):
                    self.expression(each, "", first if name else each, last if name else each, owner, depth + 1)

    def module(self, function: Node, owner: str, depth: int) -> None:
        """The definitions in a function that wraps a module; its first and last line are kept."""
        body = function.child_by_field_name("body")
        if self.within or body is None or body.type != "statement_block":
            return
        before = len(self.syntax.symbols)
        self.inside(body, owner, depth + 1)
        if len(self.syntax.symbols) > before:
            self.syntax.keeps.append((function.start_point[0], body.start_point[0]))
            self.syntax.keeps.append((_last_line(body), _last_line(body)))

    def scope(self, node: Node, owner: str, depth: int) -> None:
        """A namespace is no part of a qualified name: nobody writes it in an answer."""
        named = self.scope_in(node) or node
        body = named.child_by_field_name("body")
        body = body or next((each for each in named.named_children if each.type == "declaration_list"), None)
        if body is None:
            return
        if body.type not in ("declaration_list", "statement_block", "field_initializer_list"):
            self.child(body, body, owner, depth + 1)  # extern "C" before one definition
            return
        if not self.within:
            self.syntax.keeps.append((named.start_point[0], body.start_point[0]))
            self.syntax.keeps.append((_last_line(body), _last_line(body)))
        self.inside(body, owner, depth + 1)

    def scope_in(self, node: Node) -> Node | None:
        """The `namespace` of TypeScript, which stands in an expression statement."""
        inner = node.named_children[0] if node.type == "expression_statement" and node.named_children else None
        return inner if inner is not None and inner.type in self.grammar.scopes else None

    # What is noted ----------------------------------------------------------------------------------------------

    def add(self, kind: SymbolKind, name: str, owner: str, first: Node, last: Node) -> None:
        if not name or len(name) > _MAX_NAME or len(self.syntax.symbols) >= _MAX_SYMBOLS:
            return
        qualname = f"{owner}.{name}" if owner else name
        start, end = first.start_point[0] + 1, max(_last_line(last), first.start_point[0]) + 1
        self.syntax.symbols.append(
            Symbol(
                kind=kind,
                name=qualname.rpartition(".")[2],
                qualname=qualname,
                start=start,
                end=min(end, self.syntax.lines),
            )
        )
        self.keep(first, last)

    def keep(self, first: Node, last: Node) -> None:
        if not self.within:
            self.syntax.keeps.append((first.start_point[0], _last_line(last)))

    def elide(self, body: Node | None) -> None:
        """The body of a function, in Python with what is between the colon and it."""
        if body is None or body.start_byte >= body.end_byte:
            return
        start = body.start_byte
        if self.grammar.language == "python":
            before = body.prev_sibling
            while before is not None and before.type != ":":
                before = before.prev_sibling
            start = before.end_byte if before is not None else start
        else:
            while body.type == "arrow_function" and (inner := body.child_by_field_name("body")) is not None:
                body = inner
            if not body.type.endswith(("block", "body", "statement")):
                return  # the expression behind an arrow
            start = body.start_byte
        self.syntax.cuts.append((start, body.end_byte, self.grammar.elided))

    def docstring(self, body: Node) -> None:
        """That of a class, in Python."""
        first = next(iter(body.named_children), None)
        if self.grammar.language != "python" or first is None or first.type != "expression_statement":
            return
        if first.named_children and first.named_children[0].type in ("string", "concatenated_string"):
            alone = body.named_child_count == 1
            self.syntax.cuts.append((first.start_byte, first.end_byte, "..." if alone else ""))

    def comment(self, node: Node) -> None:
        """A comment in a class goes; the one at module level is outside of what is kept."""
        if self.within:
            self.syntax.cuts.append((node.start_byte, node.end_byte, "\n" if node.end_point[1] == 0 else ""))

    def shorten(self, start: int, end: int, long: int = LONG_VARIABLE, kept: int = KEPT_OF_LONG, by: str = "") -> None:
        """A binding of more than 30 lines keeps its first and last 10."""
        lines = self.data[start:end].removesuffix(b"\n").split(b"\n")
        if len(lines) > long:
            begin = start + sum(len(line) + 1 for line in lines[:kept])
            stop = begin + sum(len(line) + 1 for line in lines[kept:-kept])
            self.syntax.cuts.append((begin, stop, f"{by}{LEFT_OUT}\n"))

    def shorten_between(self, start: int, end: int) -> None:
        """What stands between functions, or behind an arrow: of more than 10 lines the first and last 3. The mark is
        indented, for it stands for no binding that `elements` knows."""
        self.shorten(start, end, 10, 3, "  ")


# These take one definition with other children beside it.
_AROUND = frozenset({"decorated_definition", "template_declaration", "export_statement", "ambient_declaration"})


# What may end with a comment that is no part of it, in Python.
_BLOCKS = frozenset(
    [
        "decorated_definition",
        "class_definition",
        "function_definition",
        "block",
        "if_statement",
        "elif_clause",
        "else_clause",
        "try_statement",
        "except_clause",
        "except_group_clause",
        "finally_clause",
        "with_statement",
        "for_statement",
        "while_statement",
        "match_statement",
        "case_clause",
    ]
)


def _last_line(node: Node) -> int:
    """The last line, from 0. The grammar of Python gives the comments behind a block to the block; some nodes hold the
    line end, and so end where the next line begins."""
    while node.type in _BLOCKS:
        inner = next((each for each in reversed(node.children) if each.type != "comment"), None)
        if inner is None:
            break
        node = inner
    row, column = node.end_point
    return row - 1 if column == 0 and row > node.start_point[0] else row
