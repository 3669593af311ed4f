"""Scripted synthesis, alignment, translation and voices, for tests of the client and the command line.

Each answer tells what was asked, so that a test sees both in one value.
"""

import struct
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import grpc
import grpc.aio

from speech.v1 import alignment_service_pb2 as align_pb
from speech.v1 import (
    alignment_service_pb2_grpc,
    audio_pb2,
    model_service_pb2_grpc,
    synthesis_service_pb2_grpc,
    translation_service_pb2_grpc,
    voice_service_pb2_grpc,
)
from speech.v1 import common_pb2 as common
from speech.v1 import model_service_pb2 as models_pb
from speech.v1 import synthesis_service_pb2 as speech_pb
from speech.v1 import translation_service_pb2 as translate_pb
from speech.v1 import voice_service_pb2 as voice_pb
from tests.integration.scripted_server import Context, abort

Before = Callable[[Any, Context], Awaitable[None]]

STARTED = common.SessionStarted(session_id="s1", model="scripted")
ENDED = common.SessionEnded(usage=common.Usage(audio_out_ms=700, characters_in=5))
VOICES = [
    voice_pb.Voice(
        voice_id=f"v{number}",
        display_name=f"Voice {number}",
        kind=voice_pb.VOICE_KIND_BUILT_IN,
        languages=["en-US"],
        gender=voice_pb.VOICE_GENDER_FEMALE,
        sample_rate_hz=24000,
        licence="MIT",
        models=["scripted"],
        aliases=["alloy"] if number == 0 else [],
    )
    for number in range(3)
]


def streamed_wav(seconds: float = 0.5, rate: int = 8000) -> bytes:
    """A WAV file whose header does not know its length."""
    fmt = struct.pack("<4sIHHIIHH", b"fmt ", 16, 1, 1, rate, rate * 2, 2, 16)
    unknown = struct.pack("<I", 0xFFFF_FFFF)
    samples = (b"\x00\x20" * 4 + b"\x00\xe0" * 4) * int(seconds * rate / 8)
    return b"RIFF" + unknown + b"WAVE" + fmt + b"data" + unknown + samples


async def nothing(request: Any, context: Context) -> None:
    """Do nothing before the usual answer."""


async def _payloads(context: Context, seen: list[Any]) -> AsyncIterator[Any]:
    while (message := await context.read()) is not grpc.aio.EOF:
        seen.append(message)
        yield message


@dataclass
class Speech(
    synthesis_service_pb2_grpc.SynthesisServiceServicer,
    alignment_service_pb2_grpc.AlignmentServiceServicer,
    translation_service_pb2_grpc.TranslationServiceServicer,
    voice_service_pb2_grpc.VoiceServiceServicer,
    model_service_pb2_grpc.ModelServiceServicer,
):
    """What the server saw; ``before`` runs ahead of each answer and may abort."""

    before: Before = nothing
    target: str = ""
    requests: list[Any] = field(default_factory=list)
    cancelled: int = 0

    async def _see(self, request: Any, context: Context) -> None:
        self.requests.append(request)
        await self.before(request, context)

    async def Synthesize(
        self, request: speech_pb.SynthesizeRequest, context: Context
    ) -> speech_pb.SynthesizeResponse:
        await self._see(request, context)
        word = speech_pb.SynthesisTiming(text=request.text, char_end=2, start_ms=10, end_ms=500)
        return speech_pb.SynthesizeResponse(
            audio=streamed_wav(),
            output=audio_pb2.SynthesisOutput(
                encoding=request.config.output.encoding or 1,  # pyright: ignore[reportArgumentType]
                sample_rate_hz=8000,
            ),
            duration_ms=500,
            timings=[word],
            model="scripted",
            voice_id="v0",
            cached=True,
            warnings=[common.Warning(reason="ADVICE", message="speak up")],
        )

    async def SynthesizeChunked(
        self, request: speech_pb.SynthesizeChunkedRequest, context: Context
    ) -> AsyncIterator[speech_pb.SynthesizeChunkedResponse]:
        await self._see(request, context)
        response = speech_pb.SynthesizeChunkedResponse
        context.add_done_callback(self._count_cancelled)  # pyright: ignore[reportArgumentType]
        yield response(session_started=STARTED, effective_config=request.config)
        wav = streamed_wav()
        for number, at in enumerate(range(0, len(wav), 3000)):
            audio = speech_pb.SynthesisAudio(
                sequence=number, data=wav[at : at + 3000], start_ms=number * 100, duration_ms=100
            )
            yield response(audio=audio)
        word = speech_pb.SynthesisTiming(text="Hi", char_end=2, start_ms=10, end_ms=500)
        yield response(timings=speech_pb.SynthesisTimings(timings=[word]))
        if request.text != "break off":
            yield response(session_ended=ENDED)

    def _count_cancelled(self, call: Any) -> None:
        self.cancelled += call.cancelled()

    async def StreamingSynthesize(self, request_iterator: object, context: Context) -> None:
        response = speech_pb.StreamingSynthesizeResponse
        texts: dict[str, str] = {}
        async for message in _payloads(context, self.requests):
            match message.WhichOneof("payload"):
                case "config":
                    await self.before(message, context)
                    await context.write(response(session_started=STARTED))
                case "text":
                    piece = message.text
                    texts[piece.context_id] = texts.get(piece.context_id, "") + piece.text
                case "flush":
                    name = message.flush.context_id
                    audio = speech_pb.SynthesisAudio(
                        context_id=name, data=texts.pop(name, "").encode(), duration_ms=7
                    )
                    await context.write(response(audio=audio))
                    ack = common.ControlAck(
                        control_id=message.flush.control_id,
                        kind=common.CONTROL_KIND_FLUSH,
                        context_id=name,
                    )
                    await context.write(response(control_ack=ack))
                    ended = speech_pb.ContextEnded(
                        context_id=name, outcome=speech_pb.CONTEXT_OUTCOME_DONE
                    )
                    await context.write(response(context_ended=ended))
                case "cancel":
                    ack = common.ControlAck(
                        control_id=message.cancel.control_id, kind=common.CONTROL_KIND_CANCEL
                    )
                    await context.write(response(control_ack=ack))
                    error = speech_pb.ContextError(
                        code=3, reason="TEXT_TOO_LONG", message="no", metadata={"limit": "7"}
                    )
                    ended = speech_pb.ContextEnded(
                        context_id=message.cancel.context_id,
                        outcome=speech_pb.CONTEXT_OUTCOME_FAILED,
                        error=error,
                    )
                    await context.write(response(context_ended=ended))
                case _:
                    pass
        await context.write(response(session_ended=ENDED))

    async def Align(
        self, request: align_pb.AlignRequest, context: Context
    ) -> align_pb.AlignResponse:
        await self._see(request, context)
        words = _units(request.text)
        reply = align_pb.AlignResponse(units=words[:-1], duration_ms=900, model="scripted")
        if words:
            last = words[-1]
            reply.unaligned_spans.add(
                char_start=last.char_start,
                char_end=last.char_end,
                start_ms=800,
                end_ms=900,
                reason=align_pb.UNALIGNED_REASON_TEXT_NOT_SPOKEN,
            )
        if request.config.HasField("subtitles"):
            reply.subtitles.text = "1\n00:00:00,000 --> 00:00:01,000\nHi\n\n"
        return reply

    async def StreamingAlign(self, request_iterator: object, context: Context) -> None:
        response = align_pb.StreamingAlignResponse
        text, sent = "", 0
        async for message in _payloads(context, self.requests):
            match message.WhichOneof("payload"):
                case "config":
                    await self.before(message, context)
                    await context.write(response(session_started=STARTED))
                case "text":
                    text += message.text.text
                case "finalize":
                    units = align_pb.AlignedUnits(units=_units(text)[sent:])
                    sent = len(_units(text))
                    await context.write(response(aligned_units=units))
                    ack = common.ControlAck(
                        control_id=message.finalize.control_id, kind=common.CONTROL_KIND_FINALIZE
                    )
                    await context.write(response(control_ack=ack))
                case _:
                    pass
        span = align_pb.UnalignedSpan(char_end=1, reason=align_pb.UNALIGNED_REASON_NOT_SPEAKABLE)
        await context.write(response(unaligned_span=span))
        await context.write(response(session_ended=ENDED))

    async def TranslateText(
        self, request: translate_pb.TranslateTextRequest, context: Context
    ) -> translate_pb.TranslateTextResponse:
        await self._see(request, context)
        reply = translate_pb.TranslateTextResponse(model="scripted")
        for language in request.config.target_languages:
            if request.HasField("subtitles"):
                subtitles = common.Subtitles(
                    format=request.subtitles.format, text=request.subtitles.text.upper()
                )
                reply.subtitles.add(language=language, subtitles=subtitles)
        for index, text in enumerate(request.texts.texts or [request.text] * bool(request.text)):
            for language in request.config.target_languages:
                reply.translations.append(_translation(index, language, text))
        return reply

    async def TranslateSpeech(
        self, request: translate_pb.TranslateSpeechRequest, context: Context
    ) -> translate_pb.TranslateSpeechResponse:
        await self._see(request, context)
        reply = translate_pb.TranslateSpeechResponse(model="scripted")
        reply.source_results.add(
            segment_id=1, kind=common.RESULT_KIND_FINAL, text=f"{len(request.audio)} bytes"
        )
        for language in request.config.target_languages:
            reply.translations.append(_translation(1, language, reply.source_results[0].text))
            reply.audio.add(language=language, audio=b"spoken", duration_ms=6)
        if request.config.HasField("subtitles"):
            for language in ("en", *request.config.target_languages):
                reply.subtitles.add(language=language, subtitles=common.Subtitles(text=language))
        return reply

    async def StreamingTranslate(self, request_iterator: object, context: Context) -> None:
        response = translate_pb.StreamingTranslateResponse
        target, text, segment, heard = "", "", 1, 0
        async for message in _payloads(context, self.requests):
            match message.WhichOneof("payload"):
                case "config":
                    await self.before(message, context)
                    target = message.config.target_languages[0]
                    await context.write(response(session_started=STARTED))
                case "text":
                    text += message.text.text
                case "audio":
                    heard += len(message.audio.data)
                case "finalize":
                    done = _translation(segment, target, text)
                    await context.write(response(translation=done))
                    piece = translate_pb.TranslationAudio(
                        segment_id=segment, language=target, data=b"pcm", duration_ms=3
                    )
                    await context.write(response(audio=piece))
                    ack = common.ControlAck(
                        control_id=message.finalize.control_id,
                        kind=common.CONTROL_KIND_FINALIZE,
                        last_final_segment=segment,
                    )
                    await context.write(response(control_ack=ack))
                    text, segment = "", segment + 1
                case _:
                    pass
        if heard > 1:
            done = _translation(segment, target, f"{heard} bytes")
            await context.write(response(translation=done))
        await context.write(response(session_ended=ENDED))

    async def ListVoices(
        self, request: voice_pb.ListVoicesRequest, context: Context
    ) -> voice_pb.ListVoicesResponse:
        await self._see(voice_pb.ListVoicesRequest.FromString(request.SerializeToString()), context)
        at = int(request.page_token or 0)
        token = str(at + 2) if at + 2 < len(VOICES) else ""
        return voice_pb.ListVoicesResponse(voices=VOICES[at : at + 2], next_page_token=token)

    async def GetVoice(
        self, request: voice_pb.GetVoiceRequest, context: Context
    ) -> voice_pb.GetVoiceResponse:
        await self._see(request, context)
        if request.voice_id not in ("v0", "alloy"):
            await abort(context, grpc.StatusCode.NOT_FOUND, "VOICE_NOT_FOUND", "no such voice")
        return voice_pb.GetVoiceResponse(voice=VOICES[0])

    async def CreateVoice(
        self, request: voice_pb.CreateVoiceRequest, context: Context
    ) -> voice_pb.CreateVoiceResponse:
        await self._see(request, context)
        made = voice_pb.Voice(voice_id=request.voice_id, kind=voice_pb.VOICE_KIND_CLONED)
        made.create_time.FromSeconds(1_700_000_000)
        return voice_pb.CreateVoiceResponse(voice=made)

    async def DeleteVoice(
        self, request: voice_pb.DeleteVoiceRequest, context: Context
    ) -> voice_pb.DeleteVoiceResponse:
        await self._see(request, context)
        return voice_pb.DeleteVoiceResponse()

    async def ListModels(
        self, request: models_pb.ListModelsRequest, context: Context
    ) -> models_pb.ListModelsResponse:
        hear = models_pb.Model(
            name="ear", kind=models_pb.MODEL_KIND_RECOGNIZER, languages=["en"], is_default=True
        )
        turn = models_pb.Model(
            name="turn", kind=models_pb.MODEL_KIND_TRANSLATOR, languages=["en", "pt"]
        )
        return models_pb.ListModelsResponse(models=[hear, turn])

    async def GetModel(
        self, request: models_pb.GetModelRequest, context: Context
    ) -> models_pb.GetModelResponse:
        return models_pb.GetModelResponse()


def _units(text: str) -> list[align_pb.AlignedUnit]:
    units: list[align_pb.AlignedUnit] = []
    at = 0
    for index, word in enumerate(text.split()):
        at = text.index(word, at)
        units.append(
            align_pb.AlignedUnit(
                text=word,
                granularity=align_pb.ALIGNMENT_GRANULARITY_WORD,
                char_start=at,
                char_end=at + len(word),
                start_ms=index * 100,
                end_ms=index * 100 + 90,
                monotonic=True,
                confidence=0.5,
            )
        )
        at += len(word)
    return units


def _translation(index: int, language: str, text: str) -> translate_pb.Translation:
    return translate_pb.Translation(
        segment_id=index,
        language=language,
        kind=common.RESULT_KIND_FINAL,
        text=f"{language}:{text}",
        source_language="en",
    )


@asynccontextmanager
async def serve_speech(before: Before = nothing) -> AsyncIterator[Speech]:
    """Run the scripted services on this event loop."""
    speech = Speech(before)
    server = grpc.aio.server(options=[("grpc.max_receive_message_length", 17 << 20)])
    synthesis_service_pb2_grpc.add_SynthesisServiceServicer_to_server(speech, server)
    alignment_service_pb2_grpc.add_AlignmentServiceServicer_to_server(speech, server)
    translation_service_pb2_grpc.add_TranslationServiceServicer_to_server(speech, server)
    voice_service_pb2_grpc.add_VoiceServiceServicer_to_server(speech, server)
    model_service_pb2_grpc.add_ModelServiceServicer_to_server(speech, server)
    speech.target = f"127.0.0.1:{server.add_insecure_port('127.0.0.1:0')}"
    await server.start()
    try:
        yield speech
    finally:
        await server.stop(0)
