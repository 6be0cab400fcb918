"""What every application compiles anew, compiled once for all applications of a test process.

Each test makes its own portal. Compiling templates, routes and SQL again was half of its time.
"""

from types import CodeType, MethodType
from typing import Any

from flask import Flask
from jinja2 import BytecodeCache
from jinja2.bccache import Bucket
from sqlalchemy import Dialect
from sqlalchemy.sql.elements import ClauseElement
from sqlalchemy.util import LRUCache
from werkzeug.routing import Rule

# Of all tests together; the portal itself has a few hundred.
MOST_STATEMENTS = 3000
# What Werkzeug keeps of a rule that it has compiled.
COMPILED = ("_parts", "_trace", "_converters", "arguments", "_build", "_build_unknown")


class CompiledTemplates(BytecodeCache):
    """Finds a template by its name, its file and its text."""

    def __init__(self) -> None:
        self._code: dict[tuple[str, str], CodeType | None] = {}

    def load_bytecode(self, bucket: Bucket) -> None:
        bucket.code = self._code.get((bucket.key, bucket.checksum))

    def dump_bytecode(self, bucket: Bucket) -> None:
        self._code[bucket.key, bucket.checksum] = bucket.code


def once() -> None:
    """Keep, in this process, what is compiled from now on."""
    Flask.jinja_options = {"bytecode_cache": CompiledTemplates()}
    _keep_rules()
    _keep_statements()


def _keep_rules() -> None:
    compile_rule = Rule.compile
    known: dict[tuple[object, ...], dict[str, Any]] = {}

    def compiled(rule: Rule) -> None:
        # What is compiled depends on these alone: the functions that build an address are given the rule.
        key = (rule.rule, rule.host, rule.subdomain, repr(rule.defaults), rule.merge_slashes)
        if key not in known:
            compile_rule(rule)
            known[key] = {name: vars(rule)[name] for name in COMPILED}
        for name, value in known[key].items():
            setattr(rule, name, value.__func__.__get__(rule) if isinstance(value, MethodType) else value)

    Rule.compile = compiled  # type: ignore[method-assign, assignment]


def _keep_statements() -> None:
    """Share SQL between engines: each has statements of its own, and so each test compiled all it runs."""
    compile_statement = ClauseElement._compile_w_cache
    statements: LRUCache[Any, Any] = LRUCache(MOST_STATEMENTS)
    dialects: dict[tuple[object, ...], Dialect] = {}

    def compiled(statement: ClauseElement, dialect: Dialect, *, compiled_cache: Any, **options: Any) -> Any:
        # Engines for one version of one database speak one language.
        kind = (type(dialect), dialect.paramstyle, getattr(dialect, "server_version_info", None))
        known = dialects.setdefault(kind, dialect)
        cache = None if compiled_cache is None else statements
        return compile_statement(statement, known, compiled_cache=cache, **options)

    ClauseElement._compile_w_cache = compiled  # type: ignore[method-assign, assignment]
