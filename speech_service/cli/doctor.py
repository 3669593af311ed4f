"""``speech-service doctor``: is everything there and does everything answer?

Exit code 0: no check failed (warnings may remain); 1: one did. ``--health`` asks the server alone, in one call.
"""

import argparse
import asyncio
from pathlib import Path

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from speech_client import HealthStatus, RetryPolicy, SpeechApiError
from speech_service.cli.arguments import add_connection, connect
from speech_service.cli.checks import Check, Verdict, check_installation, check_server
from speech_service.cli.failure import CommandError, ExitCode
from speech_service.config import Config, load_config

_HEALTH_TIMEOUT_S = 3.0
_STYLES = {Verdict.OK: "green", Verdict.WARN: "yellow", Verdict.FAIL: "bold red"}
_ANY_ADDRESS = ("0.0.0.0", "[::]", "::")  # noqa: S104 - compared with, never bound


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
    add_connection(parser)
    parser.set_defaults(server="")


def run(given: argparse.Namespace) -> int:
    """Check; returns 0 or 1.

    Raises:
        ConfigError: the configuration is wrong, which no check could get around.
    """
    config = load_config(given.config)
    named = bool(given.server)
    if given.health:
        # The admin port is plaintext on loopback whatever TLS the public port asks for, and answers the same.
        given.server = given.server or local_address(config.server.admin_listen)
        return asyncio.run(_health(given))
    given.server = given.server or local_address(config.server.listen)
    checks = asyncio.run(_check_all(given, config, named))
    Console().print(to_table(checks))
    failed = any(check.verdict is Verdict.FAIL for check in checks)
    return ExitCode.REFUSED if failed else ExitCode.OK


def local_address(listen: str) -> str:
    """Where a client on this machine finds what listens on ``listen``."""
    host, _, port = listen.rpartition(":")
    return f"127.0.0.1:{port}" if host in _ANY_ADDRESS else listen


def to_table(checks: list[Check]) -> Table:
    """The checks for a person; what is wrong comes with what to do."""
    table = Table(title="speech-service doctor", title_justify="left", show_lines=False)
    for heading in ("", "Check", "Found", "What to do"):
        table.add_column(heading)
    for check in checks:
        style = _STYLES[check.verdict]
        table.add_row(
            f"[{style}]{check.verdict.value}[/]",
            escape(check.name),
            escape(check.found),
            escape(check.fix),
        )
    return table


async def _check_all(given: argparse.Namespace, config: Config, named: bool) -> list[Check]:
    checks = [] if named else check_installation(config, given.load)
    async with connect(given, RetryPolicy(attempts=1)) as client:
        return checks + await check_server(client, given.server)


async def _health(given: argparse.Namespace) -> int:
    async with connect(given, RetryPolicy(attempts=1)) as client:
        try:
            status = await client.check_health(timeout_s=_HEALTH_TIMEOUT_S)
        except SpeechApiError as error:
            raise CommandError(
                f"{given.server} does not answer", ExitCode.REFUSED, error.message
            ) from error
    print(f"{given.server}: {status.name}")
    return ExitCode.OK if status is HealthStatus.SERVING else ExitCode.REFUSED
