"""VoiceService: which voices there are. Making one needs a model that none of the loaded ones is."""

from typing import Any

from google.protobuf.timestamp_pb2 import Timestamp
from grpc import aio

from speech.v1 import voice_service_pb2 as pb
from speech.v1 import voice_service_pb2_grpc
from speech_service.calls.model_catalog import MAX_SHOWN_CHARACTERS, ModelCatalog
from speech_service.calls.requests.voice_prompt import VoiceRecordings, checked_description
from speech_service.calls.voices.catalog import ListedVoice, VoiceCatalog
from speech_service.calls.voices.files import VOICE_ID, MadeVoice
from speech_service.calls.voices.tenants import VoicesByTenant
from speech_service.domain.call import new_id
from speech_service.domain.errors import (
    InvalidFieldError,
    PreconditionError,
    ResourceExistsError,
    ResourceNotFoundError,
    UnsupportedOptionError,
)
from speech_service.domain.models import Capability, ModelCapabilities, ModelKind
from speech_service.domain.synthesis import Voice, VoiceGender, VoiceKind
from speech_service.edge.fields import limit_exceeded
from speech_service.edge.metadata import call_of
from speech_service.edge.serving import Serving
from speech_service.edge.v1 import common as convert
from speech_service.edge.v1.field_bounds import MAX_NAME_CHARACTERS
from speech_service.edge.v1.synthesis.config import recorded_voice

ServicerContext = aio.ServicerContext[Any, Any]

MAX_PAGE = 1000
_DEFAULT_PAGE = 100
_MAX_TEXT_CHARACTERS = 500
_MAX_LANGUAGES = 100
_KINDS = {
    VoiceKind.BUILT_IN: pb.VOICE_KIND_BUILT_IN,
    VoiceKind.CLONED: pb.VOICE_KIND_CLONED,
    VoiceKind.DESIGNED: pb.VOICE_KIND_DESIGNED,
}
_GENDERS = {
    VoiceGender.FEMALE: pb.VOICE_GENDER_FEMALE,
    VoiceGender.MALE: pb.VOICE_GENDER_MALE,
    VoiceGender.NEUTRAL: pb.VOICE_GENDER_NEUTRAL,
}


class VoiceServicer(voice_service_pb2_grpc.VoiceServiceServicer):
    """speech.v1.VoiceService."""

    def __init__(
        self,
        catalog: ModelCatalog,
        serving: Serving,
        voices: VoicesByTenant,
        recordings: VoiceRecordings,
    ) -> None:
        self._catalog = catalog
        self._serving = serving
        self._voices = voices
        self._recordings = recordings

    async def ListVoices(  # noqa: N802 - the name on the wire
        self, request: pb.ListVoicesRequest, context: ServicerContext
    ) -> pb.ListVoicesResponse:
        """Voices by language, model and kind, sorted by id."""
        voices = self._of(context)
        if request.kind not in pb.VoiceKind.values():
            allowed = convert.names(pb.VoiceKind.keys(), "VOICE_KIND_")
            raise InvalidFieldError("kind", "is unknown", allowed)
        if request.page_size > MAX_PAGE:
            raise InvalidFieldError("page_size", f"is {request.page_size}", f"at most {MAX_PAGE}")
        if request.model:
            self._catalog.find(request.model, ModelKind.SYNTHESIZER)
        await voices.refresh()
        found = [listed for listed in voices.voices if _matches(listed, request)]
        ids = [listed.voice.voice_id for listed in found]
        first = 0
        if request.page_token:
            if request.page_token not in ids:
                raise InvalidFieldError("page_token", "is none of this list", "next_page_token")
            first = ids.index(request.page_token)
        last = first + (request.page_size or _DEFAULT_PAGE)
        return pb.ListVoicesResponse(
            voices=[_message(listed) for listed in found[first:last]],
            next_page_token=ids[last] if last < len(ids) else "",
        )

    async def GetVoice(  # noqa: N802 - the name on the wire
        self, request: pb.GetVoiceRequest, context: ServicerContext
    ) -> pb.GetVoiceResponse:
        """One voice by id or alias."""
        voices = self._of(context)
        _present(request.voice_id)
        await voices.refresh()
        return pb.GetVoiceResponse(voice=_message(voices.get(request.voice_id)))

    async def CreateVoice(  # noqa: N802 - the name on the wire
        self, request: pb.CreateVoiceRequest, context: ServicerContext
    ) -> pb.CreateVoiceResponse:
        """Keep what a voice is made from. Its model makes it with the first text that it speaks."""
        call, voices = call_of(context), self._of(context)
        with self._serving.unary(call):
            await voices.refresh()
            self._check_new(request, voices)
            prompt, design = None, ""
            match request.WhichOneof("source"):
                case "prompt":
                    recorded = recorded_voice(request.prompt, "prompt")
                    prompt = await self._recordings.read(recorded, "prompt", call.principal.tenant)
                    model = voices.maker(Capability.VOICE_CLONING, request.model, "prompt")
                case "design":
                    design = checked_description(request.design.description)
                    model = voices.maker(Capability.VOICE_DESIGN, request.model, "design")
                case _:
                    raise InvalidFieldError("source", "is not set", "prompt, design")
            made = MadeVoice(_new_voice(request, model), prompt, design)
            await voices.store.add(made)
            return pb.CreateVoiceResponse(voice=_message(voices.get(made.voice.voice_id)))

    async def DeleteVoice(  # noqa: N802 - the name on the wire
        self, request: pb.DeleteVoiceRequest, context: ServicerContext
    ) -> pb.DeleteVoiceResponse:
        """What was made can be deleted; built-in voices stay. A stream that speaks with it goes on to its end."""
        voices = self._of(context)
        _present(request.voice_id)
        await voices.refresh()
        voice = voices.get(request.voice_id).voice
        if voice.voice_id != request.voice_id:
            hint = f"It is an alias of {voice.voice_id}."
            raise ResourceNotFoundError("voice", request.voice_id[:MAX_SHOWN_CHARACTERS], hint)
        if voices.made(voice.voice_id) is not None:
            await voices.store.remove(voice.voice_id)
            return pb.DeleteVoiceResponse()
        message = f"voice {voice.voice_id} comes with its model and stays; "
        message += "only voices that CreateVoice made with a Qwen3-TTS model can be deleted"
        raise PreconditionError("voice_id", message, reason="VOICE_BUILT_IN")

    def _of(self, context: ServicerContext) -> VoiceCatalog:
        """The voices that the caller's tenant sees."""
        return self._voices.of(call_of(context).principal.tenant)

    def _check_new(self, request: pb.CreateVoiceRequest, voices: VoiceCatalog) -> None:
        """All of a request but what the voice is made from."""
        voice_id = request.voice_id
        if voice_id and not VOICE_ID.fullmatch(voice_id):
            raise InvalidFieldError("voice_id", "is malformed", "1 to 64 of a-z 0-9 - _")
        taken = {listed.voice.voice_id for listed in voices.voices}
        if voice_id in taken or voice_id in voices.aliases:
            raise ResourceExistsError("voice", voice_id)
        if request.model:
            self._catalog.find(request.model, ModelKind.SYNTHESIZER)
        for name in ("display_name", "description"):
            if len(getattr(request, name)) > _MAX_TEXT_CHARACTERS:
                raise limit_exceeded(name, "max_characters", _MAX_TEXT_CHARACTERS)
        if len(request.languages) > _MAX_LANGUAGES:
            raise limit_exceeded("languages", "max_languages", _MAX_LANGUAGES)


def _new_voice(request: pb.CreateVoiceRequest, model: ModelCapabilities) -> Voice:
    """The voice that a request describes.

    Raises:
        UnsupportedOptionError: the model does not speak one of its languages.
    """
    for index, code in enumerate(request.languages):
        if not _speaks(code, model.languages):
            problem = f"model {model.name} does not speak {code[:MAX_SHOWN_CHARACTERS]!r}"
            raise UnsupportedOptionError(f"languages[{index}]", problem, sorted(model.languages))
    voice_id = request.voice_id or f"voice-{new_id()[:12]}"
    cloned = request.WhichOneof("source") == "prompt"
    return Voice(
        voice_id=voice_id,
        display_name=request.display_name or voice_id,
        model=model.name,
        languages=tuple(request.languages) or model.languages,
        gender=VoiceGender.NEUTRAL,
        sample_rate_hz=model.sample_rate_hz,
        description=request.description,
        kind=VoiceKind.CLONED if cloned else VoiceKind.DESIGNED,
    )


def _present(voice_id: str) -> None:
    if not voice_id:
        raise InvalidFieldError("voice_id", "is empty", "a voice of ListVoices")


def _matches(listed: ListedVoice, request: pb.ListVoicesRequest) -> bool:
    voice = listed.voice
    return (
        (not request.language or _speaks(request.language, voice.languages))
        and (not request.model or request.model in listed.models)
        and request.kind in (pb.VOICE_KIND_UNSPECIFIED, _KINDS[voice.kind])
    )


def _speaks(code: str, languages: tuple[str, ...]) -> bool:
    """``en`` finds every English; ``en-GB`` finds that, and voices of plain ``en``."""
    wanted = code[: MAX_NAME_CHARACTERS + 1].lower()
    primary = wanted.split("-")[0]
    spoken = [language.lower() for language in languages]
    if wanted == primary:
        return any(language.split("-")[0] == primary for language in spoken)
    return wanted in spoken or primary in spoken


def _message(listed: ListedVoice) -> pb.Voice:
    voice = listed.voice
    created = None
    if listed.made_at_s is not None:
        created = Timestamp()
        created.FromMilliseconds(round(listed.made_at_s * 1000))
    return pb.Voice(
        create_time=created,
        voice_id=voice.voice_id,
        display_name=voice.display_name,
        kind=_KINDS[voice.kind],
        languages=sorted(voice.languages),
        gender=_GENDERS[voice.gender],
        sample_rate_hz=voice.sample_rate_hz,
        licence=voice.licence,
        models=listed.models,
        aliases=listed.aliases,
        description=voice.description,
    )
