"""How calls of every service are taken: admitted, bounded, and streams pumped."""

from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any, TypeVar

from google.protobuf.message import Message
from grpc import aio

from speech_service.calls.admission import Admission
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
    ) -> AsyncIterator[Response]:
        """Admit a stream and serve it to its end.

        Raises:
            SpeechError: it is not admitted, or failed.
        """
        pump = StreamPump(opener, self.stream, call_of(context))
        with self.admission.stream(pump):
            async for response in pump.run(requests, context):
                yield response
