"""The gRPC side of the synthesis benchmarks: calls, and when each piece of audio came. The server is not imported."""

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from typing import Any

import grpc
import grpc.aio

from speech.v1 import synthesis_service_pb2 as pb
from speech.v1 import synthesis_service_pb2_grpc as pb_grpc

TIMEOUT_S = 60.0
MODEL_RATE_HZ = 24_000
"""Rate of the embedded voice, asked for by name so that the audio's length is known."""
_Connection = tuple[grpc.aio.Channel, Any]


@dataclass(frozen=True, slots=True)
class Arrival:
    """A piece of audio: when it came (``time.perf_counter``), and its place in its context's audio."""

    at: float
    start_ms: int
    duration_ms: int


@dataclass(slots=True)
class Heard:
    """What came back of one text."""

    asked: float = 0.0
    """When the text was handed to gRPC (``time.perf_counter``)."""
    arrivals: list[Arrival] = field(default_factory=list[Arrival])
    ended: float = 0.0
    """When its end was told; 0: it never was."""
    error: str = ""

    @property
    def audio_ms(self) -> int:
        """Length of the audio."""
        return sum(arrival.duration_ms for arrival in self.arrivals)

    @property
    def first_audio_ms(self) -> float:
        """From the text to the first audio; NaN where none came."""
        return (self.arrivals[0].at - self.asked) * 1000 if self.arrivals else float("nan")

    @property
    def total_ms(self) -> float:
        """From the text to the end."""
        return (self.ended - self.asked) * 1000


@contextlib.asynccontextmanager
async def connect(target: str, count: int = 1) -> AsyncIterator[list[_Connection]]:
    """Channels with a stub each, on connections of their own, as from so many clients."""
    options = [("grpc.use_local_subchannel_pool", 1), ("grpc.max_receive_message_length", -1)]
    async with contextlib.AsyncExitStack() as stack:
        channels = [
            await stack.enter_async_context(grpc.aio.insecure_channel(target, options))
            for _ in range(count)
        ]
        yield [(channel, pb_grpc.SynthesisServiceStub(channel)) for channel in channels]


def config() -> pb.SynthesisConfig:
    """PCM s16 at the model's rate: what is measured is speech, not a codec."""
    return pb.SynthesisConfig(output={"encoding": 1, "sample_rate_hz": MODEL_RATE_HZ})  # pyright: ignore[reportArgumentType] - protobuf takes a mapping


async def unary(stub: Any, text: str) -> pb.SynthesizeResponse:
    """The whole audio of a text."""
    request = pb.SynthesizeRequest(config=config(), text=text)
    return await stub.Synthesize(request, timeout=TIMEOUT_S)


async def chunked(stub: Any, text: str) -> Heard:
    """One SynthesizeChunked call."""
    heard = Heard(time.perf_counter())
    request = pb.SynthesizeChunkedRequest(config=config(), text=text)
    async for event in stub.SynthesizeChunked(request, timeout=TIMEOUT_S):
        if event.HasField("audio"):
            _take(heard, event.audio)
        elif event.HasField("session_ended"):
            heard.ended = time.perf_counter()
    return heard


class Stream:
    """One StreamingSynthesize call: ``async with Stream(stub) as stream: await stream.speak("text")``."""

    def __init__(self, stub: Any) -> None:
        self._call: Any = stub.StreamingSynthesize()

    async def __aenter__(self) -> "Stream":
        await self._send(config=config())
        async with asyncio.timeout(TIMEOUT_S):
            while not (await self.read()).HasField("session_started"):
                pass
        return self

    async def __aexit__(self, *_: object) -> None:
        self._call.cancel()

    async def text(self, text: str, context_id: str) -> float:
        """Send the whole text of a context; returns when it was handed to gRPC."""
        at = time.perf_counter()
        await self._send(text={"text": text, "context_id": context_id})
        await self._send(flush={"context_id": context_id, "control_id": f"f{context_id}"})
        return at

    async def cancel(self, context_id: str) -> float:
        """Cancel a context; returns when that was handed to gRPC."""
        at = time.perf_counter()
        await self._send(cancel={"context_id": context_id, "control_id": f"c{context_id}"})
        return at

    async def read(self) -> pb.StreamingSynthesizeResponse:
        """The next event.

        Raises:
            RuntimeError: the stream ended; says how.
        """
        event = await self._call.read()
        if event is grpc.aio.EOF:
            raise RuntimeError(f"the stream ended: {await self._call.code()}")
        return event

    async def speak(self, text: str, context_id: str) -> Heard:
        """Speak a text as one context and read it all."""
        return await self._heard(Heard(await self.text(text, context_id)), context_id)

    async def speak_after_pause(self, text: str, context_id: str) -> Heard:
        """Send a text and no more; the context is flushed when its first audio has come."""
        heard = Heard(time.perf_counter())
        await self._send(text={"text": text, "context_id": context_id})
        await self._heard(heard, context_id, until_audio=True)
        await self._send(flush={"context_id": context_id, "control_id": f"f{context_id}"})
        return await self._heard(heard, context_id)

    async def _heard(self, heard: Heard, context_id: str, *, until_audio: bool = False) -> Heard:
        async with asyncio.timeout(TIMEOUT_S):
            while not (heard.ended or (until_audio and heard.arrivals)):
                event = await self.read()
                if event.HasField("audio") and event.audio.context_id == context_id:
                    _take(heard, event.audio)
                elif event.HasField("context_ended"):
                    heard.ended = time.perf_counter()
                    if event.context_ended.outcome != pb.CONTEXT_OUTCOME_DONE:
                        heard.error = event.context_ended.error.reason or "not done"
        return heard

    async def _send(self, **payload: Any) -> None:
        await self._call.write(pb.StreamingSynthesizeRequest(**payload))


def _take(heard: Heard, audio: pb.SynthesisAudio) -> None:
    if audio.duration_ms:
        heard.arrivals.append(Arrival(time.perf_counter(), audio.start_ms, audio.duration_ms))
