"""What a definition looks like in the grammars of eight languages: data for `structure`, one table a language.

The paper and the released code know Python alone, through `ast` and `libcst`. A new language is one more `Grammar`.
"""

from __future__ import annotations

import importlib
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache
from pathlib import PurePosixPath

from tree_sitter import Language as TreeSitterLanguage

from .types import Language


def _set(names: str) -> frozenset[str]:
    return frozenset(names.split())


@dataclass(frozen=True)
class Grammar:
    """Node types by their part in an outline.

    module, function    what loads the grammar
    suffixes            of files in the language
    classes             with members; the name is in the field given
    functions           with a name, and a `body` that skeletons leave out
    variables           bindings and members that hold a value
    wrappers            stand around one definition and belong to it (decorators, `export`, `template`)
    scopes              named or unnamed blocks whose first and last line a skeleton keeps (namespaces)
    through             blocks that are looked into and not shown
    prefixes            siblings before a definition that belong to it (attributes)
    expressions         may hold definitions: an object with functions, a call that wraps a module
    elided              what stands for the body of a function
    """

    language: Language
    module: str
    suffixes: frozenset[str]
    classes: Mapping[str, str]
    functions: frozenset[str]
    variables: frozenset[str]
    function: str = "language"
    wrappers: frozenset[str] = field(default_factory=frozenset)
    scopes: frozenset[str] = field(default_factory=frozenset)
    through: frozenset[str] = field(default_factory=frozenset)
    prefixes: frozenset[str] = field(default_factory=frozenset)
    expressions: frozenset[str] = field(default_factory=frozenset)
    elided: str = "{ ... }"


_JS_CLASSES = {"class_declaration": "name", "class": "name"}
_JS_FUNCTIONS = "function_declaration generator_function_declaration method_definition"
_JS_VARIABLES = "lexical_declaration variable_declaration expression_statement field_definition"
_JS_THROUGH = "if_statement else_clause statement_block try_statement"
_JS_EXPRESSIONS = _set(
    "object call_expression new_expression function_expression generator_function arrow_function return_statement "
    "parenthesized_expression unary_expression await_expression assignment_expression "
    "as_expression satisfies_expression type_assertion"
)
_TS_CLASSES = {
    **_JS_CLASSES,
    "abstract_class_declaration": "name",
    "interface_declaration": "name",
    "enum_declaration": "name",
}
_C_CLASSES = {"struct_specifier": "name", "union_specifier": "name", "enum_specifier": "name"}
_C_FUNCTIONS = "function_definition preproc_function_def"
_C_VARIABLES = "declaration field_declaration type_definition preproc_def"
_C_THROUGH = "preproc_if preproc_ifdef preproc_else preproc_elif preproc_elifdef declaration_list"


def _typescript(language: Language, function: str, suffixes: str) -> Grammar:
    return Grammar(
        language,
        "tree_sitter_typescript",
        _set(suffixes),
        _TS_CLASSES,
        _set(f"{_JS_FUNCTIONS} function_signature abstract_method_signature method_signature"),
        _set(f"{_JS_VARIABLES} public_field_definition property_signature type_alias_declaration"),
        function=function,
        wrappers=_set("export_statement ambient_declaration"),
        scopes=_set("internal_module module"),
        through=_set(_JS_THROUGH),
        prefixes=_set("decorator"),
        expressions=_JS_EXPRESSIONS,
    )


GRAMMARS = (
    Grammar(
        "python",
        "tree_sitter_python",
        _set(".py .pyi .pyw"),
        {"class_definition": "name"},
        _set("function_definition"),
        _set("expression_statement type_alias_statement"),
        wrappers=_set("decorated_definition"),
        through=_set(
            "if_statement elif_clause else_clause try_statement except_clause finally_clause with_statement block "
            "for_statement while_statement match_statement case_clause"
        ),
        elided=" ...",
    ),
    Grammar(
        "javascript",
        "tree_sitter_javascript",
        _set(".js .jsx .mjs .cjs"),
        _JS_CLASSES,
        _set(_JS_FUNCTIONS),
        _set(_JS_VARIABLES),
        wrappers=_set("export_statement"),
        through=_set(_JS_THROUGH),
        prefixes=_set("decorator"),
        expressions=_JS_EXPRESSIONS,
    ),
    _typescript("typescript", "language_typescript", ".ts .mts .cts"),
    _typescript("tsx", "language_tsx", ".tsx"),
    Grammar(
        "java",
        "tree_sitter_java",
        _set(".java"),
        dict.fromkeys(
            (
                "class_declaration",
                "interface_declaration",
                "enum_declaration",
                "record_declaration",
                "annotation_type_declaration",
            ),
            "name",
        ),
        _set(
            "method_declaration constructor_declaration compact_constructor_declaration "
            "annotation_type_element_declaration"
        ),
        _set("field_declaration constant_declaration"),
        through=_set("enum_body_declarations"),
    ),
    Grammar(
        "go",
        "tree_sitter_go",
        _set(".go"),
        {"type_spec": "name"},
        _set("function_declaration method_declaration method_elem"),
        _set("const_spec var_spec type_alias field_declaration"),
        wrappers=_set("const_declaration var_declaration type_declaration"),
        through=_set("var_spec_list struct_type interface_type field_declaration_list"),
    ),
    Grammar(
        "rust",
        "tree_sitter_rust",
        _set(".rs"),
        {**dict.fromkeys(("struct_item", "enum_item", "union_item", "trait_item"), "name"), "impl_item": "type"},
        _set("function_item function_signature_item macro_definition"),
        _set("const_item static_item type_item field_declaration"),
        scopes=_set("mod_item foreign_mod_item"),
        through=_set("declaration_list"),
        prefixes=_set("attribute_item"),
    ),
    Grammar(
        "c",
        "tree_sitter_c",
        _set(".c"),
        _C_CLASSES,
        _set(_C_FUNCTIONS),
        _set(_C_VARIABLES),
        scopes=_set("linkage_specification"),
        through=_set(_C_THROUGH),
    ),
    Grammar(
        "cpp",
        "tree_sitter_cpp",
        _set(".cc .cpp .cxx .c++ .hh .hpp .hxx .ipp"),
        {**_C_CLASSES, "class_specifier": "name", "concept_definition": "name"},
        _set(_C_FUNCTIONS),
        _set(f"{_C_VARIABLES} alias_declaration"),
        wrappers=_set("template_declaration"),
        scopes=_set("namespace_definition linkage_specification"),
        through=_set(_C_THROUGH),
    ),
)
_BY_SUFFIX = {suffix: grammar for grammar in GRAMMARS for suffix in grammar.suffixes}
_BY_LANGUAGE = {grammar.language: grammar for grammar in GRAMMARS}
_HEADER = ".h"
_CPLUSPLUS = re.compile(rb"^[ \t]*(?:class|namespace|template|using|public:|private:)\b", re.M)


def suffix_of(path: str) -> str:
    """The suffix that decides the language, in small letters; "" for a file that has no grammar."""
    suffix = PurePosixPath(path).suffix.lower()
    return suffix if suffix in _BY_SUFFIX or suffix == _HEADER else ""


def grammar_of(suffix: str, data: bytes = b"") -> Grammar | None:
    """The grammar for a suffix; a header `.h` is C++ when its content says so, else C."""
    if suffix == _HEADER:
        return _BY_LANGUAGE["cpp" if _CPLUSPLUS.search(data) else "c"]
    return _BY_SUFFIX.get(suffix)


@cache
def load(grammar_language: Language) -> TreeSitterLanguage:
    """The compiled grammar."""
    grammar = _BY_LANGUAGE[grammar_language]
    return TreeSitterLanguage(getattr(importlib.import_module(grammar.module), grammar.function)())
