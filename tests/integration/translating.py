"""What the translation tests share: a server with fakes, and the messages."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import grpc
from grpc import aio
from msgspec import structs

from speech.v1 import translation_service_pb2 as pb
from speech.v1 import translation_service_pb2_grpc
from speech_service.config.tree import ModelConfig
from tests.integration.failures import WAIT_S, Failure, rpc_error, send
from tests.integration.harness import FAKE, Server, running

TRANSLATOR = ModelConfig(kind="translator/fake")
IDENTIFIER = ModelConfig(kind="language/fake")
HUM = ModelConfig(kind="synthesizer/fake", options={"languages": ("pt", "de")})
"""Says a letter in 60 ms, at 24 kHz."""
MARIAN = ModelConfig(kind="translator/marian")


def translator(**options: object) -> ModelConfig:
    """The fake translator with these options."""
    return structs.replace(TRANSLATOR, options=options)


@asynccontextmanager
async def translating(
    *overrides: str,
    model: ModelConfig = TRANSLATOR,
    recognizer: ModelConfig = FAKE,
    identifier: ModelConfig | None = IDENTIFIER,
    synthesizer: ModelConfig | None = None,
) -> AsyncIterator[Server]:
    """A server that recognizes, identifies and translates with fakes."""
    models = [m for m in (recognizer, model, identifier, synthesizer) if m is not None]
    async with running(*overrides, models=models) as server:
        yield server


def stub(channel: aio.Channel) -> "translation_service_pb2_grpc.TranslationServiceAsyncStub":
    """The stub, with the type that it has on an aio channel."""
    made: Any = translation_service_pb2_grpc.TranslationServiceStub(channel)
    return made


def config(*targets: str, **fields: Any) -> pb.TranslationConfig:
    """A configuration into ``targets``, Portuguese where none is named."""
    return pb.TranslationConfig(target_languages=targets or ("pt",), **fields)


async def translate(
    channel: aio.Channel,
    content: str | list[str] | pb.SubtitleDocument,
    settings: pb.TranslationConfig,
    timeout: float = WAIT_S,
) -> pb.TranslateTextResponse:
    """Call TranslateText."""
    request = pb.TranslateTextRequest(config=settings)
    if isinstance(content, str):
        request.text = content
    elif isinstance(content, list):
        request.texts.texts.extend(content)
    else:
        request.subtitles.CopyFrom(content)
    return await stub(channel).TranslateText(request, timeout=timeout)


async def fails(call: Any) -> Failure:
    """Await a call that fails; returns how."""
    try:
        await call
    except aio.AioRpcError as error:
        return Failure.of(error)
    raise AssertionError("the call went well")


class Interpreting:
    """One StreamingTranslate call, message by message."""

    def __init__(self, channel: aio.Channel, settings: pb.TranslationConfig, **call: Any) -> None:
        self.call: Any = stub(channel).StreamingTranslate(**call)
        self.events: list[pb.StreamingTranslateResponse] = []
        self._settings = settings

    async def __aenter__(self) -> "Interpreting":
        await self.send(config=self._settings)
        return self

    async def __aexit__(self, *_: object) -> None:
        self.call.cancel()

    async def send(self, **payload: Any) -> bool:
        """Send one message."""
        message = pb.StreamingTranslateRequest(**payload)
        return await send(self.call, message.SerializeToString())

    async def text(self, text: str) -> None:
        """Send text."""
        await self.send(text={"text": text})

    async def audio(self, data: bytes, piece: int = 3200) -> None:
        """Send audio in pieces."""
        for at in range(0, len(data), piece):
            if not await self.send(audio={"data": data[at : at + piece]}):
                return

    async def read(self) -> pb.StreamingTranslateResponse | None:
        """The next event; None at the end."""
        async with asyncio.timeout(WAIT_S):
            event: Any = await self.call.read()
            if event is aio.EOF and await self.call.code() is not grpc.StatusCode.OK:
                raise await rpc_error(self.call)
        if event is aio.EOF:
            return None
        self.events.append(event)
        return event

    async def until(self, kind: str) -> Any:
        """Read up to the next event of that kind; returns its message."""
        while (event := await self.read()) is not None:
            if event.WhichOneof("event") == kind:
                return getattr(event, kind)
        raise AssertionError(f"no {kind} among {self.kinds()}")

    async def end(self) -> list[pb.StreamingTranslateResponse]:
        """End the input and read everything."""
        await self.send(end_of_input={})
        while await self.read() is not None:
            pass
        return self.events

    async def fails(self) -> Failure:
        """Read until the stream fails; returns how."""
        try:
            while await self.read() is not None:
                pass
        except aio.AioRpcError as error:
            return Failure.of(error)
        raise AssertionError(f"the stream ended well: {self.kinds()}")

    def kinds(self) -> list[str | None]:
        """What came so far."""
        return [event.WhichOneof("event") for event in self.events]

    def translations(self, kind: int = 2) -> list[tuple[int, str, str]]:
        """Segment, language and text of those of that kind (2: FINAL)."""
        found = [e.translation for e in self.events if e.HasField("translation")]
        return [(t.segment_id, t.language, t.text) for t in found if t.kind == kind]

    def messages(self, kind: str) -> list[Any]:
        """Messages of that kind so far."""
        return [getattr(e, kind) for e in self.events if e.WhichOneof("event") == kind]
