"""The page of the command line: options from the parsers, lines of ``--json`` and their schema from the types."""

import argparse
import inspect
import json
from collections.abc import Iterable
from typing import Any

import msgspec

from speech_service import probe
from speech_service.cli import COMMANDS, EXIT_CODES, build_parser, load_command
from speech_service.cli.streams import JsonLine
from speech_service.config.reference import meanings
from tools.docs.text import heading_row, row

HEAD = """\
# Commands

<!-- Written by `make docs` from the parsers of speech_service/cli. -->

[The command line](../cli.md) says what is common to all commands: the server they call, what goes to stdout and what to
stderr. `speech-service COMMAND --help` prints what is below.
"""
SCHEMA_FILE = "command-line.schema.json"
_KINDS = {"string": "text", "boolean": "true or false", "integer": "whole number"}
JSON_HEAD = f"""\
`--json` prints one object per line; `type` tells which, where there are several. Keys are never renamed, new ones may
be added. [{SCHEMA_FILE}]({SCHEMA_FILE}) has all objects as JSON Schema.
"""


class _MarkdownFormatter(argparse.HelpFormatter):
    """Writes what argparse tells of a parser as Markdown; it looks the same with every version of Python."""

    def __init__(self, prog: str) -> None:
        super().__init__(prog)
        self._lines: list[str] = []

    def add_usage(
        self,
        usage: str | None,
        actions: Iterable[argparse.Action],
        groups: Iterable[Any],
        prefix: str | None = None,
    ) -> None:
        """Name the command with what it must be given, and the options that exclude each other."""
        words = [self._prog, "[options]"]
        words += [_asked(action) for action in actions if action.required]
        words += [f"[{_asked(action)}]" for action in actions if _is_optional_word(action)]
        self._lines.append(f"    {' '.join(words)}\n")
        for group in groups:
            names = [f"`{action.option_strings[-1]}`" for action in group._group_actions]
            self._lines.append(f"At most one of {', '.join(names)}.\n")

    def add_text(self, text: str | None) -> None:
        """Take a paragraph."""
        if text and text is not argparse.SUPPRESS:
            self._lines.append(f"{text}\n")

    def start_section(self, heading: str | None) -> None:
        """Begin a group of options; it has a table only where it has options."""
        self._heading = heading or ""

    def end_section(self) -> None:
        """End a group of options."""

    def add_arguments(self, actions: Iterable[argparse.Action]) -> None:
        """Take the options of a group as a table."""
        rows = [
            _option_row(action, self._prog)
            for action in actions
            if action.help is not argparse.SUPPRESS
        ]
        if rows:
            self._lines += [heading_row(self._heading, "meaning"), *rows, ""]

    def format_help(self) -> str:
        """Give all of it."""
        return "\n".join(self._lines)


def page() -> str:
    """Give the whole page."""
    codes = [row(str(int(code)), meaning) for code, meaning in EXIT_CODES.items()]
    parts = [
        HEAD,
        "## Exit codes\n",
        heading_row("code", "meaning"),
        *codes,
        "",
        "## JSON Lines\n",
        JSON_HEAD,
    ]
    for name in COMMANDS:
        parts.append(_command(name))
    parts.append(f"## The probe\n\n{inspect.cleandoc(probe.__doc__ or '')}\n".replace("``", "`"))
    return "\n".join(parts)


def schema() -> str:
    """Give the JSON Schema of all lines of ``--json``."""
    kinds = [kind for name in COMMANDS for kind in json_lines(name)]
    return json.dumps({"$defs": _definitions(kinds)}, indent=2) + "\n"


def json_lines(name: str) -> tuple[type[JsonLine], ...]:
    """Give the types of what a command prints with ``--json``; none where it has no such option."""
    return getattr(load_command(name), "JSON_LINES", ())


def _command(name: str) -> str:
    parser = build_parser(name)
    parser.formatter_class = _MarkdownFormatter
    parts = [f"## `{name}`\n", parser.format_help()]
    kinds = json_lines(name)
    definitions = _definitions(kinds)
    for kind in kinds:
        parts.append(_line(kind, definitions))
        parts += [_line(part, definitions) for part in _parts(kind)]
    return "\n".join(parts)


def _parts(kind: type[JsonLine]) -> list[type[JsonLine]]:
    """Objects inside an object."""
    hints = [field.type for field in msgspec.structs.fields(kind)]
    inner = [item for hint in hints for item in (hint, *getattr(hint, "__args__", ()))]
    return [item for item in inner if isinstance(item, type) and issubclass(item, JsonLine)]


def _line(kind: type[JsonLine], definitions: dict[str, Any]) -> str:
    """An object of ``--json`` as a table of its keys."""
    properties: dict[str, Any] = definitions[kind.__name__]["properties"]
    told = meanings(kind)
    tag = kind.__struct_config__.tag
    title = f"`--json`, where `type` is `{tag}`" if tag else f"`{kind.__name__}` of `--json`"
    rows = [
        row(
            f"`{field.encode_name}`",
            _words(properties[field.encode_name], definitions),
            told[field.name],
        )
        for field in msgspec.structs.fields(kind)
    ]
    about = inspect.cleandoc(kind.__doc__ or "")
    return "\n".join([f"{title}: {about}\n", heading_row("key", "value", "meaning"), *rows, ""])


def _definitions(kinds: Iterable[type[JsonLine]]) -> dict[str, Any]:
    _, definitions = msgspec.json.schema_components(kinds, ref_template="#/$defs/{name}")
    return definitions


def _words(schema: dict[str, Any], definitions: dict[str, Any]) -> str:
    """What a value may be."""
    match schema:
        case {"anyOf": kinds}:
            return " or ".join(_words(kind, definitions) for kind in kinds)
        case {"$ref": name}:
            named = definitions[name.rpartition("/")[2]]
            return _words(named, definitions) if "enum" in named else f"`{named['title']}`"
        case {"type": "array", "items": items}:
            return f"list of {_words(items, definitions)}"
        case {"enum": values}:
            return ", ".join(f"`{value}`" for value in values)
        case {"type": kind}:
            return _KINDS.get(kind) or str(kind)
        case _:
            return "any"


def _option_row(action: argparse.Action, prog: str) -> str:
    names = ", ".join(f"`{name}`" for name in action.option_strings)
    value = _value(action)
    left = f"{names} `{value}`" if names and value else names or f"`{value}`"
    told = (action.help or "") % {**vars(action), "prog": prog}
    return row(left, told)


def _value(action: argparse.Action) -> str:
    if action.nargs == 0:
        return ""
    if action.choices is not None and action.metavar is None:
        return "|".join(map(str, action.choices))
    metavar: str = str(action.metavar or action.dest.upper())
    return f"{metavar} ..." if action.nargs == "+" else metavar


def _asked(action: argparse.Action) -> str:
    value = _value(action)
    return f"{action.option_strings[-1]} {value}" if action.option_strings else value


def _is_optional_word(action: argparse.Action) -> bool:
    return not action.required and not action.option_strings
