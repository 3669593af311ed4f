"""``speech-service status``: what a running server holds: workers, models, caches, open calls."""

import argparse
import asyncio
from dataclasses import asdict

from rich.text import Text

from speech_client.admin import AdminClient, ServerStatus
from speech_service.cli.admin import add_admin, choose_admin
from speech_service.cli.failure import ExitCode
from speech_service.cli.streams import json_line
from speech_service.cli.ui.tables import Cell, Column, show

_MIB = 1024 * 1024
_STATE_STYLES = {"ready": "green", "loading": "yellow", "failed": "bold red"}
COLUMNS = (
    Column("Name"),
    Column("What", wraps=True),
    Column("State"),
    Column("Memory", right=True),
    Column("More", wraps=True),
)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    parser.epilog = "Without a terminal: one line each, columns by tabs."
    parser.add_argument("--json", action="store_true", help="all of it as one JSON object")
    add_admin(parser)


def run(given: argparse.Namespace) -> int:
    """Show the state; raises SpeechApiError when the server refuses or does not answer."""
    choose_admin(given)
    status = asyncio.run(_status(given.server))
    if given.json:
        print(json_line(to_json(status)))
    else:
        show(COLUMNS, rows(status))
    return ExitCode.OK


def to_json(status: ServerStatus) -> dict[str, object]:
    """Give the state as plain values; the keys are the names of ``speech_client.admin.ServerStatus``."""
    return {**asdict(status), "started": status.started.isoformat()}


def rows(status: ServerStatus) -> list[list[Cell]]:
    """Give the server, its workers, its models, its caches, a row each."""
    calls = f"{status.open_streams} streams, {status.open_requests} calls open"
    state = Text("draining", "yellow") if status.draining else Text("serving", "green")
    since = f"{calls}; version {status.version}, since {status.started:%Y-%m-%d %H:%M:%S} UTC"
    found: list[list[Cell]] = [["server", "front end", state, _mib(status.rss_bytes), since]]
    for worker in status.workers:
        up = Text("up", "green") if worker.pid else Text("stopped", "dim")
        facts = [f"{worker.restarts} restarts"]
        facts += [f"pid {worker.pid}"] if worker.pid else []
        device = _mib(worker.device_memory_bytes)
        facts += [f"{device} of the device"] if device else []
        found.append([worker.worker_id, "worker", up, _mib(worker.rss_bytes), ", ".join(facts)])
    for model in status.instances:
        shown = Text(model.state, _STATE_STYLES.get(model.state, ""))
        facts = [f"on {model.device}"] if model.device else []
        facts += [model.message or f"{model.active} computed, {model.queued} waiting"]
        kind = model.kind.replace("_", " ")
        found.append([model.model, kind, shown, "", ", ".join(facts)])
    for cache in status.caches:
        on = Text("on", "green") if cache.capacity_bytes else Text("off", "dim")
        told = f"{cache.entries} entries, {cache.hits} hits, {cache.misses} misses"
        found.append([cache.kind.replace("_", " "), "cache", on, _mib(cache.size_bytes), told])
    return found


def _mib(size_bytes: int) -> str:
    return f"{size_bytes / _MIB:.1f} MiB" if size_bytes else ""


async def _status(server: str) -> ServerStatus:
    async with AdminClient.connect(server) as client:
        return await client.status()
