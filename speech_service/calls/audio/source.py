"""Audio bytes of a request, whatever their format, into float32 [n, channels] at one rate (the model's, mostly).

Raw audio is decoded and resampled right here, and its blocks come back from ``feed``; containers and Opus packets
go through a decoder process, and their blocks come out of a task of their own. Either way ``on_block`` gets them
in order.
"""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace
from typing import Protocol

import numpy as np
from loguru import logger

from speech_service.config.tree import DecoderConfig
from speech_service.domain.audio import (
    MODEL_RATE_HZ,
    AudioLoss,
    ContainerFormat,
    OpusPacketsFormat,
    RawFormat,
    Samples,
)
from speech_service.domain.errors import InternalError, InvalidOptionError, SpeechError
from speech_service.media.decode.limits import STREAM_LIMITS, DecodeLimits
from speech_service.media.decode.pool import AudioBlock, DecoderPool
from speech_service.media.pcm import RawDecoder
from speech_service.media.resample import StreamResampler, downmix

OnBlock = Callable[[Samples], Awaitable[None]]
OnError = Callable[[SpeechError], None]
OnLoss = Callable[[AudioLoss, int], None]
"""A part of the encoded audio is missing; with the milliseconds of it that went to the consumer."""
OnUnreadable = Callable[[], Awaitable[None]]
"""Nothing of what the client still sends can be decoded."""
_SLICE_BYTES = 64 * 1024
"""Raw audio that is decoded at once: some milliseconds of work."""


@dataclass(frozen=True, slots=True)
class AudioInput:
    """What encoded audio of every call is decoded with."""

    decoders: DecoderPool
    config: DecoderConfig


class AudioSource(Protocol):
    """Takes encoded bytes and hands decoded blocks to its consumer. ``close`` frees everything at any time."""

    async def feed(self, data: bytes) -> None:
        """Take encoded bytes; waits while the consumer is behind.

        Raises:
            InvalidAudioError, AudioLimitError: something is wrong with the audio.
        """
        ...

    async def settle(self) -> None:
        """Wait until what was fed has been consumed, so that a control message does not overtake it."""
        ...

    async def end(self) -> None:
        """No more bytes follow; returns when every block was consumed.

        Raises:
            InvalidAudioError, AudioLimitError: something is wrong with the audio.
        """
        ...

    async def close(self) -> None:
        """Stop decoding."""
        ...


class NoSource:
    """Of a session that takes no audio."""

    async def feed(self, data: bytes) -> None:
        """Refuse it.

        Raises:
            InvalidOptionError: always.
        """
        del data
        problem = "is missing, and the stream carries audio"
        raise InvalidOptionError("recognition", problem, "a RecognitionConfig")

    async def settle(self) -> None:
        """Nothing waits."""

    async def end(self) -> None:
        """Nothing is held."""

    async def close(self) -> None:
        """Nothing is held."""


class ChannelMixer:
    """To one rate, and to one channel unless the channels are to be kept apart."""

    def __init__(self, separate_channels: bool, rate_hz: int = MODEL_RATE_HZ) -> None:
        self._separate = separate_channels
        self.rate_hz = rate_hz
        self._resampler: StreamResampler | None = None

    def push(self, sample_rate_hz: int, samples: Samples, *, last: bool = False) -> Samples:
        """float32 [n, channels] at ``sample_rate_hz`` to float32 [m, 1 or channels] at the mixer's rate."""
        mixed = samples if self._separate else downmix(samples)[:, None]
        if self._resampler is None:
            self._resampler = StreamResampler(sample_rate_hz, self.rate_hz, mixed.shape[1])
        return self._resampler.push(mixed, last=last)

    def finish(self) -> Samples | None:
        """What the resampler still holds; None when nothing was pushed."""
        if self._resampler is None:
            return None
        empty = np.empty((0, self._resampler.channel_count), np.float32)
        return self._resampler.push(empty, last=True)


class RawSource:
    """Headerless audio."""

    def __init__(self, raw: RawFormat, option: str, mixer: ChannelMixer, on_block: OnBlock) -> None:
        self._rate_hz = raw.sample_rate_hz
        self._decoder = RawDecoder(raw, option)
        self._mixer = mixer
        self._on_block = on_block

    async def feed(self, data: bytes) -> None:
        """Decode and pass on, slice by slice: others have their turn in between."""
        step = _SLICE_BYTES - _SLICE_BYTES % self._decoder.frame_bytes
        for at in range(0, len(data), step):
            if at:
                await asyncio.sleep(0)
            decoded = self._decoder.feed(data[at : at + step])
            samples = self._mixer.push(self._rate_hz, decoded)
            if len(samples):
                await self._on_block(samples)

    async def settle(self) -> None:
        """Nothing waits."""

    async def end(self) -> None:
        """Pass on what the resampler holds."""
        tail = self._mixer.finish()
        if tail is not None and len(tail):
            await self._on_block(tail)

    async def close(self) -> None:
        """Nothing is held."""


class ContainerSource:
    """A container or Opus packets, decoded out of process while they arrive."""

    def __init__(
        self,
        pool: DecoderPool,
        audio_format: ContainerFormat | OpusPacketsFormat,
        option: str,
        limits: DecodeLimits,
        mixer: ChannelMixer,
        on_block: OnBlock,
        on_error: OnError,
        on_loss: OnLoss,
        on_unreadable: OnUnreadable,
    ) -> None:
        self._decoder = pool.lasting(audio_format, limits, option)
        self._mixer = mixer
        self._on_block = on_block
        self._on_error = on_error
        self._on_loss = on_loss
        self._on_unreadable = on_unreadable
        self._passed = 0
        """Samples at the mixer's rate that went to the consumer."""
        self._ended = False
        self._skip_frames = (
            audio_format.pre_skip_frames if isinstance(audio_format, OpusPacketsFormat) else 0
        )
        self._pre_skip_ms = self._skip_frames // 48
        self._consuming: asyncio.Task[None] | None = None

    async def feed(self, data: bytes) -> None:
        """Pass bytes to the decoder; an error that it met meanwhile is raised here."""
        if self._consuming is None:
            await self._decoder.open()
            self._consuming = asyncio.create_task(self._consume())
            self._consuming.add_done_callback(self._consumed)
        if self._consuming.done():
            self._consuming.result()
        await self._decoder.feed(data)

    async def settle(self) -> None:
        """Wait until the decoder has nothing more to give before it is fed again."""
        if self._consuming is None:
            return
        drained = asyncio.create_task(self._decoder.drained())
        try:
            await asyncio.wait((drained, self._consuming), return_when=asyncio.FIRST_COMPLETED)
        finally:
            drained.cancel()

    async def end(self) -> None:
        """Wait for the last block."""
        if self._consuming is None:
            return
        self._ended = True
        await self._decoder.end_input()
        await self._consuming

    async def close(self) -> None:
        """Kill the decoder."""
        if self._consuming is not None:
            self._consuming.cancel()
            await asyncio.wait([self._consuming])
            await self._decoder.close()

    async def _consume(self) -> None:
        async for block in self._decoder.blocks():
            kept = self._after_pre_skip(block)
            await self._pass_on(self._mixer.push(block.sample_rate_hz, kept))
        await self._pass_on(self._mixer.finish())
        if self._decoder.unreadable and not self._ended:
            await self._on_unreadable()

    async def _pass_on(self, samples: Samples | None) -> None:
        if samples is not None and len(samples):
            self._passed += len(samples)
            await self._on_block(samples)
        for loss in self._decoder.take_losses():
            passed_ms = self._passed * 1000 // self._mixer.rate_hz
            self._on_loss(_earlier(loss, self._pre_skip_ms), passed_ms)

    def _after_pre_skip(self, block: AudioBlock) -> Samples:
        if not self._skip_frames:
            return block.samples
        skipped = min(len(block.samples), self._skip_frames * block.sample_rate_hz // 48_000)
        self._skip_frames -= max(1, skipped * 48_000 // block.sample_rate_hz)
        self._skip_frames = max(0, self._skip_frames)
        return block.samples[skipped:]

    def _consumed(self, task: "asyncio.Task[None]") -> None:
        """A client that waits for an answer hears of bad audio at once, not with its next message."""
        error = None if task.cancelled() else task.exception()
        if isinstance(error, SpeechError):
            self._on_error(error)
        elif error is not None:  # a bug: the client would wait for ever
            logger.opt(exception=error).error("decoding failed")
            self._on_error(InternalError("decoding failed; the log above says how"))


def _earlier(loss: AudioLoss, by_ms: int) -> AudioLoss:
    """In the audio without its first ``by_ms``."""
    if not by_ms:
        return loss
    end_ms = None if loss.end_ms is None else max(0, loss.end_ms - by_ms)
    return replace(loss, start_ms=max(0, loss.start_ms - by_ms), end_ms=end_ms)


def unary_limits(config: DecoderConfig) -> DecodeLimits:
    """Of a unary call: everything is capped, because all of it is held."""
    return DecodeLimits(
        max_input_bytes=config.max_input_bytes,
        max_decoded_bytes=config.max_decoded_bytes,
        max_cpu_s=round(config.max_cpu_s),
        cpu_s_per_audio_s=0.0,
        max_memory_bytes=config.max_memory_bytes,
        max_held_bytes=config.max_input_bytes,
    )


def stream_limits(config: DecoderConfig) -> DecodeLimits:
    """Of a stream: no length cap; CPU time is allowed as audio comes out (see ``media/decode/limits.py``)."""
    return replace(
        STREAM_LIMITS,
        max_cpu_s=round(config.max_cpu_s),
        max_memory_bytes=config.max_memory_bytes,
    )


def make_source(
    audio_format: RawFormat | ContainerFormat | OpusPacketsFormat,
    pool: DecoderPool,
    limits: DecodeLimits,
    separate_channels: bool,
    on_block: OnBlock,
    on_error: OnError,
    on_loss: OnLoss,
    on_unreadable: OnUnreadable,
    rate_hz: int = MODEL_RATE_HZ,
    option: str = "audio",
) -> AudioSource:
    """The source for ``audio_format``.

    ``on_error``: decoding failed between two calls.
    ``on_loss``: each part that is missing, after the audio before it. ``on_unreadable``: called at most once, before
    ``end``: the consumer had best end well. ``rate_hz``: of the blocks. ``option``: what the bytes are, for errors.
    """
    mixer = ChannelMixer(separate_channels, rate_hz)
    if isinstance(audio_format, RawFormat):
        return RawSource(audio_format, option, mixer, on_block)
    return ContainerSource(
        pool, audio_format, option, limits, mixer, on_block, on_error, on_loss, on_unreadable
    )
