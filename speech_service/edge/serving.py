"""How calls of every service are taken: admitted, bounded, and streams pumped."""

from collections.abc import AsyncIterator, Generator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, TypeVar

from google.protobuf.message import Message
from grpc import aio

from speech_service.calls.admission import Admission
from speech_service.calls.live_load import LiveAsk
from speech_service.calls.quotas import Metered, Quotas
from speech_service.calls.resume_tokens import ResumeTokens
from speech_service.config.tree import ServerConfig, StreamConfig
from speech_service.domain.call import Call
from speech_service.edge.metadata import call_of
from speech_service.edge.stream import Opener, StreamPump

Request = TypeVar("Request", bound=Message)
Response = TypeVar("Response")
Event = TypeVar("Event")


_CHARGED: Mapping[str, Metered] = {
    "speech.v1.RecognitionService": Metered.AUDIO,
    "speech.v1.AlignmentService": Metered.AUDIO,
    "speech.v1.SynthesisService": Metered.CHARACTERS,
    "speech.v1.TranslationService": Metered.AUDIO | Metered.CHARACTERS,
}
"""What the calls of a service need some of: a tenant that has used up its characters can still be heard."""


@dataclass(frozen=True, slots=True)
class Serving:
    """The doorkeeper, what each tenant may use, the limits of messages and of streams, and what streams resume with."""

    admission: Admission
    quotas: Quotas
    server: ServerConfig
    stream: StreamConfig
    tokens: ResumeTokens

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
        with self.quotas.stream(call, _charged(call)) as meter:
            pump = StreamPump(opener, self.stream, call, meter)
            with self.admission.stream(pump):
                self.admission.expect_live(call, live)
                async for response in pump.run(requests, context):
                    yield response

    @contextmanager
    def unary(self, call: Call) -> Generator[None]:
        """Admit a unary call for as long as the block runs.

        Raises:
            SpeechError: it is not admitted.
        """
        with self.quotas.unary(call, _charged(call)), self.admission.unary():
            yield


def _charged(call: Call) -> Metered:
    return _CHARGED.get(call.service, Metered.NOTHING)
