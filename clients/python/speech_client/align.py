"""Alignment: when each part of a known text is spoken."""

import asyncio
from collections.abc import AsyncGenerator, Iterable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal, TypedDict, Unpack

import grpc.aio

from speech.v1 import alignment_service_pb2 as pb
from speech.v1 import audio_pb2, common_pb2
from speech.v1.alignment_service_pb2_grpc import AlignmentServiceStub
from speech_client.align_resume import AlignmentRecovery
from speech_client.aligned import (
    AlignedUnit,
    AlignedUnits,
    UnalignedReason,
    UnalignedSpan,
    UnitKind,
)
from speech_client.calls import Connection, whole_audio
from speech_client.channel import CallOptions, RetryPolicy
from speech_client.events import (
    Latency,
    ServiceWarning,
    StreamEvent,
    Usage,
    latency_from_proto,
    stream_event,
    usage_from_proto,
    warnings_from_proto,
)
from speech_client.option_names import check_options
from speech_client.options import (
    AudioFormat,
    AutoDetect,
    Pacing,
    SubtitleFormat,
    audio_format,
    subtitle_format,
)
from speech_client.part import OpenCall
from speech_client.reconnect import NEVER, ReconnectPolicy
from speech_client.sending import OnSent, sending
from speech_client.session import PendingAck, Session
from speech_client.sources import AudioInput, open_source


class AlignOptions(TypedDict, total=False):
    """Options of alignment; all may be left out.

    Keys:
        model: name as in ``list_models``; "": the server's default for the language.
        format: how to read the bytes; default ``AutoDetect()``.
        language: BCP-47 code of the text; default: the server finds it.
        granularity: size of the units; "phone" gives words and the phones in them; default "word".
        subtitles: asks a unary call for a subtitle file of the text.
        lenient: options that the model lacks are left out with a warning.
        raw_config: escape hatch: a message that the options above are merged into.
    """

    model: str
    format: AudioFormat
    language: str
    granularity: Literal["word", "phone", "character"]
    subtitles: SubtitleFormat
    lenient: bool
    raw_config: pb.AlignmentConfig


AlignEvent = AlignedUnits | UnalignedSpan | StreamEvent
"""What an alignment stream gives."""


@dataclass(frozen=True, slots=True)
class Alignment:
    """Reply to a unary Align.

    Attributes:
        units: what was placed, in the order of the text.
        unaligned: what could not be placed; empty when the alignment is complete.
        subtitles: the whole subtitle file; empty unless asked for.
        duration_ms: length of the audio.
    """

    units: tuple[AlignedUnit, ...]
    unaligned: tuple[UnalignedSpan, ...]
    subtitles: str
    duration_ms: int
    model: str
    usage: Usage
    latency: Latency
    warnings: tuple[ServiceWarning, ...]
    raw: pb.AlignResponse | None = field(default=None, repr=False, compare=False)

    @property
    def words(self) -> tuple[AlignedUnit, ...]:
        """The units that are words."""
        return tuple(unit for unit in self.units if unit.kind is UnitKind.WORD)


class AlignStream(Session[pb.StreamingAlignRequest, AlignEvent]):
    """An alignment session; made by ``SpeechClient.stream_align``, used in ``async with``.

    Text and audio may come in any order, and both may grow. Iterating ends after ``session_ended``.
    """

    def __init__(
        self,
        open_call: OpenCall,
        config: pb.AlignmentConfig,
        call_options: CallOptions,
        retry: RetryPolicy,
        reconnect: ReconnectPolicy = NEVER,
    ) -> None:
        first = pb.StreamingAlignRequest(config=config)
        recovery = AlignmentRecovery(config, reconnect)
        super().__init__(open_call, first, align_event, call_options, retry, reconnect, recovery)

    async def send_text(self, text: str, *, complete: bool = False) -> None:
        """Send a piece of the text, joined to what came before exactly as it is.

        Args:
            text: the piece; may be empty where ``complete`` says the rest.
            complete: the text is complete; audio may go on.
        """
        piece = pb.AlignmentText(text=text, end_of_text=complete)
        await self.send(pb.StreamingAlignRequest(text=piece))

    async def send_audio(self, data: bytes) -> None:
        """Send audio in the declared format, at most 1 MiB; waits while the server does not take more."""
        await self.send(pb.StreamingAlignRequest(audio=audio_pb2.AudioChunk(data=data)))

    async def keep_alive(self) -> None:
        """Restart the server's idle limit; not acknowledged."""
        await self.send(pb.StreamingAlignRequest(keep_alive=common_pb2.KeepAlive()))

    async def finalize(self, control_id: str = "") -> PendingAck:
        """Align what has come so far now. Await the result for the ack."""
        name = control_id or self.new_control_id()
        message = common_pb2.Finalize(control_id=name)
        return await self.send_control(name, pb.StreamingAlignRequest(finalize=message))

    async def end_input(self) -> None:
        """Say that no more text or audio follows: the rest is aligned. May be called twice."""
        await self.finish(pb.StreamingAlignRequest(end_of_input=common_pb2.EndOfInput()))


class AlignmentMethods(Connection):
    """The methods of ``SpeechClient`` that align."""

    def __init__(
        self,
        channel: grpc.aio.Channel,
        call: CallOptions,
        retry: RetryPolicy,
        reconnect: ReconnectPolicy,
    ) -> None:
        super().__init__(channel, call, retry, reconnect)
        self._alignment = AlignmentServiceStub(channel)

    async def align(
        self,
        text: str,
        audio: str | Path | bytes,
        *,
        call: CallOptions | None = None,
        **options: Unpack[AlignOptions],
    ) -> Alignment:
        """Find when each word of a text is spoken in a recording.

        Args:
            text: what is spoken, word for word.
            audio: a path, or the bytes; at most 16 MiB. Longer audio is streamed (``align_file``).
            call: metadata and deadline of this call.
            options: see ``AlignOptions``.

        Raises:
            AudioSourceError: the file cannot be read, is empty, or is too large for one request.
            SpeechApiError: the call did not succeed.
        """
        data = await whole_audio(audio, "use align_file")
        config = build_alignment_config(options)
        request = pb.AlignRequest(config=config, text=text, audio=data)
        reply = await self._unary(self._alignment.Align, request, pb.AlignResponse, call)
        return alignment_from_proto(reply)

    def stream_align(
        self,
        *,
        pacing: Pacing = Pacing.REALTIME,
        call: CallOptions | None = None,
        **options: Unpack[AlignOptions],
    ) -> AlignStream:
        """Make an alignment session; it opens on entering ``async with``.

        Args:
            pacing: REALTIME: latency first; FILE: throughput first.
            call: metadata and deadline of this call; a deadline covers the whole stream.
            options: see ``AlignOptions``.
        """
        opener = self._opener(self._alignment.StreamingAlign)
        config = build_alignment_config(options, pacing)
        return AlignStream(opener, config, call or self._call, self._retry, self._reconnect)

    @asynccontextmanager
    async def align_file(
        self,
        text: str,
        audio: AudioInput,
        *,
        on_sent: OnSent | None = None,
        call: CallOptions | None = None,
        **options: Unpack[AlignOptions],
    ) -> AsyncGenerator[AlignStream, None]:
        """Open a session, send a text and a recording of any length to it; iterate for the events.

        Args:
            text: what is spoken, word for word.
            audio: a path, bytes, or pieces as they come.
            on_sent: told the bytes sent so far and in all (None: unknown) after each piece.
            call: metadata and deadline of this call.
            options: see ``AlignOptions``.

        Raises:
            AudioSourceError: the audio cannot be read, or is empty.
            SpeechApiError: opening failed; iterating raises what happens later.
        """
        source = await asyncio.to_thread(open_source, audio, options.get("format"), Pacing.FILE)
        options["format"] = source.format
        async with self.stream_align(pacing=Pacing.FILE, call=call, **options) as stream:
            await stream.send_text(text, complete=True)
            async with sending(stream, source, stream.end_input, on_sent):
                yield stream


def build_alignment_config(
    options: AlignOptions, pacing: Pacing | None = None
) -> pb.AlignmentConfig:
    """The message that stands for the options; ``pacing`` None on a unary call. Raises: see ``check_options``."""
    check_options(options, AlignOptions)
    config = pb.AlignmentConfig()
    if "raw_config" in options:
        config.CopyFrom(options["raw_config"])
    if "model" in options:
        config.model = options["model"]
    if "language" in options:
        config.language = options["language"]
    if "format" in options or config.audio.WhichOneof("format") is None:
        config.audio.CopyFrom(audio_format(options.get("format", AutoDetect())))
    if "granularity" in options:
        name = f"ALIGNMENT_GRANULARITY_{options['granularity'].upper()}"
        config.granularity = pb.AlignmentGranularity.Value(name)
    if "subtitles" in options:
        config.subtitles.format = subtitle_format(options["subtitles"])
    if options.get("lenient"):
        config.option_handling = common_pb2.OPTION_HANDLING_LENIENT
    if pacing is not None:
        config.pacing = common_pb2.Pacing.Value(f"PACING_{pacing.name}")
    return config


_UNIT_KINDS = {
    pb.ALIGNMENT_GRANULARITY_PHONE: UnitKind.PHONE,
    pb.ALIGNMENT_GRANULARITY_CHARACTER: UnitKind.CHARACTER,
}
_REASONS = {
    pb.UNALIGNED_REASON_TEXT_NOT_SPOKEN: UnalignedReason.TEXT_NOT_SPOKEN,
    pb.UNALIGNED_REASON_AUDIO_NOT_IN_TEXT: UnalignedReason.AUDIO_NOT_IN_TEXT,
    pb.UNALIGNED_REASON_NO_PRONUNCIATION: UnalignedReason.NO_PRONUNCIATION,
    pb.UNALIGNED_REASON_NOT_SPEAKABLE: UnalignedReason.NOT_SPEAKABLE,
}


def alignment_from_proto(raw: pb.AlignResponse) -> Alignment:
    """A unary reply."""
    return Alignment(
        units=_units(raw.units),
        unaligned=tuple(_span(span) for span in raw.unaligned_spans),
        subtitles=raw.subtitles.text,
        duration_ms=raw.duration_ms,
        model=raw.model,
        usage=usage_from_proto(raw.usage),
        latency=latency_from_proto(raw.latency),
        warnings=warnings_from_proto(raw.warnings),
        raw=raw,
    )


def align_event(raw: pb.StreamingAlignResponse) -> AlignEvent | None:
    """A stream's event; None for one that this version does not know."""
    match raw.WhichOneof("event"):
        case "aligned_units":
            return AlignedUnits(_units(raw.aligned_units.units))
        case "unaligned_span":
            return _span(raw.unaligned_span)
        case _:
            return stream_event(raw)


def _units(raw: Iterable[pb.AlignedUnit]) -> tuple[AlignedUnit, ...]:
    return tuple(
        AlignedUnit(
            text=each.text,
            kind=_UNIT_KINDS.get(each.granularity, UnitKind.WORD),
            char_start=each.char_start,
            char_end=each.char_end,
            start_ms=each.start_ms,
            end_ms=each.end_ms,
            monotonic=each.monotonic,
            confidence=each.confidence if each.HasField("confidence") else None,
        )
        for each in raw
    )


def _span(raw: pb.UnalignedSpan) -> UnalignedSpan:
    reason = _REASONS.get(raw.reason, UnalignedReason.UNKNOWN)
    return UnalignedSpan(raw.char_start, raw.char_end, raw.start_ms, raw.end_ms, reason)
