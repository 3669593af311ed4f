"""Raw speech of a translation session to encoded chunks: one encoder and one file for each language.

Every event of the session passes here and leaves in the same order.
"""

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace

from loguru import logger

from speech_service.calls.driver import OnEvent
from speech_service.domain.errors import InternalError, SpeechError
from speech_service.domain.events import (
    SessionEnded,
    SessionEvent,
    SpeechChunk,
    SpokenSamples,
    StreamWarning,
)
from speech_service.media.encode.encoder import EncoderPool, OutputEncoder, coded_rate_hz
from speech_service.tasks import keep

MAX_CHUNK_BYTES = 64 * 1024
_SLICES_PER_S = 4
"""Speech is encoded a quarter of a second at a time: first bytes do not wait for the whole sentence."""


@dataclass(slots=True)
class _Voice:
    language: str
    encoder: OutputEncoder
    rate_hz: int
    """Of the encoded audio."""
    segment_id: int = 0
    sequence: int = 0
    coded: int = 0
    """Coded samples whose bytes went out."""

    def to_ms(self, samples: int) -> int:
        return samples * 1000 // self.rate_hz


class SpokenOutput:
    """Of one session. ``delivered`` is called once ``SessionEnded`` went to the sink."""

    def __init__(self, encoders: EncoderPool, sink: OnEvent, delivered: Callable[[], None]) -> None:
        self._encoders = encoders
        self._sink = sink
        self._delivered = delivered
        self._events: deque[SessionEvent] = deque()
        self._filled = asyncio.Event()
        self._voices: dict[str, _Voice] = {}
        self._failed: set[str] = set()
        self.audio_ms = 0
        self._task = keep(self._run, "spoken-output")

    def put(self, event: SessionEvent) -> None:
        """Take an event of the session."""
        self._events.append(event)
        self._filled.set()

    async def close(self) -> None:
        """Stop, and free the encoders."""
        self._task.cancel()
        await asyncio.wait([self._task])
        for voice in self._voices.values():
            await voice.encoder.close()
        self._voices.clear()

    async def _run(self) -> None:
        while True:
            while not self._events:
                self._filled.clear()
                await self._filled.wait()
            event = self._events.popleft()
            match event:
                case SpokenSamples(language=language):
                    if language not in self._failed:
                        await self._guarded(language, self._encode(event))
                case SessionEnded():
                    for voice in list(self._voices.values()):
                        await self._guarded(voice.language, self._finish(voice))
                    usage = replace(event.usage, audio_out_ms=self.audio_ms)
                    self._sink(replace(event, usage=usage))
                    self._delivered()
                case _:
                    self._sink(event)

    async def _guarded(self, language: str, work: Awaitable[None]) -> None:
        """Encoding that fails costs the language its speech, and nothing else."""
        try:
            await work
        except Exception as failure:  # noqa: BLE001 - a bug must cost the speech only, and be logged
            if not isinstance(failure, SpeechError):
                logger.opt(exception=failure).error("encoding speech failed")
            error = failure if isinstance(failure, SpeechError) else InternalError("a bug")
            self._failed.add(language)
            message = f"no more is spoken in {language}: {error.message} ({error.reason})"
            self._sink(StreamWarning("SPEECH_FAILED", "", message, cause=error))

    async def _encode(self, event: SpokenSamples) -> None:
        voice = self._voices.get(event.language) or await self._open(event)
        voice.segment_id = event.segment_id
        step = max(1, event.sample_rate_hz // _SLICES_PER_S)
        for at in range(0, len(event.samples), step):
            self._send(voice, await voice.encoder.push(event.samples[at : at + step]))

    async def _open(self, event: SpokenSamples) -> _Voice:
        options = event.options
        encoder = await self._encoders.open(
            options.output,
            event.sample_rate_hz,
            gain_db=options.gain_db,
            rate=options.tempo,
            field="config.synthesis",
        )
        voice = _Voice(event.language, encoder, coded_rate_hz(options.output))
        self._voices[event.language] = voice
        return voice

    async def _finish(self, voice: _Voice) -> None:
        if voice.language not in self._failed:
            self._send(voice, await voice.encoder.finish())

    def _send(self, voice: _Voice, data: bytes) -> None:
        first, length = voice.coded, voice.encoder.coded_samples - voice.coded
        for at in range(0, len(data), MAX_CHUNK_BYTES):
            part = data[at : at + MAX_CHUNK_BYTES]
            start = first + length * at // len(data)
            start_ms = voice.to_ms(start)
            voice.coded = first + length * (at + len(part)) // len(data)
            chunk = SpeechChunk(
                voice.language,
                voice.sequence,
                part,
                start_ms,
                voice.to_ms(voice.coded) - start_ms,
                segment_id=voice.segment_id,
                language=voice.language,
                coded_samples=voice.coded - start,
            )
            voice.sequence += 1
            self.audio_ms += chunk.duration_ms
            self._sink(chunk)
