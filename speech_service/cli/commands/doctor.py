"""``speech-service doctor``: is everything there and does everything answer?

Exit code 0: no check failed (warnings may remain); 1: one did, and a server that does not answer is one of them.
``--health`` asks the server alone, in one call.
"""

import argparse
import asyncio
import sys
from pathlib import Path

from rich.table import Table
from rich.text import Text

from speech_client import HealthStatus, RetryPolicy, SpeechApiError
from speech_service.cli.arguments import access, add_connection, choose_server, connect
from speech_service.cli.checks import check_installation, check_server
from speech_service.cli.failure import CommandError, ExitCode, explain
from speech_service.cli.finding import Check, Verdict
from speech_service.cli.streams import JsonLine, json_line
from speech_service.cli.ui import tables
from speech_service.cli.ui.console import terminal
from speech_service.cli.ui.tables import Column
from speech_service.config.environment import client_server, local_address
from speech_service.config.load import load_config
from speech_service.config.tree import Config

_HEALTH_TIMEOUT_S = 3.0
_STYLES = {Verdict.OK: "green", Verdict.WARN: "yellow", Verdict.FAIL: "bold red"}
_LEAST_WIDTH = 60
"""Columns. On a narrower terminal what was found stands below the name of the check."""


class CheckJson(JsonLine):
    """A check."""

    check: str
    """What was looked at."""
    verdict: Verdict
    """How it ended; one that failed makes the exit code 1."""
    found: str
    """What was found."""
    fix: str
    """What to do; empty where nothing needs to be done."""


JSON_LINES = (CheckJson,)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    parser.add_argument(
        "--config", type=Path, metavar="FILE", help="TOML configuration of the server"
    )
    parser.add_argument(
        "--health",
        action="store_true",
        help="only ask the server whether it serves: exit code 0 or 1, for container health checks",
    )
    parser.add_argument(
        "--load", action="store_true", help="load each configured model, to check its files"
    )
    parser.add_argument(
        "--no-server", action="store_true", help="check the installation only, ask no server"
    )
    parser.add_argument("--json", action="store_true", help="one JSON object per check and line")
    parser.epilog = (
        "--verbose adds the versions of all packages. "
        "Exit code 1: a check failed; a server that does not answer is a failed check. "
        "With --server, or SPEECH_SERVER, only that server is checked. "
        "A health check for containers that costs a tenth of --health: python -I -m speech_service.probe"
    )
    add_connection(parser, "server.listen of the configuration (admin_listen for --health)")


def run(given: argparse.Namespace) -> int:
    """Check; returns 0 or 1.

    Raises:
        ConfigError: the configuration is wrong, which no check could get around.
    """
    config = load_config(given.config)
    named = given.server is not None or bool(client_server())
    if given.health:
        # The admin port is plaintext on loopback whatever TLS the public port asks for, and answers the same.
        choose_server(given, local_address(config.server.admin_listen))
        return asyncio.run(_health(given))
    choose_server(given, local_address(config.server.listen))
    if given.no_server:
        checks = check_installation(config, given.load, given.verbose)
    else:
        checks = asyncio.run(_check_all(given, config, named))
    if given.json:
        for check in checks:
            line = CheckJson(
                check=check.name, verdict=check.verdict, found=check.found, fix=check.fix
            )
            print(json_line(line))
    else:
        show(checks)
    failed = any(check.verdict is Verdict.FAIL for check in checks)
    return ExitCode.REFUSED if failed else ExitCode.OK


def show(checks: list[Check]) -> None:
    """The checks for a person, or by tabs where stdout is no terminal: verdict, check, found, what to do."""
    if not sys.stdout.isatty():
        rows = [[check.verdict.value, check.name, check.found, check.fix] for check in checks]
        tables.show([Column(""), Column("Check"), Column("Found"), Column("What to do")], rows)
        return
    console = terminal()
    names = max(len(check.name) for check in checks)
    for check in checks:
        verdict = Text(f"{check.verdict.value:<4}", _STYLES[check.verdict])
        found = Text(check.found)
        if check.fix:
            found.append(f"\n-> {check.fix}", "bold")
        grid = Table.grid(padding=(0, 1, 0, 0))
        grid.add_column(no_wrap=True)
        if console.width >= _LEAST_WIDTH:
            grid.add_column(no_wrap=True, min_width=names)
            grid.add_column(overflow="fold")
            grid.add_row(verdict, check.name, found)
        else:
            grid.add_column(overflow="fold")
            grid.add_row(verdict, Text(f"{check.name}\n").append(found))
        console.print(grid)


async def _check_all(given: argparse.Namespace, config: Config, named: bool) -> list[Check]:
    checks = [] if named else check_installation(config, given.load, given.verbose)
    async with connect(given, RetryPolicy(attempts=1)) as client:
        return checks + await check_server(client, access(given))


async def _health(given: argparse.Namespace) -> int:
    async with connect(given, RetryPolicy(attempts=1)) as client:
        try:
            status = await client.check_health(timeout_s=_HEALTH_TIMEOUT_S)
        except SpeechApiError as error:
            raise CommandError(
                str(explain(error, access(given))), ExitCode.REFUSED, error.message
            ) from error
    print(f"{given.server}: {status.name}")
    return ExitCode.OK if status is HealthStatus.SERVING else ExitCode.REFUSED
