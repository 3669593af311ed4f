"""``speech-service models``: what the server can do."""

import argparse
import asyncio
from dataclasses import fields

from rich.text import Text

from speech_client import Model
from speech_service.cli.arguments import add_connection, connect
from speech_service.cli.failure import ExitCode
from speech_service.cli.streams import json_line
from speech_service.cli.ui.tables import Cell, Column, show

KINDS = ("recognizer", "synthesizer", "aligner", "translator", "language_identifier")
_STATE_STYLES = {"ready": "green", "loading": "yellow", "failed": "bold red"}
COLUMNS = (
    Column("Name"),
    Column("Kind"),
    Column("State"),
    Column("Default"),
    Column("Languages", wraps=True),
)
LONG_COLUMNS = (
    Column("Rate"),
    Column("Capabilities", wraps=True),
    Column("Licence", wraps=True),
    Column("Limits", wraps=True),
    Column("About", wraps=True),
)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    parser.epilog = "Without a terminal: one line each, columns by tabs."
    parser.add_argument("--kind", choices=KINDS, default="", help="only models of this kind")
    parser.add_argument(
        "--language", default="", metavar="CODE", help="only models of this language"
    )
    form = parser.add_mutually_exclusive_group()
    form.add_argument("--long", action="store_true", help="all that is known of each model")
    form.add_argument("--json", action="store_true", help="one JSON object per model and line")
    add_connection(parser)


def run(given: argparse.Namespace) -> int:
    """List the models; raises SpeechApiError when the server refuses or does not answer."""
    models = asyncio.run(_list(given))
    if given.json:
        for model in models:
            print(json_line(to_json(model)))
    else:
        columns = (*COLUMNS, *LONG_COLUMNS) if given.long else COLUMNS
        show(columns, [row(model)[: len(columns)] for model in models], blocks=given.long)
    return ExitCode.OK


def to_json(model: Model) -> dict[str, object]:
    """A model as plain values; the keys are the names of ``speech_client.Model``."""
    return {each.name: getattr(model, each.name) for each in fields(model) if each.name != "raw"}


def row(model: Model) -> list[Cell]:
    """A model's cells: those of ``COLUMNS``, then those of ``LONG_COLUMNS``."""
    return [
        Text(model.name, "bold"),
        model.kind.replace("_", " "),
        Text(model.state, _STATE_STYLES.get(model.state, "")),
        "default" if model.is_default else "",
        ", ".join(model.languages) or "any",
        f"{model.sample_rate_hz} Hz" if model.sample_rate_hz else "",
        ", ".join(model.capabilities),
        model.licence,
        ", ".join(f"{name} {value}" for name, value in sorted(model.limits.items())),
        model.description,
    ]


async def _list(given: argparse.Namespace) -> tuple[Model, ...]:
    async with connect(given) as client:
        return await client.list_models(given.kind, given.language)
