"""How translations are spoken: what is wrong with a voice is told in terms of the translation."""

from typing import Any

import pytest

from speech_service.calls.audio.source import AudioInput
from speech_service.calls.model_catalog import ModelCatalog
from speech_service.calls.requests.synthesis import SynthesisRequests, WantedOutput, WantedSynthesis
from speech_service.calls.requests.translation import (
    TranslationRequest,
    TranslationRequests,
    WantedTranslation,
)
from speech_service.calls.requests.voice_prompt import RecordedVoice, VoiceRecordings
from speech_service.calls.speech.audio_cache import VoicePromptCache
from speech_service.calls.voices.store import MadeVoices
from speech_service.calls.voices.tenants import VoicesByTenant
from speech_service.config.tree import DecoderConfig, SynthesisConfig, TranslationConfig
from speech_service.domain.audio import AudioEncoding, RawFormat
from speech_service.domain.errors import InvalidOptionError, PreconditionError
from speech_service.domain.models import Capability, ModelCapabilities, ModelKind
from speech_service.domain.synthesis import Voice, VoiceGender
from speech_service.media.decode.pool import DecoderPool

VOICE = Voice("ana", "Ana", "says", ("pt-BR", "de"), VoiceGender.NEUTRAL, 24_000)
SAYS = ModelCapabilities(
    "says", ModelKind.SYNTHESIZER, ("pt-BR", "de"), 24_000, 60_000, voices=(VOICE,)
)
ANY = ModelCapabilities(
    "any", ModelKind.TRANSLATOR, (), 0, 0, frozenset({Capability.ANY_LANGUAGE_PAIR})
)
CATALOG = ModelCatalog([SAYS, ANY])


async def asked(*targets: str, **synthesis: Any) -> TranslationRequest:
    audio = AudioInput(DecoderPool(), DecoderConfig())
    recordings = VoiceRecordings(audio, VoicePromptCache(0))
    speaking = SynthesisRequests(
        CATALOG, VoicesByTenant(CATALOG, SynthesisConfig(), lambda _: MadeVoices(0)), recordings
    )
    requests = TranslationRequests(CATALOG, TranslationConfig(), speaking)
    wish = WantedSynthesis(**synthesis) if synthesis else None
    wanted = WantedTranslation(source_language="en", target_languages=targets, synthesis=wish)
    return await requests.with_speech(requests.check(wanted))


async def test_each_target_is_spoken_in_its_own_language() -> None:
    request = await asked("pt-BR", "de", voice_id="ana")
    spoken = {target: each.options.language for target, each in request.spoken.items()}
    assert spoken == {"pt-BR": "pt-BR", "de": "de"}
    assert not (await asked("fr")).spoken


RAW = RawFormat(AudioEncoding.PCM_S16LE, 16_000, 1)
WRONG: list[tuple[tuple[str, ...], dict[str, Any], str]] = [
    (("de", "fr"), {"voice_id": "ana"}, "target_languages[1]"),
    (("de",), {"language": "pt"}, "synthesis.language"),
    (("de",), {"gain_db": 99.0}, "synthesis.gain_db"),
    (("de",), {"output": WantedOutput(sample_rate_hz=1)}, "synthesis.output.sample_rate_hz"),
    (("de",), {"recording": RecordedVoice(RAW, b"", "said")}, "synthesis.inline_prompt.audio"),
    (("de",), {"recording": RecordedVoice(RAW, b"ab", " ")}, "synthesis.inline_prompt.transcript"),
    (("de",), {"design": " "}, "synthesis.design.description"),
]


@pytest.mark.parametrize(("targets", "synthesis", "option"), WRONG, ids=[o for _, _, o in WRONG])
async def test_what_is_wrong_with_a_voice_is_told_of_the_translation(
    targets: tuple[str, ...], synthesis: dict[str, Any], option: str
) -> None:
    with pytest.raises(InvalidOptionError) as caught:
        await asked(*targets, **synthesis)
    assert caught.value.option == option
    assert caught.value.message.startswith(f"{option}: ")


async def test_a_voice_that_no_model_makes_is_told_of_the_translation() -> None:
    with pytest.raises(PreconditionError) as caught:
        await asked("de", design="a deep voice")
    assert (caught.value.subject, caught.value.reason) == (
        "synthesis.design",
        "NO_MODEL_FOR_VOICE",
    )
