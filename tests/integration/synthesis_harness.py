"""Talks to the synthesis service in tests."""

import asyncio
from dataclasses import dataclass, field
from typing import Any

import grpc
import numpy as np
from grpc import aio
from numpy.typing import NDArray

from speech.v1 import synthesis_service_pb2 as pb
from speech.v1 import synthesis_service_pb2_grpc, voice_service_pb2_grpc
from speech_service.config.tree import ModelConfig
from tests.integration.failures import WAIT_S, Failure, rpc_error, send
from tests.integration.harness import Server

HUM = ModelConfig(kind="synthesizer/fake")
RATE = 24_000
PCM, F32, WAV, FLAC, MP3, OPUS, MULAW, ALAW = range(1, 9)
LETTER_MS = 60


def hum(**options: object) -> ModelConfig:
    """The fake synthesizer with these options."""
    return ModelConfig(kind="synthesizer/fake", options=options)


def speech_stub(server: Server) -> Any:
    """SynthesisService."""
    return synthesis_service_pb2_grpc.SynthesisServiceStub(server.channel)


def voice_stub(server: Server) -> Any:
    """VoiceService."""
    return voice_service_pb2_grpc.VoiceServiceStub(server.channel)


def config(**fields: Any) -> pb.SynthesisConfig:
    """A configuration; ``encoding`` and ``rate`` are those of the output."""
    output = {k: fields.pop(n) for n, k in _OUTPUT.items() if n in fields}
    make: Any = pb.SynthesisConfig
    return make(**fields, **({"output": output} if output else {}))


_OUTPUT = {"encoding": "encoding", "rate": "sample_rate_hz", "trim": "trim_silence"}


def words_ms(text: str) -> int:
    """How long the fake hums a text."""
    return sum(map(str.isalnum, text)) * LETTER_MS


def pcm(data: bytes) -> NDArray[np.float32]:
    """s16 to float."""
    return np.frombuffer(data, "<i2").astype(np.float32) / np.float32(32768)


@dataclass
class Spoken:
    """What came of one context."""

    data: bytes = b""
    sequences: list[int] = field(default_factory=list)
    chunk_bytes: list[int] = field(default_factory=list)
    duration_ms: int = 0
    timings: list[pb.SynthesisTiming] = field(default_factory=list)


def gather(events: Any, context_id: str = "") -> Spoken:
    """The audio and timings of a context among events; checks that the chunks join."""
    spoken = Spoken()
    pieces: list[bytes] = []
    for event in events:
        if event.HasField("audio") and event.audio.context_id == context_id:
            assert event.audio.start_ms == spoken.duration_ms
            assert len(event.audio.data) <= 65_536
            pieces.append(event.audio.data)
            spoken.sequences.append(event.audio.sequence)
            spoken.chunk_bytes.append(len(event.audio.data))
            spoken.duration_ms += event.audio.duration_ms
        if event.HasField("timings") and event.timings.context_id == context_id:
            assert spoken.sequences, "timings come after the first audio"
            spoken.timings += event.timings.timings
    assert spoken.sequences == list(range(len(spoken.sequences)))
    spoken.data = b"".join(pieces)
    return spoken


class SpeechTalk:
    """One StreamingSynthesize call, message by message."""

    def __init__(
        self,
        server: Server,
        config: pb.SynthesisConfig | None = None,
        metadata: tuple[tuple[str, str], ...] = (),
    ) -> None:
        self.call: Any = speech_stub(server).StreamingSynthesize(metadata=metadata)
        self.events: list[pb.StreamingSynthesizeResponse] = []
        self._config = config or pb.SynthesisConfig()

    async def __aenter__(self) -> "SpeechTalk":
        await self.send(config=self._config)
        return self

    async def __aexit__(self, *_: object) -> None:
        self.call.cancel()

    async def send(self, **payload: Any) -> bool:
        """Send one message."""
        message = pb.StreamingSynthesizeRequest(**payload)
        return await send(self.call, message.SerializeToString())

    async def text(self, text: str, context_id: str = "") -> None:
        """A piece of text."""
        await self.send(text={"text": text, "context_id": context_id})

    async def flush(self, context_id: str = "", control_id: str = "f") -> None:
        """Flush a context."""
        await self.send(flush={"context_id": context_id, "control_id": control_id})

    async def cancel(self, context_id: str = "", control_id: str = "c") -> None:
        """Cancel a context, or all."""
        await self.send(cancel={"context_id": context_id, "control_id": control_id})

    async def read(self) -> Any:
        """The next event; None at the end. Raises AioRpcError where the stream failed."""
        async with asyncio.timeout(WAIT_S):
            event: Any = await self.call.read()
            if event is aio.EOF and await self.call.code() is not grpc.StatusCode.OK:
                raise await rpc_error(self.call)
        if event is aio.EOF:
            return None
        self.events.append(event)
        return event

    async def until(self, kind: str, **fields: Any) -> Any:
        """Read up to the next event of that kind whose fields are these."""
        while (event := await self.read()) is not None:
            message = getattr(event, kind)
            if event.HasField(kind) and all(getattr(message, n) == v for n, v in fields.items()):
                return message
        raise AssertionError(f"no {kind} with {fields} among {self.kinds()}")

    async def end(self) -> list[pb.StreamingSynthesizeResponse]:
        """End the text and read everything."""
        await self.send(end_of_text={})
        return await self.rest()

    async def rest(self) -> list[pb.StreamingSynthesizeResponse]:
        """Read everything."""
        while await self.read() is not None:
            pass
        return self.events

    async def fails(self) -> Failure:
        """Read until the stream fails; returns how."""
        try:
            await self.rest()
        except aio.AioRpcError as error:
            return Failure.of(error)
        raise AssertionError(f"the stream ended well: {self.kinds()}")

    def kinds(self) -> list[str | None]:
        """What came so far."""
        return [event.WhichOneof("event") for event in self.events]
