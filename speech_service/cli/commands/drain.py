"""``speech-service drain``: let a running server finish what is open, and end."""

import argparse
import asyncio
import time

from speech_client import UnavailableError
from speech_client.admin import AdminClient, OpenCalls
from speech_service.cli.admin import add_admin, choose_admin, connect_admin
from speech_service.cli.failure import CommandError, ExitCode

_POLL_S = 0.2


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    parser.epilog = (
        "The server turns NOT_SERVING, tells its streams (going_away), refuses new calls, and exits when all are done. "
        "Exit code 3: with --wait, it had not ended in time."
    )
    parser.add_argument(
        "--grace",
        type=_seconds,
        metavar="S",
        help="longest time for open calls, in seconds (default: server.drain_grace_s)",
    )
    parser.add_argument(
        "--wait",
        action="store_true",
        help="return when the server has ended, as a preStop hook must",
    )
    parser.add_argument(
        "--timeout", type=_seconds, metavar="S", help="how long to --wait (default: for ever)"
    )
    add_admin(parser)


def run(given: argparse.Namespace) -> int:
    """Drain; raises SpeechApiError when the server refuses or does not answer.

    Raises:
        CommandError: the server did not end in time.
    """
    choose_admin(given)
    found = asyncio.run(_drain(given))
    opened = f"{found.streams} streams and {found.requests} calls were open"
    print(f"{given.server}: draining: {opened}")
    return ExitCode.OK


async def _drain(given: argparse.Namespace) -> OpenCalls:
    async with connect_admin(given) as client:
        found = await client.drain(given.grace)
        if given.wait:
            await _wait(client, given.server, given.timeout)
        return found


async def _wait(client: AdminClient, server: str, timeout_s: float | None) -> None:
    """Until nobody answers any more."""
    end_s = None if timeout_s is None else time.monotonic() + timeout_s
    while True:
        try:
            await client.status()
        except UnavailableError:
            return
        if end_s is not None and time.monotonic() >= end_s:
            problem = f"{server} still runs after {timeout_s:g} s; it goes on draining"
            raise CommandError(problem, ExitCode.UNREACHABLE)
        await asyncio.sleep(_POLL_S)


def _seconds(text: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = -1.0
    if not 0 <= value <= 86_400:
        raise argparse.ArgumentTypeError(f"{text!r} is no number of seconds from 0 to 86400")
    return value
