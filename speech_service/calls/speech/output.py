"""Raw speech of a session to encoded chunks: one encoder for each track, one task that keeps everything in order."""

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Generic, Protocol, TypeVar

from loguru import logger

from speech_service.domain.audio import Samples
from speech_service.domain.errors import InternalError, SpeechError
from speech_service.domain.events import (
    ContextTurn,
    SegmentInLanguage,
    SpeechChunk,
    SpeechSamples,
)
from speech_service.domain.synthesis import SynthesisOptions
from speech_service.media.encode.encoder import EncoderPool, OutputEncoder, coded_rate_hz
from speech_service.tasks import keep

Owner = TypeVar("Owner", bound=ContextTurn | SegmentInLanguage)
Step = Callable[[], Awaitable[None]]

MAX_CHUNK_BYTES = 64 * 1024
_SLICES_PER_S = 4
"""Speech is encoded a quarter of a second at a time: the first bytes of a long sentence do not wait for its last."""


@dataclass(slots=True)
class Track(Generic[Owner]):
    """One audio file on its way to the client."""

    owner: Owner
    """Of the speech that came last."""
    options: SynthesisOptions
    encoder: OutputEncoder
    model_rate_hz: int
    asked_s: float = 0.0
    """When the text of that speech went to the device."""
    sequence: int = 0
    coded: int = 0
    """Coded samples whose bytes went out."""

    @property
    def coded_ms(self) -> int:
        """The length of what went out."""
        return self.to_ms(self.coded)

    def to_ms(self, samples: int) -> int:
        """The length of coded samples."""
        return samples * 1000 // coded_rate_hz(self.options.output)


class Listener(Protocol[Owner]):
    """Told what became of the speech, in order."""

    def encoded(
        self, track: Track[Owner], chunks: Sequence[SpeechChunk[Owner]], audio_ms: float
    ) -> None:
        """The chunks, maybe none, that ``audio_ms`` more of the model's audio became."""
        ...

    def failed(self, owner: Owner, error: SpeechError) -> None:
        """Encoding failed: what was sent stays sent, nothing more of the track follows."""
        ...


class SpeechOutput(Generic[Owner]):
    """Encodes the speech of one session. ``close`` it when the call is over.

    What is to happen between pieces of speech takes its place among them with ``then``. A failure costs its track, and
    nothing else.
    """

    def __init__(self, encoders: EncoderPool, listener: Listener[Owner]) -> None:
        self._encoders = encoders
        self._listener = listener
        self._queue: deque[tuple[Owner | None, Step]] = deque()
        self._last: Step | None = None
        self._filled = asyncio.Event()
        self._tracks: dict[int | str, Track[Owner]] = {}
        self._dropped: set[int | str] = set()
        """Tracks of which nothing more is wanted, or possible."""
        self._task = keep(self._run, "speech-output")

    def speak(self, speech: SpeechSamples[Owner]) -> None:
        """Encode the speech after all that came before."""
        self.then(lambda: self._encode(speech), speech.owner)

    def then(self, step: Step, owner: Owner | None = None) -> None:
        """Take the step after all that came before; with an ``owner``, unless its track is dropped until then."""
        self._queue.append((owner, step))
        self._filled.set()

    def at_last(self, step: Step) -> None:
        """Take the step after everything, even what is still to come."""
        self._last = step
        self._filled.set()

    def track(self, owner: Owner) -> Track[Owner] | None:
        """The track of the owner; None where nothing of it was encoded."""
        return self._tracks.get(owner.track)

    def is_dropped(self, owner: Owner) -> bool:
        """Whether nothing more is encoded of the owner's track."""
        return owner.track in self._dropped

    def drop(self, owner: Owner) -> None:
        """Nothing more of the owner's track is wanted, and nothing of it that waits here."""
        self._dropped.add(owner.track)
        self._queue = deque(
            (whose, step)
            for whose, step in self._queue
            if whose is None or whose.track != owner.track
        )

    def forget(self, owner: Owner) -> None:
        """Nothing of the owner's track will ever come again."""
        self._dropped.discard(owner.track)

    async def finish(self, owner: Owner) -> None:
        """A step: send what the encoder of the owner's track still holds."""
        track = self.track(owner)
        if track is not None and not self.is_dropped(owner):
            data = await track.encoder.finish()
            self._send(track, data, 0.0)

    async def finish_all(self) -> None:
        """A step: send what the encoders still hold."""
        for track in list(self._tracks.values()):
            await self._guarded(track.owner, self.finish(track.owner))

    async def release(self, owner: Owner) -> Track[Owner] | None:
        """A step: the owner's track, if there is one, is over."""
        track = self._tracks.pop(owner.track, None)
        if track is not None:
            await track.encoder.close()
        return track

    async def close(self) -> None:
        """Stop, and free the encoders."""
        self._task.cancel()
        await asyncio.wait([self._task])
        for track in self._tracks.values():
            await track.encoder.close()
        self._tracks.clear()

    async def _run(self) -> None:
        while True:
            if self._queue:
                owner, step = self._queue.popleft()
                await (step() if owner is None else self._guarded(owner, step()))
            elif self._last is not None:
                step, self._last = self._last, None
                await step()
            else:
                self._filled.clear()
                await self._filled.wait()

    async def _guarded(self, owner: Owner, work: Awaitable[None]) -> None:
        try:
            await work
        except SpeechError as error:
            self._give_up(owner, error)
        except Exception as bug:  # noqa: BLE001 - a bug must end this track only, and be logged
            logger.opt(exception=bug).error("encoding speech failed")
            self._give_up(owner, InternalError("encoding failed"))

    async def _encode(self, speech: SpeechSamples[Owner]) -> None:
        owner = speech.owner
        for piece in _slices(speech.samples, speech.sample_rate_hz):
            if self.is_dropped(owner):
                return
            track = self.track(owner) or await self._open(speech)
            track.owner, track.asked_s = owner, speech.asked_s
            data = await track.encoder.push(piece)
            self._send(track, data, len(piece) * 1000 / speech.sample_rate_hz)

    async def _open(self, speech: SpeechSamples[Owner]) -> Track[Owner]:
        options, rate_hz = speech.options, speech.sample_rate_hz
        encoder = await self._encoders.open(
            options.output, rate_hz, gain_db=options.gain_db, rate=options.tempo
        )
        track = self._tracks[speech.owner.track] = Track(speech.owner, options, encoder, rate_hz)
        return track

    def _send(self, track: Track[Owner], data: bytes, audio_ms: float) -> None:
        if self.is_dropped(track.owner):
            return  # while it was encoded
        chunks: list[SpeechChunk[Owner]] = []
        first, length = track.coded, track.encoder.coded_samples - track.coded
        for at in range(0, len(data), MAX_CHUNK_BYTES):
            part = data[at : at + MAX_CHUNK_BYTES]
            start = first + length * at // len(data)
            track.coded = first + length * (at + len(part)) // len(data)
            start_ms, samples = track.to_ms(start), track.coded - start
            duration_ms = track.coded_ms - start_ms
            number, track.sequence = track.sequence, track.sequence + 1
            chunks.append(SpeechChunk(track.owner, number, part, start_ms, duration_ms, samples))
        self._listener.encoded(track, chunks, audio_ms)

    def _give_up(self, owner: Owner, error: SpeechError) -> None:
        if not self.is_dropped(owner):
            self.drop(owner)
            self._listener.failed(owner, error)


def _slices(samples: Samples, sample_rate_hz: int) -> Iterator[Samples]:
    step = max(1, sample_rate_hz // _SLICES_PER_S)
    for at in range(0, len(samples), step):
        yield samples[at : at + step]
