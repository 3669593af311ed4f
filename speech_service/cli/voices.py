"""``speech-service voices``: the voices that the server can speak with."""

import argparse
import asyncio
import json
from dataclasses import fields

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from speech_client import Voice
from speech_service.cli.arguments import add_connection, connect
from speech_service.cli.failure import ExitCode


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    parser.add_argument(
        "--language", default="", metavar="CODE", help="only voices of this language"
    )
    parser.add_argument("--model", default="", metavar="NAME", help="only voices of this model")
    parser.add_argument("--json", action="store_true", help="one JSON object per voice and line")
    add_connection(parser)


def run(given: argparse.Namespace) -> int:
    """List the voices; raises SpeechApiError when the server refuses or does not answer."""
    voices = asyncio.run(_list(given))
    if given.json:
        for voice in voices:
            print(json.dumps(to_json(voice), ensure_ascii=False))
    else:
        Console().print(to_table(voices, given.server))
    return ExitCode.OK


def to_json(voice: Voice) -> dict[str, object]:
    """A voice as plain values; the keys are the names of ``speech_client.Voice``."""
    values = {each.name: getattr(voice, each.name) for each in fields(voice) if each.name != "raw"}
    values["created"] = voice.created.isoformat() if voice.created else None
    return values


def to_table(voices: tuple[Voice, ...], server: str) -> Table:
    """The voices for a person."""
    table = Table(title=f"Voices of {server}", title_justify="left")
    for heading in ("Id", "Kind", "Languages", "Gender", "Rate", "Aliases", "Licence"):
        table.add_column(
            heading,
            justify="right" if heading == "Rate" else "left",
            overflow="fold",
            no_wrap=heading in ("Id", "Rate"),
        )
    for voice in voices:
        table.add_row(
            f"[bold]{escape(voice.id)}[/]",
            voice.kind.replace("_", "-"),
            ", ".join(voice.languages),
            voice.gender,
            f"{voice.sample_rate_hz} Hz" if voice.sample_rate_hz else "",
            escape(", ".join(voice.aliases)),
            escape(voice.licence),
        )
    return table


async def _list(given: argparse.Namespace) -> tuple[Voice, ...]:
    async with connect(given) as client:
        return await client.list_voices(given.language, model=given.model)
