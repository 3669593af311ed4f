"""The reference below ``docs/reference`` is what the sources give, and the sources leave nothing unsaid."""

import argparse

import msgspec
import pytest

from speech_service.cli import COMMANDS, build_parser
from speech_service.config.reference import meanings, rows
from speech_service.config.tree import Config
from speech_service.engines import registry
from tools.docs import command_line, pages


def test_the_pages_are_what_the_sources_give() -> None:
    assert not pages.stale(), "run: make docs"


def test_every_setting_says_what_it_means() -> None:
    silent = [row.key for row in rows(Config) if not row.meaning]
    for kind, options in registry.options_of_kinds().items():
        silent += [f"{kind} {row.key}" for row in rows(options) if not row.meaning]
    assert not silent, "write a text below the key"


@pytest.mark.parametrize("name", COMMANDS)
def test_every_option_says_what_it_means(name: str) -> None:
    silent: list[str] = []

    class Formatter(argparse.HelpFormatter):
        def add_argument(self, action: argparse.Action) -> None:
            if not action.help:
                silent.append(action.dest)

    parser = build_parser(name)
    parser.formatter_class = Formatter
    parser.format_help()
    assert not silent


@pytest.mark.parametrize("name", COMMANDS)
def test_what_is_printed_with_json_has_types_with_meanings(name: str) -> None:
    has_option = "--json" in build_parser(name).format_help()
    kinds = command_line.json_lines(name)
    assert bool(kinds) == has_option
    for kind in kinds:
        assert kind.__doc__
        assert {field.name for field in msgspec.structs.fields(kind)} == meanings(kind).keys()


def test_every_default_is_among_the_allowed_values() -> None:
    types = [Config, *registry.options_of_kinds().values()]
    while types:
        for field in msgspec.structs.fields(types.pop()):
            if isinstance(field.type, type) and issubclass(field.type, msgspec.Struct):
                types.append(field.type)
            elif field.default is not msgspec.NODEFAULT:
                assert msgspec.convert(field.default, field.type) == field.default, field.name
