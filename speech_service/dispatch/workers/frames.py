"""Frames over a stream socket of two processes of one machine: four bytes of length, little-endian, and so many bytes.

Why not gRPC: at the pace of speech each of its messages finds four threads asleep on either side and their caches cold,
which costs more than the message; and those threads wake several times a second for nothing.
"""

import asyncio
import contextlib
import socket

from speech_service.dispatch.workers.codec import MAX_FRAME_BYTES, BrokenFrameError

_LENGTH_BYTES = 4
_BUFFER_BYTES = 1 << 20
"""The reader reads ahead this far, twice, before the socket pushes back."""


class FrameSocket:
    """One end of a connection. One task may read while another writes."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self._writer = writer

    @staticmethod
    async def over(end: socket.socket) -> "FrameSocket":
        """Over one end of a socket pair, which belongs to the result from now on.

        Raises:
            OSError: it is closed.
        """
        return FrameSocket(*await asyncio.open_unix_connection(sock=end, limit=_BUFFER_BYTES))

    async def read(self) -> bytes | None:
        """The next frame; None once the other side has closed the connection, or is gone.

        Raises:
            BrokenFrameError: it is longer than any that may be sent.
        """
        try:
            head = await self._reader.readexactly(_LENGTH_BYTES)
            size_bytes = int.from_bytes(head, "little")
            if size_bytes <= MAX_FRAME_BYTES:
                return await self._reader.readexactly(size_bytes)
        except (asyncio.IncompleteReadError, ConnectionError):
            return None
        raise BrokenFrameError(f"a frame of {size_bytes} bytes; at most {MAX_FRAME_BYTES}")

    async def write(self, frame: bytes) -> None:
        """Send a frame, and wait while the other side is behind.

        Raises:
            ConnectionError: the other side is gone.
        """
        self._writer.writelines((len(frame).to_bytes(_LENGTH_BYTES, "little"), frame))
        await self._writer.drain()

    async def close(self) -> None:
        """End the connection now: what the other side has not taken is dropped, it may never take it."""
        self._writer.transport.abort()
        with contextlib.suppress(OSError):
            await self._writer.wait_closed()
