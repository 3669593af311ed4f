"""The configuration as a table of keys, made from the types: what ``config --reference`` prints and the docs hold."""

import ast
import functools
import inspect
import itertools
import sys
import textwrap
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, cast

import msgspec

from speech_service.config.kinds import described
from speech_service.config.tree import Settings


@dataclass(frozen=True, slots=True)
class SettingRow:
    """One key: its type in words, its default as TOML would write it, and what it means."""

    key: str
    kind: str
    default: str
    meaning: str


def rows(section: type[Settings], path: str = "") -> Iterator[SettingRow]:
    """Give a row for each key of a section, those of its sections included.

    Args:
        section: the type.
        path: what its keys are below, ``server`` for instance.
    """
    told = meanings(section)
    for field in msgspec.structs.fields(section):
        key = f"{path}.{field.name}" if path else field.name
        kind: Any = field.type
        if isinstance(kind, type) and issubclass(kind, Settings):
            yield from rows(kind, key)
        else:
            meaning = told.get(field.name, "")
            yield SettingRow(key, described(kind), _default(field), meaning)


def markdown(section: type[Settings]) -> str:
    """Write the rows as a table in Markdown."""
    lines = ["| key | allowed | default | meaning |", "| --- | --- | --- | --- |"]
    for row in rows(section):
        cells = (f"`{row.key}`", row.kind, f"`{row.default}`" if row.default else "", row.meaning)
        lines.append("| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |")
    return "\n".join(lines) + "\n"


def toml_value(value: Any) -> str:
    """Write a value as TOML does."""
    match value:
        case bool():
            return str(value).lower()
        case int() | float():
            return repr(value)
        case str():
            return '"' + value.replace("\\", "\\\\").replace('"', '\\"') + '"'
        case list() | tuple():
            return f"[{', '.join(toml_value(item) for item in cast('list[Any]', value))}]"
        case dict():
            table = cast("dict[str, Any]", value)
            return f"{{{', '.join(f'{key} = {toml_value(item)}' for key, item in table.items())}}}"
        case _:
            return str(value)


def _default(field: msgspec.structs.FieldInfo) -> str:
    if field.required:
        return ""
    factory: Any = field.default_factory
    value = field.default if factory is msgspec.NODEFAULT else factory()
    return "" if value is None else toml_value(msgspec.to_builtins(value))


def meanings(section: type[msgspec.Struct]) -> dict[str, str]:
    """Give the text below each field of a type, inherited fields included."""
    found: dict[str, str] = {}
    for base in reversed(section.__mro__):
        if issubclass(base, msgspec.Struct) and base is not msgspec.Struct:
            found.update(_texts_of(base.__module__, base.__qualname__))
    return found


@functools.cache
def _texts_of(module: str, name: str) -> dict[str, str]:
    tree = ast.parse(inspect.getsource(sys.modules[module]))
    body = next(n for n in ast.walk(tree) if isinstance(n, ast.ClassDef) and n.name == name).body
    texts: dict[str, str] = {}
    for key, text in itertools.pairwise(body):
        if isinstance(key, ast.AnnAssign) and isinstance(text, ast.Expr):
            value = ast.literal_eval(text.value)
            texts[ast.unparse(key.target)] = " ".join(textwrap.dedent(value).split())
    return texts
