"""One decoder: bytes in, blocks of audio out, both awaited; the work is done by a child process.

Feed it and read its blocks at the same time, from two tasks: a decoder whose blocks are not read
stops taking input, which is the back-pressure. Parts that cannot be decoded are in ``take_losses``; an error
comes out of ``blocks()``, after every block that was decoded before it: where nothing can be decoded, at
a limit, and for any loss where decoding is strict. Limits: ``limits.py``.
"""

import asyncio
import contextlib
import socket
from collections.abc import AsyncIterator, Callable, Generator, Sequence
from typing import NamedTuple

import numpy as np

from speech_service.domain.audio import (
    AudioLoss,
    Container,
    ContainerFormat,
    LossKind,
    OpusPacketsFormat,
    Samples,
)
from speech_service.domain.errors import (
    AudioLimitError,
    InvalidAudioError,
    SpeechError,
)
from speech_service.media.codec.link import ZygoteLink, job_sockets
from speech_service.media.codec.wire import Order
from speech_service.media.decode import sniff
from speech_service.media.decode.limits import DecodeLimits
from speech_service.media.decode.verdict import (
    AudioFormatCheck,
    failure_of,
    loss_of,
    lost_child,
    strict_failure,
)
from speech_service.media.decode.wire import (
    HEADER,
    MAX_OPUS_PACKET_BYTES,
    MAX_PAYLOAD_BYTES,
    MAX_VALUE,
    PACKET_LENGTH,
    Kind,
    Message,
)
from speech_service.media.pcm import finite_and_clipped

MAX_LOSSES = 1000
"""Told at once, by one decoder; a file of gaps alone has no more to say."""
_RECV_BYTES = 256 * 1024


class AudioBlock(NamedTuple):
    """``samples``: float32 [frames, channels] in [-1, 1]. Rate and channels are the same in all
    blocks of a decoder.
    """

    sample_rate_hz: int
    samples: Samples


class ContainerDecoder:
    """One stream of encoded audio. Made by ``DecoderPool.open``; close it, also after an error."""

    def __init__(
        self,
        release: "Callable[[ContainerDecoder], None]",
        audio_format: ContainerFormat | OpusPacketsFormat,
        limits: DecodeLimits,
        option: str,
        *,
        strict: bool = False,
    ) -> None:
        """``strict``: audio of which parts are missing is an error."""
        self._release = release
        self._strict = strict
        self._losses: list[AudioLoss] = []
        self._damaged = 0
        self._truncated = False
        self._unreadable = False
        self._format = audio_format
        self._limits = limits
        self._option = option
        self._kind = Kind.OPUS_PACKETS if isinstance(audio_format, OpusPacketsFormat) else None
        self._head = b""
        self._input_bytes = 0
        self._decoded_bytes = 0
        self._taken_bytes = 0
        self._received = bytearray()
        self._check = AudioFormatCheck()
        self._failure: SpeechError | None = None
        self._input_ended = False
        self._closed = False
        self._done = False
        self._io_count = 0
        self._io_quiet = asyncio.Event()
        self._io_quiet.set()
        self._feeding = asyncio.Lock()
        self._sent_bytes = 0
        self._read_bytes = 0
        """How many of ``_sent_bytes`` the child had read when it last waited for more."""
        self._drained = asyncio.Event()
        self._drained.set()

    async def feed(self, data: bytes) -> None:
        """Hand over the next bytes of the file, or one whole Opus packet. Waits while the decoder
        is behind.

        Raises:
            InvalidAudioError: the first bytes are no accepted container, or the packet has no valid
                size.
            AudioLimitError: more than ``max_input_bytes``.
        """
        if self._failure is not None:
            raise self._failure
        self._input_bytes += len(data)
        limit = self._limits.max_input_bytes
        if limit is not None and self._input_bytes > limit:
            raise self._fail(AudioLimitError(self._option, "max_input_bytes", limit))
        async with self._feeding:
            if self._kind is Kind.OPUS_PACKETS:
                data = self._frame_packet(data)
            elif self._kind is None:
                self._head += data
                if not sniff.is_enough(self._head, self._declared()):
                    return
                data = self._identify()
            await self._send(data)

    async def end_input(self) -> None:
        """Say that nothing follows; ``blocks()`` ends once everything is decoded.

        Raises:
            InvalidAudioError: nothing was fed, or too little to tell what it is.
        """
        async with self._feeding:
            if self._input_ended or self._closed:
                return
            self._input_ended = True
            if self._input_bytes == 0:
                raise self._fail(InvalidAudioError(self._option, "there is no audio"))
            if self._kind is None:
                await self._send(self._identify())
            with contextlib.suppress(OSError):
                self._socket.shutdown(socket.SHUT_WR)

    def take_losses(self) -> Sequence[AudioLoss]:
        """Give parts that could not be decoded and that were not taken before; what of them the limit leaves."""
        losses, self._losses = self._losses, []
        return losses

    @property
    def unreadable(self) -> bool:
        """Whether the decoder broke on the audio: whatever is fed behind that place is not heard."""
        return self._unreadable

    async def drained(self) -> None:
        """Wait until what was fed came out of ``blocks()`` and its reader asked for the next block, or ``blocks()``
        ended. Audio that only later bytes can complete is not waited for.
        """
        await self._drained.wait()

    async def blocks(self) -> AsyncIterator[AudioBlock]:
        """Give the decoded audio, as it becomes ready. One reader at a time.

        Raises:
            InvalidAudioError: nothing of the audio can be decoded, or it is not of an accepted codec, rate or
                channel count; strict: a part of it cannot be decoded.
            AudioLimitError: a limit was met.
            UnavailableError: the decoder process was lost; the audio can be sent again.
        """
        try:
            while not self._done and not self._closed and self._failure is None:
                data = await self._receive()
                self._received += data
                for block in self._take_messages():
                    yield block
                if self._read_bytes == self._sent_bytes & MAX_VALUE:
                    self._drained.set()
                if not data and not self._done and not self._closed and self._failure is None:
                    exit_ = await self._link.end_of(self._exited)
                    self._give_up(lost_child(exit_, self._option, self._limits))
        finally:
            self._drained.set()
        if self._strict and self._failure is None:
            self._failure = strict_failure(self._damaged, self._truncated, self._option)
        await self.close()
        if self._failure is not None:
            raise self._failure

    async def close(self) -> None:
        """Kill the child, free everything. Safe to call twice, and while others feed or read."""
        if self._closed:
            return
        self._closed = True
        with contextlib.suppress(OSError):
            self._socket.shutdown(socket.SHUT_RDWR)
        try:
            await self._link.kill(self._order)
            # The loop must have let go of the descriptor before its number can be used again.
            await self._io_quiet.wait()
            await self._link.end_of(self._exited)
        finally:
            self._socket.close()
            self._release(self)

    # -- used by the pool ------------------------------------------------------------------

    async def attach(self, link: ZygoteLink, order: Order) -> None:
        """Start the child and wait until it runs.

        Raises:
            ConnectionError: it did not come up.
            UnavailableError: the system has no descriptors for it.
        """
        self._link = link
        self._order = order
        self._socket, theirs = job_sockets()
        try:
            self._exited = await link.open(order, theirs)
            theirs.close()
            ready = await link.first_word(self._receive_exactly(HEADER.size))
            if HEADER.unpack(ready)[0] != Message.READY:
                raise ConnectionError
            if self._kind is not None:
                await self._send(bytes([self._kind]))
        except BaseException:
            theirs.close()
            self._socket.close()
            await link.kill(order)
            raise

    # -- input -----------------------------------------------------------------------------

    def _declared(self) -> Container | None:
        return self._format.container if isinstance(self._format, ContainerFormat) else None

    def _identify(self) -> bytes:
        """Give the bytes for the child; what is no audio ahead of it is left out."""
        beginning = sniff.first_audio(self._head)
        try:
            found = sniff.identify(self._head, self._declared(), self._option)
        except InvalidAudioError as error:
            raise self._fail(error) from None
        self._kind = sniff.KIND_OF[found]
        head, self._head = self._head, b""
        return bytes([self._kind]) + (head[beginning.at :] if beginning else head)

    def _frame_packet(self, packet: bytes) -> bytes:
        if not 0 < len(packet) <= MAX_OPUS_PACKET_BYTES:
            allowed = f"1 to {MAX_OPUS_PACKET_BYTES} bytes"
            problem = f"{len(packet)} bytes are not one Opus packet"
            raise self._fail(InvalidAudioError(self._option, problem, allowed))
        return PACKET_LENGTH.pack(len(packet)) + packet

    async def _send(self, data: bytes) -> None:
        """A child that stopped reading says why in ``blocks()``; the bytes have nowhere to go."""
        if self._closed:
            return
        self._sent_bytes += len(data)
        self._drained.clear()
        with self._io(), contextlib.suppress(OSError):
            await asyncio.get_running_loop().sock_sendall(self._socket, data)

    def _fail(self, error: SpeechError) -> SpeechError:
        """Stop with ``error``, here and in ``blocks()``."""
        if self._failure is None:
            self._failure = error
        with contextlib.suppress(OSError):
            self._socket.shutdown(socket.SHUT_RDWR)
        return self._failure

    # -- output ----------------------------------------------------------------------------

    async def _receive(self) -> bytes:
        with self._io():
            try:
                return await asyncio.get_running_loop().sock_recv(self._socket, _RECV_BYTES)
            except OSError:
                return b""

    async def _receive_exactly(self, size: int) -> bytes:
        with self._io():
            data = await asyncio.get_running_loop().sock_recv(self._socket, size)
        if len(data) != size:
            raise ConnectionError
        return data

    def _take_messages(self) -> list[AudioBlock]:
        """Complete messages of what was received: their audio as one block, or none."""
        payloads: list[bytes] = []
        while self._failure is None and len(self._received) >= HEADER.size:
            message, value, detail, size = HEADER.unpack_from(self._received)
            if size > MAX_PAYLOAD_BYTES:
                self._give_up(InvalidAudioError(self._option, "it is corrupt"))
                break
            end = HEADER.size + size
            if len(self._received) < end:
                break
            payload = bytes(self._received[HEADER.size : end])
            del self._received[:end]
            if message == Message.AUDIO:
                self._failure = self._check.take(value, detail, payload, self._option)
                if self._failure is None:
                    payloads.append(payload)
                    self._taken_bytes += len(payload)
            elif message == Message.FAILED:
                self._give_up(failure_of(detail, value, self._option, self._limits))
            elif message == Message.LOST:
                self._lose(loss_of(detail, payload, value))
            elif message == Message.WAITING:
                self._read_bytes = value
            else:
                self._done = True
        return self._block(b"".join(payloads))

    def _give_up(self, error: SpeechError) -> None:
        """Take note that the child decodes no more. Of audio that it could not read to its end, the rest is missing."""
        decoded_ms = self._decoded_ms()
        if self._strict or not decoded_ms or not isinstance(error, InvalidAudioError):
            self._failure = error
            return
        self._lose(AudioLoss(LossKind.DAMAGED, decoded_ms))
        self._unreadable = True
        self._done = True

    def _lose(self, loss: AudioLoss | None) -> None:
        if loss is None:
            return
        self._damaged += loss.kind is LossKind.DAMAGED
        self._truncated |= loss.kind is LossKind.TRUNCATED
        if len(self._losses) < MAX_LOSSES:
            self._losses.append(loss)

    def _decoded_ms(self) -> int:
        frame_bytes = 4 * self._check.channel_count
        if not frame_bytes:
            return 0
        return self._taken_bytes // frame_bytes * 1000 // self._check.sample_rate_hz

    def _block(self, data: bytes) -> list[AudioBlock]:
        if not data:
            return []
        limit = self._limits.max_decoded_bytes
        self._decoded_bytes += len(data)
        if limit is not None and self._decoded_bytes > limit:
            self._failure = AudioLimitError(self._option, "max_decoded_bytes", limit)
            return []
        samples = np.frombuffer(data, "<f4").reshape(-1, self._check.channel_count)
        try:
            samples = finite_and_clipped(samples, self._option)
        except InvalidAudioError as error:
            self._failure = error
            return []
        return [AudioBlock(self._check.sample_rate_hz, samples)]

    @contextlib.contextmanager
    def _io(self) -> Generator[None]:
        self._io_count += 1
        self._io_quiet.clear()
        try:
            yield
        finally:
            self._io_count -= 1
            if self._io_count == 0:
                self._io_quiet.set()
