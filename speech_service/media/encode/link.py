"""The front end's end of one encode job: samples out, bytes of the file back, one exchange at a time."""

import asyncio
import contextlib
import socket
from collections.abc import Callable

from speech_service.domain.audio import Samples
from speech_service.domain.errors import UnavailableError
from speech_service.media.codec.link import ZygoteLink, job_sockets
from speech_service.media.codec.wire import Order
from speech_service.media.encode.pcm import pcm_f32le, pcm_s16le
from speech_service.media.encode.wire import (
    ANSWER,
    MAX_ANSWER_BYTES,
    MAX_SAMPLES_BYTES,
    REQUEST,
    SAMPLE_BYTES,
    START,
    Ask,
    EncodedKind,
    EncoderReply,
)


class FileEncoder:
    """One encode child. Made by ``EncoderPool``; close it, also after an error."""

    def __init__(self, release: "Callable[[FileEncoder], None]") -> None:
        self._release = release
        self._socket: socket.socket | None = None
        self._kind = EncodedKind.FLAC
        self._busy = asyncio.Lock()
        self._closed = False
        self._broken = False

    async def attach(self, link: ZygoteLink, order: Order) -> None:
        """Start the child and wait until it runs. Where that fails, ``close`` ends what was begun.

        Raises:
            ConnectionError: it did not come up.
            UnavailableError: the system has no descriptors for it.
        """
        self._link = link
        self._order = order
        ours, theirs = job_sockets()
        try:
            self._exited = await link.open(order, theirs)
        except BaseException:
            ours.close()
            raise
        finally:
            theirs.close()
        self._socket = ours
        answer, _ = await link.first_word(self._receive())
        if answer != EncoderReply.READY:
            raise ConnectionError

    async def start(self, kind: EncodedKind, sample_rate_hz: int, bit_rate_bps: int) -> None:
        """Open the file.

        Raises:
            UnavailableError: the child was lost.
        """
        self._kind = kind
        await self._ask(Ask.START, START.pack(kind, sample_rate_hz, bit_rate_bps))

    async def push(self, samples: Samples) -> bytes:
        """Encode float32 [n] at the file's rate; gives the bytes that are ready.

        Raises:
            UnavailableError: the child was lost.
        """
        data = pcm_s16le(samples) if SAMPLE_BYTES[self._kind] == 2 else pcm_f32le(samples)
        parts = range(0, len(data), MAX_SAMPLES_BYTES)
        answers = [await self._ask(Ask.SAMPLES, data[at : at + MAX_SAMPLES_BYTES]) for at in parts]
        return b"".join(answers)

    async def finish(self) -> bytes:
        """End the file; gives its last bytes.

        Raises:
            UnavailableError: the child was lost.
        """
        return await self._ask(Ask.FINISH)

    async def close(self) -> None:
        """Kill the child, free everything. Safe to call twice, and while an exchange is under way."""
        if self._closed:
            return
        self._closed = True
        if self._socket is None:
            self._release(self)
            return
        with contextlib.suppress(OSError):
            self._socket.shutdown(socket.SHUT_RDWR)
        try:
            await self._link.kill(self._order)
            # The loop must have let go of the descriptor before its number can be used again.
            async with self._busy:
                pass
            await self._link.end_of(self._exited)
        finally:
            self._socket.close()
            self._release(self)

    async def _ask(self, ask: Ask, payload: bytes = b"") -> bytes:
        """Make one exchange. One that is interrupted leaves the wire out of step: nothing more goes over it."""
        async with self._busy:
            if self._closed or self._broken or self._socket is None:
                raise _lost()
            self._broken = True
            try:
                data = REQUEST.pack(ask, len(payload)) + payload
                await asyncio.get_running_loop().sock_sendall(self._socket, data)
                answer, given = await self._receive()
            except OSError:
                raise _lost() from None
            if answer != EncoderReply.BYTES:
                raise _lost()
            self._broken = False
            return given

    async def _receive(self) -> tuple[int, bytes]:
        answer, size = ANSWER.unpack(await self._receive_exactly(ANSWER.size))
        if size > MAX_ANSWER_BYTES:  # The child is not trusted.
            raise ConnectionError
        return answer, await self._receive_exactly(size)

    async def _receive_exactly(self, size: int) -> bytes:
        assert self._socket is not None
        data = bytearray()
        while len(data) < size:
            part = await asyncio.get_running_loop().sock_recv(self._socket, size - len(data))
            if not part:
                raise ConnectionResetError
            data += part
        return bytes(data)


def _lost() -> UnavailableError:
    return UnavailableError("the audio encoder was lost", reason="ENCODER_LOST")
