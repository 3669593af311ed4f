"""``speech-service models``: what the server can do."""

import argparse
import asyncio

import msgspec
from rich.text import Text

from speech_client import Model
from speech_service.cli.arguments import add_connection, connect
from speech_service.cli.failure import ExitCode
from speech_service.cli.streams import JsonLine, json_line
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


class ModelJson(JsonLine):
    """A model that the server is configured with."""

    name: str
    """Name to use in requests."""
    kind: str
    """`recognizer`, `synthesizer`, `aligner`, `translator` or `language_identifier`."""
    state: str
    """`unloaded` (loads on first use), `loading`, `ready`, `unloading` or `failed`."""
    languages: tuple[str, ...]
    """BCP-47 codes; empty where the model names none."""
    sample_rate_hz: int
    """Rate of its audio; 0 for a translator."""
    capabilities: tuple[str, ...]
    """Options that it honours, such as `word_times`."""
    limits: dict[str, int]
    """Limits that hold for it; the names carry the unit."""
    is_default: bool
    """Whether requests that name no model get this one."""
    licence: str
    """SPDX identifier, or name of the licence of the weights."""
    description: str
    """A sentence for people."""


JSON_LINES = (ModelJson,)


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
            print(json_line(msgspec.convert(model, ModelJson, from_attributes=True)))
    else:
        columns = (*COLUMNS, *LONG_COLUMNS) if given.long else COLUMNS
        show(columns, [row(model)[: len(columns)] for model in models], blocks=given.long)
    return ExitCode.OK


def row(model: Model) -> list[Cell]:
    """Give a model's cells: those of ``COLUMNS``, then those of ``LONG_COLUMNS``."""
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
