"""How calls of every service are taken: admitted, bounded, and streams pumped."""

from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

from google.protobuf.message import Message
from grpc import aio

from speech_service.calls.admission import Admission
from speech_service.calls.live_load import LiveAsk
from speech_service.config.tree import ServerConfig, StreamConfig
from speech_service.edge.metadata import call_of
from speech_service.edge.stream import Opener, StreamPump

Request = TypeVar("Request", bound=Message)
Response = TypeVar("Response")
Event = TypeVar("Event")


@dataclass(frozen=True, slots=True)
class Serving:
    """The doorkeeper, and the limits of messages and of streams."""

    admission: Admission
    server: ServerConfig
    stream: StreamConfig

    async def run(
        self,
        opener: Opener[Request, Event, Response],
        requests: AsyncIterator[Request],
        context: aio.ServicerContext[Any, Any],
        live: Sequence[LiveAsk] = (),
    ) -> AsyncIterator[Response]:
        """Admit a stream and serve it to its end.

        Args:
            opener: opens it by its first message.
            requests: its messages.
            context: of the call.
            live: one of these it will ask for, where that is known before its first message.

        Raises:
            SpeechError: it is not admitted, or failed.
        """
        call = call_of(context)
        pump = StreamPump(opener, self.stream, call)
        with self.admission.stream(pump):
            self.admission.expect_live(call, live)
            async for response in pump.run(requests, context):
                yield response
