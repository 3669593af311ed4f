"""``speech-service status``: what a running server holds: workers, models, caches, open calls."""

import argparse
import asyncio
from dataclasses import asdict

import msgspec
from rich.text import Text

from speech_client.admin import ServerStatus
from speech_service.cli.admin import add_admin, choose_admin, connect_admin
from speech_service.cli.failure import ExitCode
from speech_service.cli.streams import JsonLine, json_line
from speech_service.cli.ui.tables import Cell, Column, show

_MIB = 1024 * 1024
_STATE_STYLES = {
    "ready": "green",
    "loading": "yellow",
    "starting": "yellow",
    "restarting": "yellow",
    "stopped": "dim",
    "failed": "bold red",
}
_UNHEALTHY = Text("unhealthy", "bold red")
COLUMNS = (
    Column("Name"),
    Column("What", wraps=True),
    Column("State"),
    Column("Memory", right=True),
    Column("More", wraps=True),
)


class WorkerJson(JsonLine):
    """A worker process."""

    worker_id: str
    """Name of the worker."""
    pid: int
    """Its process id; 0 while it does not run."""
    rss_bytes: int
    """Its resident memory, in bytes; 0 while it does not run."""
    device_memory_bytes: int
    """Memory in use on its GPUs, by whatever process, in bytes; 0 while it uses none."""
    restarts: int
    """How often it was started again."""
    state: str
    """`stopped`, `starting`, `ready`, `restarting` or `failed`."""
    healthy: bool
    """Whether work can be expected to succeed there."""
    devices: tuple[str, ...]
    """Devices that are its own, such as `cpu` or `cuda:0`."""
    models: tuple[str, ...]
    """Models that it serves, loaded or not."""


class InstanceJson(JsonLine):
    """A model in a worker."""

    model: str
    """Its configured name."""
    kind: str
    """`recognizer`, `synthesizer`, `aligner`, `translator` or `language_identifier`."""
    state: str
    """`unloaded`, `loading`, `ready`, `unloading` or `failed`."""
    worker_id: str
    """Worker that holds it; `inline` is the front end itself."""
    device: str
    """Where it computes, such as `cpu` or `cuda:0`; empty while it is not loaded."""
    queued: int
    """Pieces of work that wait for it."""
    active: int
    """Pieces of work that it computes."""
    message: str
    """What went wrong; empty unless the state is `failed`."""


class CacheJson(JsonLine):
    """A cache of the server."""

    kind: str
    """What it holds."""
    entries: int
    """How many things it holds."""
    size_bytes: int
    """How many bytes they take."""
    capacity_bytes: int
    """The most that they may take, in bytes; 0 where the cache is off."""
    hits: int
    """How often it had what was asked for, since the start."""
    misses: int
    """How often it had not, since the start."""


class StatusJson(JsonLine):
    """The server as it is now."""

    address: str
    """The admin port that was asked."""
    version: str
    """Version of the service."""
    started: str
    """When it was started (ISO 8601)."""
    draining: bool
    """Whether it drains: it takes no more calls."""
    open_streams: int
    """Streams that are open."""
    open_requests: int
    """Unary calls that are open."""
    rss_bytes: int
    """Resident memory of the front end alone, in bytes."""
    workers: tuple[WorkerJson, ...]
    """The workers."""
    instances: tuple[InstanceJson, ...]
    """The models in them."""
    caches: tuple[CacheJson, ...]
    """The caches."""


JSON_LINES = (StatusJson,)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    parser.epilog = "Without a terminal: one line each, columns by tabs."
    parser.add_argument("--json", action="store_true", help="all of it as one JSON object")
    add_admin(parser)


def run(given: argparse.Namespace) -> int:
    """Show the state; raises SpeechApiError when the server refuses or does not answer."""
    choose_admin(given)
    status = asyncio.run(_status(given))
    if given.json:
        print(json_line(to_json(status, given.server)))
    else:
        show(COLUMNS, rows(status, given.server))
    return ExitCode.OK


def to_json(status: ServerStatus, address: str) -> StatusJson:
    """Give the line of ``--json``; ``address`` is the admin port."""
    values = {**asdict(status), "address": address, "started": status.started.isoformat()}
    return msgspec.convert(values, StatusJson)


def rows(status: ServerStatus, address: str) -> list[list[Cell]]:
    """Give the server at ``address``, its workers, its models, its caches, a row each."""
    calls = f"{status.open_streams} streams, {status.open_requests} calls open"
    state = Text("draining", "yellow") if status.draining else Text("serving", "green")
    begun = f"since {status.started:%Y-%m-%d %H:%M:%S} UTC"
    since = f"{calls}; admin port {address}; version {status.version}, {begun}"
    found: list[list[Cell]] = [["server", "front end", state, _mib(status.rss_bytes), since]]
    for worker in status.workers:
        works = worker.healthy or worker.state != "ready"
        state = Text(worker.state, _STATE_STYLES.get(worker.state, "")) if works else _UNHEALTHY
        what = f"worker on {' and '.join(worker.devices)}" if worker.devices else "worker"
        facts = [f"{worker.restarts} restarts"]
        facts += [f"pid {worker.pid}"] if worker.pid else []
        device = _mib(worker.device_memory_bytes)
        facts += [f"{device} of its GPUs in use"] if device else []
        facts += [f"serves {', '.join(worker.models)}"] if worker.models else []
        found.append([worker.worker_id, what, state, _mib(worker.rss_bytes), "; ".join(facts)])
    for model in status.instances:
        shown = Text(model.state, _STATE_STYLES.get(model.state, ""))
        facts = [f"in {model.worker_id}"]
        facts += [f"on {model.device}"] if model.device else []
        facts += [model.message or f"{model.active} at work, {model.queued} waiting"]
        kind = model.kind.replace("_", " ")
        found.append([model.model, kind, shown, "", ", ".join(facts)])
    for cache in status.caches:
        on = Text("on", "green") if cache.capacity_bytes else Text("off", "dim")
        told = f"{cache.entries} entries, {cache.hits} hits, {cache.misses} misses"
        found.append([cache.kind.replace("_", " "), "cache", on, _mib(cache.size_bytes), told])
    return found


def _mib(size_bytes: int) -> str:
    return f"{size_bytes / _MIB:.1f} MiB" if size_bytes else ""


async def _status(given: argparse.Namespace) -> ServerStatus:
    async with connect_admin(given) as client:
        return await client.status()
