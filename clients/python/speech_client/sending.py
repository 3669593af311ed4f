"""Sending a whole recording into an open session, in the background."""

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Protocol

from speech_client import errors
from speech_client.sources import Source

OnSent = Callable[[int, int | None], None]
"""Told the bytes sent so far and in all (None: unknown) after each piece."""


class AudioSession(Protocol):
    """A session that takes audio."""

    async def send_audio(self, data: bytes) -> None:
        """Send a piece."""
        ...

    async def fail(self, error: Exception) -> None:
        """Give the session up because its input failed."""
        ...


@asynccontextmanager
async def sending(
    session: AudioSession,
    source: Source,
    end: Callable[[], Awaitable[None]],
    on_sent: OnSent | None = None,
) -> AsyncGenerator[None, None]:
    """Send while the block runs.

    Args:
        session: where to; it is failed when the audio cannot be read to its end.
        source: what.
        end: called when all was sent.
        on_sent: told the progress.
    """
    sender = asyncio.create_task(_send(session, source, end, on_sent), name="speech-client-send")
    try:
        yield
    finally:
        sender.cancel()
        await asyncio.gather(sender, return_exceptions=True)


async def _send(
    session: AudioSession,
    source: Source,
    end: Callable[[], Awaitable[None]],
    on_sent: OnSent | None,
) -> None:
    sent = 0
    try:
        async for piece in source.chunks():
            await session.send_audio(piece)
            sent += len(piece)
            if on_sent is not None:
                on_sent(sent, source.total_bytes)
        await end()
    except errors.SpeechApiError:
        return  # The same error ends the iteration, after the events that came before it.
    except OSError as error:
        await session.fail(errors.AudioSourceError(f"reading the audio failed: {error}"))
    # The caller's own iterable failed half way: iterating raises it, lest what came be taken for the whole.
    except Exception as error:  # noqa: BLE001
        await session.fail(error)
