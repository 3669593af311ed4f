"""``SpeechClient``: one connection to a server, and a method for each thing it does."""

import asyncio
from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from types import TracebackType
from typing import Self, Unpack

import grpc.aio

from speech.v1.model_service_pb2 import (
    GetModelRequest,
    GetModelResponse,
    ListModelsRequest,
    ListModelsResponse,
)
from speech.v1.model_service_pb2_grpc import ModelServiceStub
from speech.v1.recognition_service_pb2 import RecognizeRequest, RecognizeResponse
from speech.v1.recognition_service_pb2_grpc import RecognitionServiceStub
from speech_client import errors, health, sources
from speech_client.align import AlignmentMethods
from speech_client.calls import decoded_errors, whole_audio
from speech_client.channel import CallOptions, RetryPolicy, TlsOptions, open_channel
from speech_client.credentials import Token, with_credentials
from speech_client.models import Model, kind_to_proto, model_from_proto
from speech_client.options import Pacing, RecognizeOptions, build_config
from speech_client.recognize import RecognizeStream
from speech_client.reconnect import ReconnectPolicy
from speech_client.results import Transcript, transcript_from_proto
from speech_client.sending import sending
from speech_client.synthesize import SynthesisMethods
from speech_client.translate import TranslationMethods
from speech_client.voices import VoiceMethods


class SpeechClient(SynthesisMethods, AlignmentMethods, TranslationMethods, VoiceMethods):
    """A connection to one server; open it with ``connect``, use it in ``async with``.

    Safe to share between tasks of one event loop. Every call raises ``SpeechApiError`` when it does not succeed.
    """

    def __init__(
        self,
        channel: grpc.aio.Channel,
        call: CallOptions,
        retry: RetryPolicy,
        reconnect: ReconnectPolicy,
    ) -> None:
        super().__init__(channel, call, retry, reconnect)
        self._recognition = RecognitionServiceStub(channel)
        self._models = ModelServiceStub(channel)

    @classmethod
    def connect(
        cls,
        target: str,
        *,
        tls: TlsOptions | None = None,
        call: CallOptions | None = None,
        retry: RetryPolicy | None = None,
        reconnect: ReconnectPolicy | None = None,
        api_key: str = "",
        token: Token = "",
    ) -> Self:
        """Make a client; the connection is opened by the first call.

        Args:
            target: ``host:port`` or any gRPC name.
            tls: None: plaintext.
            call: metadata and deadline of every call that is not given its own.
            retry: tries of unary calls, and of opening a stream.
            reconnect: how a stream goes on that lost its connection; ``NEVER``: it does not.
            api_key: key that goes with every call; without TLS everybody between can read it.
            token: token that does, in place of a key; a function is asked for it with each call.

        Raises:
            OSError: a TLS file cannot be read.
            ValueError: both a key and a token are given.
        """
        policy = retry or RetryPolicy()
        channel = with_credentials(open_channel(target, tls, policy), api_key, token)
        return cls(channel, call or CallOptions(), policy, reconnect or ReconnectPolicy())

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await self.close()

    async def close(self) -> None:
        """Close the connection; calls that still run are cancelled."""
        await self._channel.close()

    async def recognize(
        self,
        audio: str | Path | bytes,
        *,
        call: CallOptions | None = None,
        **options: Unpack[RecognizeOptions],
    ) -> Transcript:
        """Recognize one whole piece of audio.

        Args:
            audio: a path, or the bytes; at most 16 MiB. Longer audio is streamed (``stream_file``).
            call: metadata and deadline of this call.
            options: see ``RecognizeOptions``.

        Raises:
            AudioSourceError: the file cannot be read, is empty, or is too large for one request.
            SpeechApiError: the call did not succeed.
        """
        data = await whole_audio(audio, "use stream_file")
        request = RecognizeRequest(config=build_config(options), audio=data)
        reply = await self._unary(self._recognition.Recognize, request, RecognizeResponse, call)
        return transcript_from_proto(reply)

    def stream_recognize(
        self,
        *,
        pacing: Pacing = Pacing.REALTIME,
        call: CallOptions | None = None,
        **options: Unpack[RecognizeOptions],
    ) -> RecognizeStream:
        """Make a recognition session; it opens on entering ``async with``.

        Args:
            pacing: REALTIME: latency first; FILE: throughput first, and the server slows the sender.
            call: metadata and deadline of this call; a deadline covers the whole stream.
            options: see ``RecognizeOptions``.
        """

        opener = self._opener(self._recognition.StreamingRecognize)
        config = build_config(options, pacing)
        return RecognizeStream(opener, config, call or self._call, self._retry, self._reconnect)

    @asynccontextmanager
    async def stream_file(
        self,
        audio: sources.AudioInput,
        *,
        pacing: Pacing = Pacing.FILE,
        on_sent: Callable[[int, int | None], None] | None = None,
        call: CallOptions | None = None,
        **options: Unpack[RecognizeOptions],
    ) -> AsyncGenerator[RecognizeStream, None]:
        """Open a session and send a whole recording to it in the background; iterate for the events.

        Args:
            audio: a path, bytes, or pieces as they come. Containers are sent as they are and detected by the server.
            pacing: FILE: as fast as the server reads. REALTIME: as it is spoken, which only WAV and headerless audio
                (``format=RawAudio(...)``) can be, since the client holds no decoder; PCM WAV is then sent headerless.
            on_sent: told the bytes sent so far and in all (None: unknown) after each piece.
            call: metadata and deadline of this call.
            options: see ``RecognizeOptions``.

        Raises:
            AudioSourceError: the audio cannot be read, is empty, or cannot be paced.
            SpeechApiError: opening failed; iterating raises what happens later.
        """
        source = await asyncio.to_thread(sources.open_source, audio, options.get("format"), pacing)
        options["format"] = source.format
        async with (
            self.stream_recognize(pacing=pacing, call=call, **options) as stream,
            sending(stream, source, stream.end_audio, on_sent),
        ):
            yield stream

    async def list_models(
        self, kind: str = "", language: str = "", *, call: CallOptions | None = None
    ) -> tuple[Model, ...]:
        """The server's models, sorted by kind and name.

        Args:
            kind: only "recognizer", "synthesizer", "aligner" or "translator"; "": any.
            language: only models of this BCP-47 code; "": any.
            call: metadata and deadline of this call.

        Raises:
            ValueError: unknown kind.
            SpeechApiError: the call did not succeed.
        """
        request = ListModelsRequest(kind=kind_to_proto(kind), language=language)
        reply = await self._unary(self._models.ListModels, request, ListModelsResponse, call)
        return tuple(model_from_proto(model) for model in reply.models)

    async def get_model(self, name: str, *, call: CallOptions | None = None) -> Model:
        """One model. Raises NotFoundError when the server has none of that name."""
        request = GetModelRequest(name=name)
        reply = await self._unary(self._models.GetModel, request, GetModelResponse, call)
        return model_from_proto(reply.model)

    async def check_health(
        self, service: str = "", *, timeout_s: float = 5.0
    ) -> health.HealthStatus:
        """Ask whether a service answers; "" asks for the server as a whole.

        A service that the server does not know gives SERVICE_UNKNOWN; SpeechApiError is raised when nobody answers.
        """
        own = self._call.with_request_id()
        check = self._channel.unary_unary(
            health.CHECK_METHOD,
            request_serializer=health.encode_request,
            response_deserializer=health.decode_response,
        )
        try:
            with decoded_errors(own):
                return await check(service, timeout=timeout_s, metadata=own.headers())
        except errors.NotFoundError:
            return health.HealthStatus.SERVICE_UNKNOWN
