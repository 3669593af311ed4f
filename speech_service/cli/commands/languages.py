"""``speech-service languages``: which language the server recognizes, speaks, aligns and translates."""

import argparse
import asyncio
from collections.abc import Iterable

from rich.text import Text

from speech_client import Model
from speech_service.cli.arguments import add_connection, connect
from speech_service.cli.failure import ExitCode
from speech_service.cli.streams import JsonLine, json_line
from speech_service.cli.ui.tables import Column, show

TASKS = {
    "recognizer": "Recognize",
    "synthesizer": "Synthesize",
    "aligner": "Align",
    "translator": "Translate",
}
"""Kind of model to what it is for, in the order of the columns."""

ANY = "any"
"""Stands for the languages of a model that names none, such as a general translator."""

Matrix = dict[str, dict[str, list[str]]]
"""Language code to kind to names of models."""


class LanguageJson(JsonLine):
    """A language, with the names of the models that have it, the default one first."""

    language: str
    """BCP-47 code; `any` stands for the models that name no language."""
    recognizer: list[str]
    """Models that recognize it."""
    synthesizer: list[str]
    """Models that speak it."""
    aligner: list[str]
    """Models that align it."""
    translator: list[str]
    """Models that translate from it or into it; a translator serves pairs of its languages."""


JSON_LINES = (LanguageJson,)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    parser.epilog = (
        "A translator serves pairs of its languages; asking for another pair says which. "
        "Without a terminal: one line each, columns by tabs."
    )
    parser.add_argument("--json", action="store_true", help="one JSON object per language and line")
    add_connection(parser)


def run(given: argparse.Namespace) -> int:
    """List the languages; raises SpeechApiError when the server refuses or does not answer."""
    matrix = by_language(asyncio.run(_list(given)))
    if given.json:
        for code, kinds in matrix.items():
            line = LanguageJson(
                language=code,
                recognizer=kinds.get("recognizer", []),
                synthesizer=kinds.get("synthesizer", []),
                aligner=kinds.get("aligner", []),
                translator=kinds.get("translator", []),
            )
            print(json_line(line))
    else:
        columns = [Column("Language"), *(Column(title, wraps=True) for title in TASKS.values())]
        rows = [
            [Text(code, "bold"), *(", ".join(kinds.get(kind, [])) for kind in TASKS)]
            for code, kinds in matrix.items()
        ]
        show(columns, rows)
    return ExitCode.OK


def by_language(models: Iterable[Model]) -> Matrix:
    """Who serves which language; codes sorted, defaults first."""
    matrix: Matrix = {}
    for model in sorted(models, key=lambda each: (not each.is_default, each.name)):
        for code in (model.languages or (ANY,)) if model.kind in TASKS else ():
            matrix.setdefault(code, {}).setdefault(model.kind, []).append(model.name)
    return dict(sorted(matrix.items()))


async def _list(given: argparse.Namespace) -> tuple[Model, ...]:
    async with connect(given) as client:
        return await client.list_models()
