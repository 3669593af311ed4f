"""Starts whole servers for tests, and talks to them."""

import asyncio
import contextlib
import urllib.request
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

import grpc
import psutil
from grpc import aio
from msgspec import structs

from speech.v1 import audio_pb2, model_service_pb2_grpc, recognition_service_pb2_grpc
from speech.v1 import recognition_service_pb2 as pb
from speech_service.app import Application
from speech_service.config.load import load_config
from speech_service.config.tree import Config, ModelConfig, OneWorkerConfig
from tests.integration.failures import WAIT_S, Failure, rpc_error, send
from tests.integration.sound import RATE

FAKE = ModelConfig(kind="recognizer/fake")


def fake_model(**options: object) -> ModelConfig:
    """The fake recognizer with these options."""
    return structs.replace(FAKE, options=options)


def make_config(
    *overrides: str,
    models: Sequence[ModelConfig] = (FAKE,),
    workers: Sequence[OneWorkerConfig] = (),
) -> Config:
    """A configuration on free ports, everything in one process, no real model."""
    base = (
        "server.listen=127.0.0.1:0",
        "server.admin_listen=127.0.0.1:0",
        "server.metrics_listen=127.0.0.1:0",
        "worker.mode=inline",
        "scheduler.lanes=1",
        "vad.kind=fake",
        "server.admission=fixed",  # what a test asks for is not for a busy machine to refuse
    )
    config = load_config(overrides=[*base, *overrides], environment={})
    return structs.replace(config, models=tuple(models), workers=tuple(workers))


@dataclass(slots=True)
class Server:
    """A server in this process, with a channel to its public and its admin port."""

    app: Application
    channel: aio.Channel
    admin: aio.Channel

    @property
    def target(self) -> str:
        """Address of the public port."""
        return f"127.0.0.1:{self.app.ports.public}"

    @property
    def admin_target(self) -> str:
        """Address of the admin port."""
        return f"127.0.0.1:{self.app.ports.admin}"

    @property
    def metrics_url(self) -> str:
        """Where Prometheus would scrape."""
        return f"http://127.0.0.1:{self.app.ports.metrics}/metrics"

    @property
    def recognition(self) -> "recognition_service_pb2_grpc.RecognitionServiceAsyncStub":
        """Stub on the public port."""
        return recognition_stub(self.channel)

    @property
    def models(self) -> "model_service_pb2_grpc.ModelServiceAsyncStub":
        """Stub on the public port."""
        stub: Any = model_service_pb2_grpc.ModelServiceStub(self.channel)
        return stub

    def talk(
        self,
        config: pb.RecognitionConfig | None = None,
        *,
        metadata: Iterable[tuple[str, str]] = (),
        timeout: float | None = None,
        **fields: Any,
    ) -> "Talk":
        """Open a stream; with ``config`` or ``fields`` of one, its first message is on its way."""
        call = self.recognition.StreamingRecognize(metadata=tuple(metadata), timeout=timeout)
        return Talk(call, config if config is not None else raw_config(**fields))

    async def metrics(self) -> dict[str, float]:
        """What /metrics says: sample with its labels -> value."""
        page = await asyncio.to_thread(lambda: urllib.request.urlopen(self.metrics_url).read())
        samples = [line for line in page.decode().splitlines() if not line.startswith("#")]
        return {name: float(value) for name, _, value in (s.rpartition(" ") for s in samples)}

    async def works(self) -> None:
        """Prove that the service still answers."""
        audio = b"\x00\x20\x00\xe0" * (RATE // 2)
        reply = await self.recognition.Recognize(
            pb.RecognizeRequest(config=raw_config(), audio=audio), timeout=WAIT_S
        )
        assert reply.results[0].text == "zero one"

    async def idle(self) -> None:
        """Wait until nothing is left of any call."""
        admission = self.app.parts.admission

        async def quiet() -> bool:
            open_calls = admission.open_streams + admission.open_unary
            return not open_calls and await self.work() == (0, 0)

        await until(quiet)

    async def work(self) -> tuple[int, int]:
        """Work that waits for models, and work that they do."""
        models, _ = await self.app.parts.models.control.report()
        return max(model.queued for model in models), sum(model.active for model in models)

    async def worker_pid(self) -> int:
        """0 while there is none."""
        _, workers = await self.app.parts.models.control.report()
        return workers[0].pid


def recognition_stub(
    channel: aio.Channel,
) -> "recognition_service_pb2_grpc.RecognitionServiceAsyncStub":
    """The stub, with the type that it has on an aio channel."""
    stub: Any = recognition_service_pb2_grpc.RecognitionServiceStub(channel)
    return stub


@asynccontextmanager
async def running(
    *overrides: str,
    models: Sequence[ModelConfig] = (FAKE,),
    workers: Sequence[OneWorkerConfig] = (),
) -> AsyncIterator[Server]:
    """A server for as long as the block runs."""
    app = Application(make_config(*overrides, models=models, workers=workers))
    try:
        await app.start()
        async with (
            aio.insecure_channel(f"127.0.0.1:{app.ports.public}") as channel,
            aio.insecure_channel(f"127.0.0.1:{app.ports.admin}") as admin,
        ):
            yield Server(app, channel, admin)
    finally:
        await app.close()


async def until(done: Callable[[], bool | Awaitable[bool]], timeout_s: float = WAIT_S) -> None:
    """Wait for a condition that no event announces."""
    async with asyncio.timeout(timeout_s):
        while not (  # noqa: ASYNC110 - nothing sets an event
            is_done if isinstance(is_done := done(), bool) else await is_done
        ):
            await asyncio.sleep(0.005)


async def settled(count: Callable[[], int], quiet_s: float = 0.5) -> int:
    """The count, when it has not changed for a while."""
    before, now = -1, count()
    while now != before:
        await asyncio.sleep(quiet_s)
        before, now = now, count()
    return now


def codec_jobs() -> list[psutil.Process]:
    """The codecs that run for servers of this process: children of its codec processes."""
    jobs: list[psutil.Process] = []
    for codec in psutil.Process().children():
        with contextlib.suppress(psutil.NoSuchProcess):  # it may end while it is asked
            jobs += codec.children()
    return jobs


# --- messages -----------------------------------------------------------------------------------------


def raw_config(
    rate: int = RATE, channels: int = 1, encoding: int = 1, **fields: Any
) -> pb.RecognitionConfig:
    """A configuration of raw audio, s16 unless told otherwise."""
    raw = audio_pb2.RawAudio(
        encoding=encoding,  # pyright: ignore[reportArgumentType] - a number is fine on the wire
        sample_rate_hz=rate,
        channel_count=channels,
    )
    return pb.RecognitionConfig(audio=audio_pb2.AudioFormat(raw=raw), **fields)


def auto_config(**fields: Any) -> pb.RecognitionConfig:
    """A configuration of a container that the server finds out."""
    detect = audio_pb2.AudioFormat(auto_detect=audio_pb2.AutoDetect())
    return pb.RecognitionConfig(audio=detect, **fields)


def request(**payload: Any) -> pb.StreamingRecognizeRequest:
    """A client message."""
    return pb.StreamingRecognizeRequest(**payload)


def chunk(data: bytes, sequence: int | None = None) -> pb.StreamingRecognizeRequest:
    """An audio message."""
    return request(audio=audio_pb2.AudioChunk(data=data, sequence=sequence))


class Talk:
    """One StreamingRecognize call, message by message."""

    def __init__(self, call: Any, config: pb.RecognitionConfig) -> None:
        self.call = call
        self.events: list[pb.StreamingRecognizeResponse] = []
        self._config: pb.RecognitionConfig | None = config

    async def __aenter__(self) -> "Talk":
        await self.send(config=self._config)
        return self

    async def __aexit__(self, *_: object) -> None:
        self.call.cancel()

    async def send(self, **payload: Any) -> None:
        """Send one message."""
        await self.write(request(**payload))

    async def write(self, message: pb.StreamingRecognizeRequest) -> bool:
        """Send a message; False: the stream is over, and reading says how it ended."""
        return await send(self.call, message.SerializeToString())

    async def audio(self, data: bytes, piece: int = 3200) -> None:
        """Send audio in pieces."""
        for at in range(0, len(data), piece):
            if not await self.write(chunk(data[at : at + piece])):
                return

    async def read(self) -> pb.StreamingRecognizeResponse | None:
        """The next event; None at the end. Raises AioRpcError where the stream failed."""
        async with asyncio.timeout(WAIT_S):
            event: Any = (
                await self.call.read()
            )  # raises where the call failed after it had been read
            if event is aio.EOF and await self.call.code() is not grpc.StatusCode.OK:
                raise await rpc_error(self.call)
        if event is aio.EOF:
            return None
        self.events.append(event)
        return event

    async def until(self, event_kind: str, **fields: Any) -> Any:
        """Read up to the next event of ``event_kind`` whose fields are ``fields``; returns the event's message."""
        async with asyncio.timeout(WAIT_S):
            while (event := await self.read()) is not None:
                message = getattr(event, event_kind)
                if event.WhichOneof("event") == event_kind and all(
                    getattr(message, name) == value for name, value in fields.items()
                ):
                    return message
        raise AssertionError(f"no {event_kind} with {fields} among {self.kinds()}")

    async def end(self) -> list[pb.StreamingRecognizeResponse]:
        """End the audio and read everything."""
        await self.send(end_of_audio={})
        return await self.rest()

    async def rest(self) -> list[pb.StreamingRecognizeResponse]:
        """Read everything; returns all events of the call."""
        while await self.read() is not None:
            pass
        return self.events

    async def fails(self) -> "Failure":
        """Read until the stream fails; returns how."""
        try:
            await self.rest()
        except aio.AioRpcError as error:
            return Failure.of(error)
        raise AssertionError(f"the stream ended well: {self.kinds()}")

    def kinds(self) -> list[str | None]:
        """What came so far."""
        return [event.WhichOneof("event") for event in self.events]

    def results(self, kind: int) -> list[pb.RecognitionResult]:
        """Results of that kind so far."""
        return [e.result for e in self.events if e.HasField("result") and e.result.kind == kind]

    @property
    def partials(self) -> list[pb.RecognitionResult]:
        """PARTIALs so far."""
        return self.results(1)

    @property
    def finals(self) -> list[pb.RecognitionResult]:
        """FINALs so far."""
        return self.results(2)


async def recognize(server: Server, data: bytes, config: pb.RecognitionConfig) -> Talk:
    """Stream ``data`` as fast as it is taken, to the end."""
    async with Talk(server.recognition.StreamingRecognize(timeout=60), config) as talk:
        reading = asyncio.create_task(talk.rest())
        await talk.audio(data, 65_536)
        await talk.send(end_of_audio={})
        await reading
    return talk
