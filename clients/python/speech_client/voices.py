"""Voices: which there are, and making and deleting of own ones."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Literal

import grpc.aio

from speech.v1 import voice_service_pb2 as pb
from speech.v1.voice_service_pb2_grpc import VoiceServiceStub
from speech_client.calls import Connection
from speech_client.channel import CallOptions, RetryPolicy
from speech_client.reconnect import ReconnectPolicy
from speech_client.speech_options import VoiceDescription, VoiceSample, voice_prompt

VoiceKindName = Literal["", "built_in", "cloned", "designed"]


@dataclass(frozen=True, slots=True)
class Voice:
    """A voice.

    Attributes:
        id: id to use as ``voice=``.
        name: name for people.
        kind: "built_in", "cloned", "designed".
        languages: BCP-47 codes that it speaks.
        gender: how it is likely to be heard: "female", "male", "neutral", "" unknown.
        sample_rate_hz: its own rate.
        licence: SPDX identifier or name of its licence; empty for the client's own.
        models: names of the models that speak it.
        aliases: other ids that mean this voice.
        description: a sentence for people.
        created: when it was made; None for a built-in voice.
    """

    id: str
    name: str
    kind: str
    languages: tuple[str, ...]
    gender: str
    sample_rate_hz: int
    licence: str
    models: tuple[str, ...]
    aliases: tuple[str, ...]
    description: str
    created: datetime | None = None
    raw: pb.Voice | None = field(default=None, repr=False, compare=False)


class VoiceMethods(Connection):
    """The methods of ``SpeechClient`` that keep voices."""

    def __init__(
        self,
        channel: grpc.aio.Channel,
        call: CallOptions,
        retry: RetryPolicy,
        reconnect: ReconnectPolicy,
    ) -> None:
        super().__init__(channel, call, retry, reconnect)
        self._voices = VoiceServiceStub(channel)

    async def list_voices(
        self,
        language: str = "",
        *,
        model: str = "",
        kind: VoiceKindName = "",
        call: CallOptions | None = None,
    ) -> tuple[Voice, ...]:
        """All voices, sorted by id; pages are fetched until the last.

        Args:
            language: only voices of this BCP-47 code; "": any.
            model: only voices of this model; "": any.
            kind: only voices of this kind; "": any.
            call: metadata and deadline of each call.

        Raises:
            SpeechApiError: a call did not succeed.
        """
        request = pb.ListVoicesRequest(language=language, model=model)
        if kind:
            request.kind = pb.VoiceKind.Value(f"VOICE_KIND_{kind.upper()}")
        found: list[Voice] = []
        while True:
            reply = await self._unary(self._voices.ListVoices, request, pb.ListVoicesResponse, call)
            found += [voice_from_proto(voice) for voice in reply.voices]
            if not reply.next_page_token:
                return tuple(found)
            request.page_token = reply.next_page_token

    async def get_voice(self, voice_id: str, *, call: CallOptions | None = None) -> Voice:
        """One voice, by id or alias. Raises NotFoundError when the server has none of that name."""
        request = pb.GetVoiceRequest(voice_id=voice_id)
        reply = await self._unary(self._voices.GetVoice, request, pb.GetVoiceResponse, call)
        return voice_from_proto(reply.voice)

    async def create_voice(
        self,
        source: VoiceSample | VoiceDescription,
        *,
        voice_id: str = "",
        name: str = "",
        model: str = "",
        languages: Iterable[str] = (),
        description: str = "",
        call: CallOptions | None = None,
    ) -> Voice:
        """Clone or design a voice and keep it on the server. Never retried.

        Args:
            source: a recording to copy, or a description.
            voice_id: wanted id: 1 to 64 of a-z, 0-9, "-" and "_"; "": the server chooses.
            name: name for people; "": the id.
            model: model that is to speak it; "": the server's default that can.
            languages: BCP-47 codes that it will speak; none: the model's.
            description: a sentence for people.
            call: metadata and deadline of this call.

        Raises:
            PreconditionError: no loaded model can make voices; the message names what could.
            SpeechApiError: the call did not succeed.
        """
        request = pb.CreateVoiceRequest(
            voice_id=voice_id,
            display_name=name,
            model=model,
            languages=list(languages),
            description=description,
        )
        if isinstance(source, VoiceSample):
            request.prompt.CopyFrom(voice_prompt(source))
        else:
            request.design.description = source.text
        reply = await self._unary(self._voices.CreateVoice, request, pb.CreateVoiceResponse, call)
        return voice_from_proto(reply.voice)

    async def delete_voice(self, voice_id: str, *, call: CallOptions | None = None) -> None:
        """Delete a voice that ``create_voice`` made. Raises PreconditionError for a built-in one. Never retried."""
        request = pb.DeleteVoiceRequest(voice_id=voice_id)
        await self._unary(self._voices.DeleteVoice, request, pb.DeleteVoiceResponse, call)


def voice_from_proto(raw: pb.Voice) -> Voice:
    """One voice. A value of an enum that this version does not know becomes its number."""
    return Voice(
        id=raw.voice_id,
        name=raw.display_name,
        kind=_name("VOICE_KIND_", pb.VoiceKind.items(), raw.kind),
        languages=tuple(raw.languages),
        gender=_name("VOICE_GENDER_", pb.VoiceGender.items(), raw.gender),
        sample_rate_hz=raw.sample_rate_hz,
        licence=raw.licence,
        models=tuple(raw.models),
        aliases=tuple(raw.aliases),
        description=raw.description,
        created=raw.create_time.ToDatetime(UTC) if raw.HasField("create_time") else None,
        raw=raw,
    )


def _name(prefix: str, items: Iterable[tuple[str, int]], value: int) -> str:
    if not value:
        return ""
    return next(
        (n.removeprefix(prefix).lower() for n, number in items if number == value), str(value)
    )
