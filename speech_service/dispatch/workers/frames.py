"""Messages over a stream socket of two processes of one release: four bytes of length, little-endian, the message.

Why not gRPC: at the pace of speech each of its messages finds four threads asleep on either side and their caches cold,
which costs more than the message; and those threads wake several times a second for nothing.
"""

import asyncio
import contextlib
import socket

_LENGTH_BYTES = 4
_BUFFER_BYTES = 1 << 20
"""The reader reads ahead this far, twice, before the socket pushes back."""


class Frames:
    """One end of a connection. One task may read while another writes."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self._writer = writer

    @staticmethod
    async def over(end: socket.socket) -> "Frames":
        """Over one end of a socket pair, which belongs to the frames from now on.

        Raises:
            OSError: it is closed.
        """
        return Frames(*await asyncio.open_unix_connection(sock=end, limit=_BUFFER_BYTES))

    async def read(self) -> bytes | None:
        """The next message; None once the other side has closed the connection, or is gone."""
        try:
            length = await self._reader.readexactly(_LENGTH_BYTES)
            return await self._reader.readexactly(int.from_bytes(length, "little"))
        except (asyncio.IncompleteReadError, ConnectionError):
            return None

    async def write(self, message: bytes) -> None:
        """Send a message, and wait while the other side is behind.

        Raises:
            ConnectionError: the other side is gone.
        """
        self._writer.writelines((len(message).to_bytes(_LENGTH_BYTES, "little"), message))
        await self._writer.drain()

    async def close(self) -> None:
        """End the connection now: what the other side has not taken is dropped, it may never take it."""
        self._writer.transport.abort()
        with contextlib.suppress(OSError):
            await self._writer.wait_closed()
