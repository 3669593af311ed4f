"""``speech-service voices``: the voices that the server can speak with."""

import argparse
import asyncio
from dataclasses import fields

import msgspec
from rich.text import Text

from speech_client import Voice
from speech_service.cli.arguments import add_connection, connect
from speech_service.cli.failure import ExitCode
from speech_service.cli.streams import JsonLine, json_line
from speech_service.cli.ui.tables import Cell, Column, show

COLUMNS = (Column("Id"), Column("Kind"), Column("Gender"), Column("Languages", wraps=True))
LONG_COLUMNS = (
    Column("Name", wraps=True),
    Column("Rate"),
    Column("Aliases", wraps=True),
    Column("Models", wraps=True),
    Column("Licence", wraps=True),
)


class VoiceJson(JsonLine):
    """A voice."""

    id: str
    """Id to use as `--voice`."""
    name: str
    """Name for people."""
    kind: str
    """`built_in`, `cloned` or `designed`."""
    languages: tuple[str, ...]
    """BCP-47 codes that it speaks."""
    gender: str
    """How it is likely to be heard: `female`, `male`, `neutral`, or empty where that is not known."""
    sample_rate_hz: int
    """Its own rate; 0 where it has none."""
    licence: str
    """SPDX identifier, or name of its licence; empty for a voice that a client made."""
    models: tuple[str, ...]
    """Names of the models that speak it."""
    aliases: tuple[str, ...]
    """Other ids that mean this voice."""
    description: str
    """A sentence for people."""
    created: str | None
    """When it was made (ISO 8601); null for a built-in voice."""


JSON_LINES = (VoiceJson,)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    parser.epilog = "Without a terminal: one line each, columns by tabs."
    parser.add_argument(
        "--language", default="", metavar="CODE", help="only voices of this language"
    )
    parser.add_argument("--model", default="", metavar="NAME", help="only voices of this model")
    form = parser.add_mutually_exclusive_group()
    form.add_argument("--long", action="store_true", help="all that is known of each voice")
    form.add_argument("--json", action="store_true", help="one JSON object per voice and line")
    add_connection(parser)


def run(given: argparse.Namespace) -> int:
    """List the voices; raises SpeechApiError when the server refuses or does not answer."""
    voices = asyncio.run(_list(given))
    if given.json:
        for voice in voices:
            print(json_line(to_json(voice)))
    else:
        columns = (*COLUMNS, *LONG_COLUMNS) if given.long else COLUMNS
        show(columns, [row(voice)[: len(columns)] for voice in voices], blocks=given.long)
    return ExitCode.OK


def to_json(voice: Voice) -> VoiceJson:
    """Give the line of ``--json``."""
    values = {each.name: getattr(voice, each.name) for each in fields(voice) if each.name != "raw"}
    values["created"] = voice.created.isoformat() if voice.created else None
    return msgspec.convert(values, VoiceJson)


def row(voice: Voice) -> list[Cell]:
    """Give a voice's cells: those of ``COLUMNS``, then those of ``LONG_COLUMNS``."""
    return [
        Text(voice.id, "bold"),
        voice.kind.replace("_", "-"),
        voice.gender,
        ", ".join(voice.languages),
        voice.name,
        f"{voice.sample_rate_hz} Hz" if voice.sample_rate_hz else "",
        ", ".join(voice.aliases),
        ", ".join(voice.models),
        voice.licence,
    ]


async def _list(given: argparse.Namespace) -> tuple[Voice, ...]:
    async with connect(given) as client:
        return await client.list_voices(given.language, model=given.model)
