"""A stream whose connection is lost is told as that, not as a server that was never started."""

import argparse
from collections.abc import Callable, Generator
from contextlib import contextmanager

from speech_client import StreamInterruptedError, UnavailableError
from speech_service.cli.arguments import access
from speech_service.cli.failure import CommandError, explain


@contextmanager
def telling_loss(
    given: argparse.Namespace, reached_ms: Callable[[], int | None], left: str
) -> Generator[None]:
    """Run the block that reads an open stream.

    Args:
        given: says how the server was reached for.
        reached_ms: how much of the audio there are results of, or how much was spoken; None: nothing has begun.
        left: what there is of the results, such as "the text ends there".

    Raises:
        CommandError: the connection was lost, for good.
    """
    try:
        yield
    except (UnavailableError, StreamInterruptedError) as error:
        reached = reached_ms()
        if reached is None:
            raise
        why = explain(error, access(given), given)
        problem = f"the connection was lost after {reached / 1000:.1f} s of audio; {left}: {why}"
        raise CommandError(problem, why.code, why.details) from error
