"""``speech-service models``: what the server can do."""

import argparse
import asyncio
import json
from dataclasses import fields

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from speech_client import Model
from speech_service.cli.arguments import add_connection, connect
from speech_service.cli.failure import ExitCode

KINDS = ("recognizer", "synthesizer", "aligner", "translator", "language_identifier")
_STATE_STYLES = {"ready": "green", "loading": "yellow", "failed": "bold red"}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    parser.add_argument("--kind", choices=KINDS, default="", help="only models of this kind")
    parser.add_argument(
        "--language", default="", metavar="CODE", help="only models of this language"
    )
    parser.add_argument("--json", action="store_true", help="one JSON object per model and line")
    add_connection(parser)


def run(given: argparse.Namespace) -> int:
    """List the models; raises SpeechApiError when the server refuses or does not answer."""
    models = asyncio.run(_list(given))
    if given.json:
        for model in models:
            print(json.dumps(to_json(model), ensure_ascii=False))
    else:
        Console().print(to_table(models, given.server))
    return ExitCode.OK


def to_json(model: Model) -> dict[str, object]:
    """A model as plain values; the keys are the names of ``speech_client.Model``."""
    return {each.name: getattr(model, each.name) for each in fields(model) if each.name != "raw"}


def to_table(models: tuple[Model, ...], server: str) -> Table:
    """The models for a person."""
    table = Table(title=f"Models of {server} (* default)", title_justify="left")
    for heading in ("Name", "Kind", "State", "Languages", "Rate", "Capabilities", "Licence"):
        table.add_column(
            heading,
            justify="right" if heading == "Rate" else "left",
            overflow="fold",
            no_wrap=heading in ("Name", "Rate"),
        )
    for model in models:
        table.add_row(
            f"[bold]{escape(model.name)}[/]{'*' if model.is_default else ''}",
            model.kind,
            f"[{_STATE_STYLES.get(model.state, 'default')}]{model.state}[/]",
            ", ".join(model.languages) or "any",
            f"{model.sample_rate_hz} Hz" if model.sample_rate_hz else "",
            ", ".join(model.capabilities),
            escape(model.licence),
        )
    return table


async def _list(given: argparse.Namespace) -> tuple[Model, ...]:
    async with connect(given) as client:
        return await client.list_models(given.kind, given.language)
