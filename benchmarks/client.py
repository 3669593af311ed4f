"""One StreamingRecognize session from a client's point of view, every event with its time.

Pacing is open loop: chunk i leaves when a microphone would have it complete, ``(i + 1) * chunk / speed`` after the
start, however slow the server is. Latencies count from that schedule, never from a write that came late.
"""

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from typing import Any, TypeAlias

import grpc
import grpc.aio
from google.protobuf.duration_pb2 import Duration

from benchmarks.corpus import BYTES_PER_S, RATE
from speech.v1 import audio_pb2, common_pb2, recognition_service_pb2, recognition_service_pb2_grpc

REALTIME = common_pb2.PACING_REALTIME
FILE = common_pb2.PACING_FILE
PARTIAL = common_pb2.RESULT_KIND_PARTIAL
FINAL = common_pb2.RESULT_KIND_FINAL
END_SILENCE_S = 0.6
"""The server's default ``end_silence``; requested explicitly so that latencies can be counted from it."""

Request = recognition_service_pb2.StreamingRecognizeRequest
Stub: TypeAlias = "recognition_service_pb2_grpc.RecognitionServiceAsyncStub"


@dataclass(frozen=True, slots=True)
class Settings:
    """How a session is held."""

    pacing: common_pb2.Pacing.ValueType = REALTIME
    speed: float = 1.0
    """Times real time; 0: as fast as gRPC takes it."""
    chunk_ms: int = 100
    partials: bool = True
    partial_interval_s: float = 0.5
    endpointing: common_pb2.EndpointingMode.ValueType = common_pb2.ENDPOINTING_MODE_VAD
    hold_s: float = 0.0
    """How long the stream is held open, with nothing sent, before it is half-closed."""
    timeout_s: float = 10.0
    """How long the session may take after its last audio."""


@dataclass(frozen=True, slots=True)
class Seen:
    """A result, and when it came (``time.perf_counter``)."""

    at: float
    segment: int
    kind: int
    text: str
    stable: int
    start_ms: int
    end_ms: int
    cause: int


@dataclass(slots=True)
class Session:
    """What happened."""

    name: str
    duration_s: float
    settings: Settings
    started: float = 0.0
    """When the first sample was 'spoken'."""
    send_lags: list[float] = field(default_factory=list[float])
    """Seconds that each write came after its schedule: trouble on the client's side."""
    half_closed: float = 0.0
    """When the client had written everything and half-closed."""
    results: list[Seen] = field(default_factory=list[Seen])
    speech_ends: list[tuple[float, float]] = field(default_factory=list[tuple[float, float]])
    """When END events came, and the seconds of audio that they name."""
    ended: float = 0.0
    """When session_ended came; 0: it never did."""
    error: str = ""
    called: float = 0.0
    """When the call was made."""
    closed: float = 0.0
    """When its status came; 0: it is not known."""
    trailers: dict[str, str | bytes] = field(default_factory=dict[str, str | bytes])

    @property
    def finals(self) -> list[Seen]:
        """FINAL results, in the order of their segments."""
        return sorted((r for r in self.results if r.kind == FINAL), key=lambda r: r.segment)

    @property
    def partials(self) -> list[Seen]:
        """PARTIAL results, as they came."""
        return [r for r in self.results if r.kind == PARTIAL]

    @property
    def text(self) -> str:
        """All finals."""
        return " ".join(r.text for r in self.finals if r.text)

    @property
    def failed(self) -> bool:
        """It ended with an error, or without session_ended."""
        return bool(self.error) or not self.ended

    def spoken_at(self, audio_s: float) -> float:
        """When that moment of the audio was 'spoken'."""
        return self.started + (audio_s / self.settings.speed if self.settings.speed else 0.0)

    @property
    def last_audio(self) -> float:
        """When the last sample was spoken; unpaced: when it was written."""
        return self.spoken_at(self.duration_s) if self.settings.speed else self.half_closed

    def final_after_last_audio(self) -> float | None:
        """Seconds from the last sample to the last FINAL; negative where the endpointer had ended it before."""
        finals = self.finals
        return finals[-1].at - self.last_audio if finals else None


def config(settings: Settings) -> recognition_service_pb2.RecognitionConfig:
    """The session's first message."""
    return recognition_service_pb2.RecognitionConfig(
        audio=pcm_format(),
        pacing=settings.pacing,
        partial_results=settings.partials,
        partial_interval=_duration(settings.partial_interval_s) if settings.partials else None,
        endpointing=_endpointing(settings),
    )


def _duration(seconds: float) -> Duration:
    whole, rest = divmod(round(seconds * 1e9), 10**9)
    return Duration(seconds=whole, nanos=rest)


def _endpointing(settings: Settings) -> common_pb2.EndpointingConfig:
    config = common_pb2.EndpointingConfig(mode=settings.endpointing)
    if settings.endpointing == common_pb2.ENDPOINTING_MODE_VAD:
        config.end_silence.CopyFrom(Duration(nanos=round(END_SILENCE_S * 1e9)))
    return config


def pcm_format() -> audio_pb2.AudioFormat:
    """What the corpus holds: 16 kHz mono s16."""
    raw = audio_pb2.RawAudio(
        encoding=audio_pb2.AUDIO_ENCODING_PCM_S16LE, sample_rate_hz=RATE, channel_count=1
    )
    return audio_pb2.AudioFormat(raw=raw)


@contextlib.asynccontextmanager
async def connect(target: str) -> AsyncIterator[Stub]:
    """A stub on a channel of its own."""
    async with connect_many(target, 1) as stubs:
        yield stubs[0]


@contextlib.asynccontextmanager
async def connect_many(target: str, count: int) -> AsyncIterator[list[Stub]]:
    """Stubs on ``count`` connections, as from so many clients: sharing one would flatter the server."""
    options = [("grpc.use_local_subchannel_pool", 1)]
    async with contextlib.AsyncExitStack() as stack:
        channels = [
            await stack.enter_async_context(grpc.aio.insecure_channel(target, options))
            for _ in range(count)
        ]
        yield [recognition_service_pb2_grpc.RecognitionServiceStub(item) for item in channels]


async def recognize(stub: Stub, pcm: bytes) -> str:
    """Unary: the text of one whole recording."""
    request = recognition_service_pb2.RecognizeRequest(
        config=recognition_service_pb2.RecognitionConfig(audio=pcm_format()), audio=pcm
    )
    reply = await stub.Recognize(request, timeout=120)
    return " ".join(result.text for result in reply.results if result.text)


async def stream(
    stub: Stub, name: str, pcm: bytes, settings: Settings, start: float | None = None
) -> Session:
    """Hold one session; errors are recorded in it, not raised.

    Args:
        stub: from :func:`connect`.
        name: of the session, for the record.
        pcm: 16 kHz mono s16.
        settings: how.
        start: when the first sample is spoken (``time.perf_counter``); None: now.
    """
    session = Session(name, len(pcm) / BYTES_PER_S, settings)
    now = time.perf_counter()
    session.started = now if start is None else start
    length = session.duration_s / settings.speed if settings.speed else 120.0
    deadline = max(0.0, session.started - now) + length + settings.timeout_s
    try:
        async with asyncio.timeout(deadline):
            await asyncio.sleep(session.started - now)
            session.called = time.perf_counter()
            call = stub.StreamingRecognize()
            call.add_done_callback(lambda _: _note_end(session))
            reader = asyncio.create_task(_read(call, session))
            try:
                await _write(call, pcm, session)
                await reader
            finally:
                reader.cancel()
                call.cancel()
    except grpc.aio.AioRpcError as error:
        session.error = f"{error.code().name}: {error.details()}"
        # It iterates over pairs, but calls itself a mapping.
        session.trailers = {key: value for key, value in error.trailing_metadata() or ()}
    except (TimeoutError, asyncio.InvalidStateError) as error:
        session.error = session.error or f"client timeout or broken call: {error!r}"
    return session


def _note_end(session: Session) -> None:
    session.closed = time.perf_counter()


async def _write(call: Any, pcm: bytes, session: Session) -> None:
    settings = session.settings
    await call.write(Request(config=config(settings)))
    step = BYTES_PER_S * settings.chunk_ms // 1000
    for at in range(0, len(pcm), step):
        chunk = pcm[at : at + step]
        if settings.speed:
            due = session.spoken_at((at + len(chunk)) / BYTES_PER_S)
            await asyncio.sleep(max(0.0, due - time.perf_counter()))
            session.send_lags.append(time.perf_counter() - due)
        if call.done():
            return  # the reader says how it ended
        await call.write(Request(audio=audio_pb2.AudioChunk(data=chunk)))
    await asyncio.sleep(settings.hold_s)
    if call.done():
        return
    await call.done_writing()
    session.half_closed = time.perf_counter()


async def _read(call: Any, session: Session) -> None:
    async for response in call:
        at = time.perf_counter()
        match response.WhichOneof("event"):
            case "result":
                session.results.append(_seen(at, response.result))
            case "speech_event":
                event = response.speech_event
                if event.kind == common_pb2.SPEECH_EVENT_KIND_END:
                    session.speech_ends.append((at, event.time_ms / 1000))
            case "session_ended":
                session.ended = at
            case _:
                pass


def _seen(at: float, result: recognition_service_pb2.RecognitionResult) -> Seen:
    return Seen(
        at=at,
        segment=result.segment_id,
        kind=result.kind,
        text=result.text,
        stable=result.stable_char_count,
        start_ms=result.start_ms,
        end_ms=result.end_ms,
        cause=result.end_cause,
    )
