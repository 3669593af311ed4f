"""Containers and Opus packets, decoded in another process while they arrive.

``DecoderPool.open`` gives a ``ContainerDecoder`` (see there how to feed and read it);
``decode_file`` does it all for a file that is here as a whole. Limits and who holds them:
``limits.py``. The wire: ``decode_wire.py``. The processes: ``codec_zygote.py`` forks one
``decode_child.py`` per decoder.

Containers may have 8 to 192 kHz (a 96 kHz FLAC is resampled, not refused) and 1 to 8 channels. What can be
decoded is decoded; ``take_losses`` says what is missing. A file without a length in its header
that is cut between two pages or blocks cannot be told from a complete one.
"""

import asyncio

import numpy as np

from speech_service.domain.audio import ContainerFormat, OpusPacketsFormat
from speech_service.domain.errors import (
    InvalidAudioError,
    OverloadedError,
    UnavailableError,
)
from speech_service.media.codec.host import LOSS_SHOWS_S, CodecHost
from speech_service.media.codec.wire import Order, Task
from speech_service.media.decode.decoder import AudioBlock, ContainerDecoder
from speech_service.media.decode.lasting import LastingDecoder
from speech_service.media.decode.limits import STREAM_LIMITS, UNARY_LIMITS, DecodeLimits

__all__ = ["AudioBlock", "ContainerDecoder", "DecoderPool", "LastingDecoder", "decode_file"]


class DecoderPool:
    """Opens decoders, which are children of the codec process. Belongs to one event loop."""

    def __init__(
        self,
        idle_s: float = 60.0,
        max_open: int = 64,
        host: CodecHost | None = None,
        *,
        strict: bool = False,
    ) -> None:
        """Args:
        idle_s: the codec process stops this long after the last decoder closed; not used with ``host``.
        max_open: decoders, hence processes, at once.
        host: the codec process, where others use it too; its owner closes it, after the pool.
        strict: audio of which a part cannot be decoded is an error, instead of a loss.
        """
        self._strict = strict
        self._host = host or CodecHost(idle_s)
        self._owns_host = host is None
        self._max_open = max_open
        self._open: set[ContainerDecoder] = set()

    @property
    def zygote_pid(self) -> int | None:
        """Process id of the running zygote, for tests and ``doctor``; None when it is stopped."""
        return self._host.zygote_pid

    async def open(
        self,
        audio_format: ContainerFormat | OpusPacketsFormat,
        limits: DecodeLimits = STREAM_LIMITS,
        option: str = "audio",
    ) -> ContainerDecoder:
        """Start a decoder.

        Args:
            audio_format: the container (None inside: by its first bytes) or bare Opus packets (1 or
                2 channels).
            limits: counted while decoding.
            option: what the bytes are to the request, for errors.

        Raises:
            InvalidAudioError: Opus packets with another channel count.
            UnavailableError: the decoder process cannot be started.
            OverloadedError: ``max_open`` decoders are open.
        """
        if len(self._open) >= self._max_open:
            raise OverloadedError(
                f"{self._max_open} containers are being decoded; retry later, or send raw audio",
                reason="TOO_MANY_DECODERS",
            )
        channels = 0
        if isinstance(audio_format, OpusPacketsFormat):
            channels = audio_format.channel_count
            if channels not in (1, 2):
                problem = f"Opus packets cannot have {channels} channels"
                raise InvalidAudioError(option, problem, "1, 2")
        for _ in range(2):  # The zygote may be found dead only now: a second one is fresh.
            decoder = ContainerDecoder(
                self._release, audio_format, limits, option, strict=self._strict
            )
            self._open.add(decoder)
            order = _order(self._host.acquire(), limits, channels)
            try:
                await decoder.attach(await self._host.link(), order)
            except (ConnectionError, TimeoutError):
                # Only this job failed, or the zygote did: then its end shows a moment later.
                self._release(decoder)
                await asyncio.sleep(LOSS_SHOWS_S)
            except BaseException:
                self._release(decoder)
                raise
            else:
                return decoder
        raise UnavailableError("the audio decoder could not be started")

    def lasting(
        self,
        audio_format: ContainerFormat | OpusPacketsFormat,
        limits: DecodeLimits = STREAM_LIMITS,
        option: str = "audio",
    ) -> LastingDecoder:
        """Give a decoder that is replaced where the system ends it; its ``open`` is that of this pool."""
        return LastingDecoder(
            lambda: self.open(audio_format, limits, option), limits.max_held_bytes
        )

    async def close(self) -> None:
        """Close every decoder, and the codec process where it is this pool's own."""
        await asyncio.gather(*(decoder.close() for decoder in list(self._open)))
        if self._owns_host:
            await self._host.close()

    def _release(self, decoder: ContainerDecoder) -> None:
        if decoder in self._open:
            self._open.discard(decoder)
            self._host.release()


def _order(job_id: int, limits: DecodeLimits, channel_count: int) -> Order:
    return Order(
        job_id=job_id,
        task=Task.DECODE,
        cpu_s=limits.max_cpu_s,
        cpu_s_per_audio_s=limits.cpu_s_per_audio_s,
        memory_bytes=limits.max_memory_bytes,
        buffered_bytes=limits.max_buffered_bytes,
        channel_count=channel_count,
    )


async def decode_file(
    pool: DecoderPool, data: bytes, limits: DecodeLimits = UNARY_LIMITS
) -> AudioBlock:
    """Decode a whole file: the blocks of ``ContainerDecoder`` as one. Silence stands in for what is missing inside.

    Raises:
        InvalidAudioError, AudioLimitError, UnavailableError: as ``ContainerDecoder.blocks``; no
            audio is returned.
    """
    decoder = pool.lasting(ContainerFormat(), limits)
    await decoder.open()
    feeding = asyncio.create_task(_feed_all(decoder, data))
    try:
        blocks = [block async for block in decoder.blocks()]
        await feeding
    finally:
        feeding.cancel()
        await asyncio.wait([feeding])
        if not feeding.cancelled():
            feeding.exception()  # The same failure comes out of blocks().
        await decoder.close()
    if not blocks:
        raise InvalidAudioError("audio", "there is no audio in the file")
    return AudioBlock(blocks[0].sample_rate_hz, np.concatenate([block.samples for block in blocks]))


async def _feed_all(decoder: LastingDecoder, data: bytes) -> None:
    await decoder.feed(data)
    await decoder.end_input()
