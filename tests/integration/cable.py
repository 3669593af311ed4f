"""A connection that can be cut: what goes to its port goes to a server, until somebody pulls the plug."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field


@dataclass
class Cable:
    """Forwards to one of ``targets`` in turn, each new connection to the next."""

    targets: list[str]
    port: int = 0
    cuts: int = 0
    _next: int = 0
    _open: set[asyncio.StreamWriter] = field(default_factory=set[asyncio.StreamWriter])

    @property
    def target(self) -> str:
        """Where clients connect to."""
        return f"127.0.0.1:{self.port}"

    def cut(self) -> None:
        """Break every connection, without a word to either side."""
        self.cuts += 1
        for writer in list(self._open):
            writer.transport.abort()

    async def connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Join a client's connection with one to a server."""
        host, _, port = self.targets[self._next % len(self.targets)].rpartition(":")
        self._next += 1
        try:
            there, out = await asyncio.open_connection(host, int(port))
        except OSError:
            writer.transport.abort()
            return
        self._open |= {writer, out}
        try:
            async with asyncio.TaskGroup() as group:
                group.create_task(_pump(reader, out))
                group.create_task(_pump(there, writer))
        finally:
            self._open -= {writer, out}
            for end in (writer, out):
                end.transport.abort()


async def _pump(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    with suppress(OSError):
        while data := await reader.read(65_536):
            writer.write(data)
            await writer.drain()
    writer.transport.abort()


@asynccontextmanager
async def cable(*targets: str) -> AsyncIterator[Cable]:
    """A cable for as long as the block runs."""
    made = Cable(list(targets))
    server = await asyncio.start_server(made.connected, "127.0.0.1", 0)
    made.port = server.sockets[0].getsockname()[1]
    try:
        yield made
    finally:
        made.cut()
        server.close()
