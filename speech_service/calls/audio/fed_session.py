"""A session that is fed with audio: its runner, and the source of its blocks. And how one is fed a whole recording."""

import asyncio
import math
from collections.abc import Callable, Sequence
from typing import Any, Generic, Protocol, TypeVar

from speech_service.calls.audio.source import AudioInput, AudioSource, NoSource, make_source
from speech_service.calls.driver import Event, OnEvent, Session, SessionRunner
from speech_service.domain.audio import AudioFormat, AudioLoss, RawFormat, Samples
from speech_service.domain.call import Call
from speech_service.domain.errors import CancelledWorkError
from speech_service.domain.events import Action, SessionEnded, Step, Usage
from speech_service.media.decode.limits import DecodeLimits
from speech_service.media.pcm import bytes_per_s

_PLAIN_BYTES_PER_S = 32_000
Event_co = TypeVar("Event_co", covariant=True)


class AudioSession(Session[Event_co], Protocol):
    """A session that takes audio."""

    def catch_up(self) -> Sequence[Step[Event_co]]:
        """Hear all audio that waits: before anything but more audio is given to it."""
        ...

    def audio(self, samples: Samples) -> Sequence[Step[Event_co]]:
        """Take float32 [n, channels] at 16 kHz."""
        ...

    def lost(self, loss: AudioLoss, passed_ms: int) -> None:
        """A part of the encoded audio is missing."""
        ...

    def end_of_input(self) -> Sequence[Action[Event_co]]:
        """Nothing more comes. Saying it twice is harmless."""
        ...


AnyAudioSession = TypeVar("AnyAudioSession", bound=AudioSession[Any])


class FedSession(Generic[AnyAudioSession, Event]):
    """A session of one call with the audio source that feeds it.

    ``runner.turn`` orders the source's blocks and the client's other messages.
    """

    def __init__(
        self,
        call: Call,
        runner: SessionRunner[AnyAudioSession, Event],
        audio: AudioInput,
        audio_format: AudioFormat | None,
        limits: DecodeLimits,
        *,
        separate_channels: bool = False,
    ) -> None:
        """``audio_format``: None where the session takes no audio."""
        self.runner = runner
        self._call = call
        self._format = audio_format
        self._source: AudioSource = NoSource()
        if audio_format is not None:
            self._source = make_source(
                audio_format,
                audio.decoders,
                limits,
                separate_channels,
                self._block,
                runner.close,
                runner.session.lost,
                self._unreadable,
            )
        self.feed = self._source.feed
        self.settle = self._source.settle

    def expected_ms(self, size_bytes: int) -> int:
        """How long audio of that size lasts. That of a container shows when it is decoded; until then it is taken for
        the least that its model can use, 16-bit samples at 16 kHz."""
        rate = (
            bytes_per_s(self._format) if isinstance(self._format, RawFormat) else _PLAIN_BYTES_PER_S
        )
        return size_bytes * 1000 // rate

    def charge(self) -> None:
        """Have the caller pay for what has come until now."""
        self._call.meter.charge(self.runner.session.ended().usage)

    async def end(self) -> None:
        """Nothing more comes: flush the decoder, then the session."""
        await self._source.end()
        await self._unreadable()

    async def close(self) -> None:
        """Free the decoder; note what a call that failed had used."""
        ended = self.runner.session.ended()
        if self._call.usage is None:
            self._call.finished(ended.usage, ended.latency)
        await self._source.close()

    async def _block(self, samples: Samples) -> None:
        async with self.runner.turn:
            await self.runner.perform(self.runner.session.audio(samples))

    async def _unreadable(self) -> None:
        """No more of the audio can be read: what there is gets its results, and the session ends well."""
        async with self.runner.turn:
            await self.runner.catch_up()
            await self.runner.perform(self.runner.session.end_of_input())


async def feed_whole(
    call: Call,
    open_session: Callable[[OnEvent[Event]], FedSession[Any, Any]],
    audio: bytes,
    piece_bytes: int,
    max_waiting_ms: float = math.inf,
) -> tuple[Sequence[Event], SessionEnded]:
    """Feed a session all its audio, and collect what it tells up to its end.

    It is fed in pieces, so that the event loop stays free; what waits for the device is kept below ``max_waiting_ms``.

    Raises:
        SpeechError: the audio is wrong, the caller may not use so much, or the session failed.
    """
    told: list[Event] = []
    fed = open_session(told.append)
    runner = fed.runner
    call.when_over(lambda: runner.close(CancelledWorkError("the call is over")))
    feeding: asyncio.Task[None] | None = None
    try:
        call.meter.reserve(Usage(audio_in_ms=fed.expected_ms(len(audio))))
        feeding = asyncio.create_task(_feed(fed, audio, piece_bytes, max_waiting_ms))
        await asyncio.wait([feeding, runner.finished], return_when=asyncio.FIRST_COMPLETED)
        if feeding.done():
            feeding.result()
        error = await runner.finished
    finally:
        if feeding is not None:
            feeding.cancel()
            await asyncio.wait([feeding])
        await fed.close()
        runner.close(None)
    if error is not None:
        raise error
    ended = next(event for event in reversed(told) if isinstance(event, SessionEnded))
    call.finished(ended.usage, ended.latency)
    return told, ended


async def _feed(
    fed: FedSession[Any, Any], audio: bytes, piece_bytes: int, max_waiting_ms: float
) -> None:
    piece = max(256, piece_bytes - piece_bytes % 256)  # whole frames of every raw format
    runner = fed.runner
    for at in range(0, len(audio), piece):
        await fed.feed(audio[at : at + piece])
        fed.charge()
        while runner.session.undecoded_ms > max_waiting_ms and not runner.finished.done():
            runner.changed.clear()
            await runner.changed.wait()
    await fed.end()
