"""SynthesisConfig: every field is honoured, refused by name or, leniently, warned of."""

from dataclasses import replace
from typing import Any

import pytest
from google.protobuf.field_mask_pb2 import FieldMask

from speech.v1 import audio_pb2
from speech.v1 import synthesis_service_pb2 as pb
from speech_service.calls.audio.source import AudioInput
from speech_service.calls.model_catalog import ModelCatalog
from speech_service.calls.requests.synthesis import (
    SynthesisRequest,
    SynthesisRequests,
    WantedSynthesis,
)
from speech_service.calls.requests.voice_prompt import VoiceRecordings
from speech_service.calls.speech.audio_cache import VoicePromptCache
from speech_service.calls.voices.catalog import VoiceCatalog
from speech_service.calls.voices.files import MadeVoice
from speech_service.calls.voices.store import MadeVoices
from speech_service.calls.voices.tenants import VoicesByTenant
from speech_service.config.tree import DecoderConfig, SynthesisConfig
from speech_service.domain.call import Call
from speech_service.domain.errors import (
    InvalidFieldError,
    PreconditionError,
    ResourceNotFoundError,
    UnsupportedOptionError,
)
from speech_service.domain.models import Capability, ModelCapabilities, ModelKind
from speech_service.domain.synthesis import (
    LexiconEntry,
    OutputEncoding,
    OutputFormat,
    Segmentation,
    Voice,
    VoiceGender,
)
from speech_service.edge.v1.synthesis import results as convert_speech
from speech_service.edge.v1.synthesis.config import (
    FIELDS,
    UPDATE_FIELDS,
    recorded_voice,
    updated,
    wanted,
)
from speech_service.media.decode.pool import DecoderPool


def voice(name: str, model: str, *languages: str) -> Voice:
    return Voice(name, name, model, languages, VoiceGender.NEUTRAL, 22_050)


POOR = ModelCapabilities(
    "poor",
    ModelKind.SYNTHESIZER,
    ("en",),
    22_050,
    60_000,
    voices=(voice("one", "poor", "en-US"), voice("two", "poor", "en-GB")),
    absent_voices=("far",),
)
RICH = ModelCapabilities(
    "rich",
    ModelKind.SYNTHESIZER,
    ("en", "ja"),
    22_050,
    60_000,
    frozenset(Capability),
    voices=(voice("poly", "rich", "en", "ja"),),
)
MUTE = ModelCapabilities("mute", ModelKind.SYNTHESIZER, ("en",), 22_050, 60_000)
CATALOG = ModelCatalog([POOR, RICH, MUTE])
DEFAULTS = SynthesisConfig(default_voice="two")


def requests(
    catalog: ModelCatalog = CATALOG,
    config: SynthesisConfig = DEFAULTS,
    made: MadeVoices | None = None,
) -> SynthesisRequests:
    nothing: Any = None  # no recording is read here
    return SynthesisRequests(
        catalog, VoicesByTenant(catalog, config, lambda _: made or MadeVoices(0)), nothing
    )


REQUESTS = requests()
CALL = Call("speech.v1.SynthesisService", "Synthesize", "unary", "r")


def convert(**fields: Any) -> SynthesisRequest:
    with FIELDS.named():
        return REQUESTS.check(wanted(pb.SynthesisConfig(**fields), CALL))


def test_defaults() -> None:
    request = convert()
    options = request.options
    assert (options.model, options.voice, options.language) == ("poor", "two", "en-GB")
    assert options.output == OutputFormat(OutputEncoding.PCM_S16LE, 22_050)
    assert (options.speaking_rate, options.tempo, options.gain_db) == (1.0, 1.0, 0.0)
    assert options.segmentation is Segmentation.SENTENCE
    assert (options.seed, options.lexicon, options.word_timings) == (0, (), False)
    assert request.warnings == ()


async def test_a_voice_that_is_made_and_deleted_is_known_as_long_as_it_is_there() -> None:
    made = MadeVoices(1)
    asked, wish = requests(made=made), WantedSynthesis(voice_id="mine")
    voice = Voice("mine", "Mine", "rich", ("en-GB",), VoiceGender.NEUTRAL, 24_000)
    for design in ("deep", "high"):
        with pytest.raises(ResourceNotFoundError):
            asked.check(wish)
        await made.add(MadeVoice(voice, design=design))
        assert asked.check(wish).options.instruct == design
        await made.remove("mine")


def test_the_pace_is_the_encoders_where_the_model_has_none() -> None:
    options = convert(speaking_rate=1.5).options
    assert (options.speaking_rate, options.tempo) == (1.0, 1.5)
    options = convert(model="rich", speaking_rate=1.5).options
    assert (options.speaking_rate, options.tempo) == (1.5, 1.0)


def test_everything_set() -> None:
    options = convert(
        model="rich",
        language="ja",
        output={"encoding": 5, "sample_rate_hz": 16_000, "bit_rate_bps": 32_000},
        gain_db=-3.0,
        lexicon=[{"term": "a", "pronunciation": "b", "alphabet": 1}],
        seed=7,
        segmentation=4,
        timing=2,
        pitch_semitones=2.0,
        style_instruction="sad",
    ).options
    assert options.language == "ja"
    assert options.output == OutputFormat(OutputEncoding.MP3, 16_000, False, 32_000)
    assert options.lexicon == (LexiconEntry("a", "b", "ipa"),)
    assert (options.seed, options.gain_db, options.word_timings) == (7, -3.0, True)
    assert options.segmentation is Segmentation.MANUAL


@pytest.mark.parametrize(
    ("code", "found"),
    [("en-us", "en-US"), ("en", "en"), ("en-AU", "en-US"), ("", "en-US")],
)
def test_languages(code: str, found: str) -> None:
    assert convert(voice_id="one", language=code).options.language == found
    assert convert(model="rich").options.language == ""


OPTIONS: list[tuple[dict[str, Any], str]] = [
    ({"seed": 1}, "config.seed"),
    ({"timing": 2}, "config.timing"),
    ({"timing": 3}, "config.timing"),
    ({"lexicon": [{"term": "a", "pronunciation": "b"}]}, "config.lexicon"),
    ({"pitch_semitones": -1.0}, "config.pitch_semitones"),
    ({"style_instruction": "x"}, "config.style_instruction"),
    ({"language": "ja"}, "config.language"),
]


@pytest.mark.parametrize(("fields", "path"), OPTIONS, ids=[p for _, p in OPTIONS])
def test_what_the_model_lacks(fields: dict[str, Any], path: str) -> None:
    with pytest.raises(InvalidFieldError) as caught:
        convert(**fields)
    assert (caught.value.field, caught.value.reason) == (path, "UNSUPPORTED_OPTION")
    request = convert(option_handling=2, **fields)
    assert [FIELDS.path(w.option) for w in request.warnings] == [path]
    assert replace(request.options) == convert().options


WRONG: list[tuple[dict[str, Any], str]] = [
    ({"seed": 2**63}, "config.seed"),
    ({"lexicon": [{"pronunciation": "b"}]}, "config.lexicon[0].term"),
    ({"gain_db": -41.0}, "config.gain_db"),
    ({"speaking_rate": 2.01}, "config.speaking_rate"),
    ({"output": {"encoding": 5, "sample_rate_hz": 9_000}}, "config.output.sample_rate_hz"),
    ({"output": {"bit_rate_bps": 0}}, "config.output.bit_rate_bps"),
    ({"output": {"encoding": 6, "bit_rate_bps": 1}}, "config.output.bit_rate_bps"),
]


@pytest.mark.parametrize(("fields", "path"), WRONG, ids=[p for _, p in WRONG])
def test_what_is_wrong_is_wrong_leniently_too(fields: dict[str, Any], path: str) -> None:
    for handling in (0, 1, 2):
        with pytest.raises(InvalidFieldError) as caught:
            convert(model="rich", option_handling=handling, **fields)
        assert caught.value.message.startswith(f"{path}: ")


def test_lexicon_limits() -> None:
    entry = {"term": "a", "pronunciation": "b"}
    with pytest.raises(InvalidFieldError):
        convert(model="rich", lexicon=[entry] * 1_001)
    with pytest.raises(InvalidFieldError):
        convert(model="rich", lexicon=[{"term": "a" * 201, "pronunciation": "b"}])


def test_voices() -> None:
    assert convert(voice_id="one").options.voice == "one"
    assert convert(voice_id="alloy").options.voice == "two"
    assert convert(model="rich", voice_id="alloy").options.voice == "poly"
    with pytest.raises(InvalidFieldError, match="downloaded"):
        convert(voice_id="far")
    with pytest.raises(InvalidFieldError, match="no voice of model"):
        convert(voice_id="poly")
    with pytest.raises(ResourceNotFoundError, match="one, two"):
        convert(voice_id="nobody")
    with pytest.raises(PreconditionError, match="has no voice"):
        convert(model="mute")


def test_aliases_are_listed_with_what_they_mean() -> None:
    config = SynthesisConfig(aliases={"narrator": "poly", "plain": "", "one": "two", "lost": "x"})
    voices = VoiceCatalog(CATALOG, config)
    listed = {v.voice.voice_id: v.aliases for v in voices.voices}
    assert listed == {"one": ("plain",), "poly": ("narrator",), "two": ()}
    assert voices.get("narrator").voice.voice_id == "poly"
    assert voices.get("one").voice.voice_id == "one"
    with pytest.raises(ResourceNotFoundError):
        voices.get("lost")
    with pytest.raises(ResourceNotFoundError):
        voices.resolve("lost", POOR)
    with pytest.raises(UnsupportedOptionError):
        voices.resolve("narrator", POOR)
    assert voices.check() == ("aliases.lost", "x")
    assert VoiceCatalog(CATALOG, SynthesisConfig(default_voice="q")).check() == (
        "default_voice",
        "q",
    )
    assert VoiceCatalog(CATALOG, SynthesisConfig()).check() is None


def update(current: pb.SynthesisConfig, *paths: str, **fields: Any) -> pb.SynthesisConfig:
    message = pb.UpdateSynthesisConfig(
        config=pb.SynthesisConfig(**fields), update_mask=FieldMask(paths=paths)
    )
    return updated(current, message)


def test_an_update_clears_what_its_message_lacks() -> None:
    def given(**output: Any) -> pb.SynthesisConfig:
        return pb.SynthesisConfig(voice_id="one", output=audio_pb2.SynthesisOutput(**output))

    current = given(sample_rate_hz=8_000, bit_rate_bps=64_000)
    assert update(current, "output.sample_rate_hz") == given(bit_rate_bps=64_000)
    assert update(current, "voice_id", "output") == pb.SynthesisConfig()
    assert update(current, "design.description") == current


def test_update() -> None:
    current = pb.SynthesisConfig(speaking_rate=1.5, gain_db=2.0)
    config = update(current, "voice_id", "speaking_rate", voice_id="one", gain_db=9.0)
    options = REQUESTS.check(wanted(config, CALL)).options
    assert (options.voice, options.tempo, options.gain_db) == ("one", 1.0, 2.0)
    assert not current.voice_id
    with pytest.raises(PreconditionError):
        update(current, "model", model="rich")
    for paths in ((), ("x",), ("output.x",)):
        with pytest.raises(InvalidFieldError) as caught:
            update(current, *paths)
        assert caught.value.field == "update_config.update_mask"
    config = update(current, "gain_db", gain_db=99.0)
    with pytest.raises(InvalidFieldError) as caught, UPDATE_FIELDS.named():
        REQUESTS.check(wanted(config, CALL, "update_config.config"))
    assert caught.value.field == "update_config.config.gain_db"


UNKNOWN: list[tuple[dict[str, Any], str]] = [
    ({"option_handling": 9}, "config.option_handling"),
    ({"segmentation": 9}, "config.segmentation"),
    ({"timing": 9}, "config.timing"),
    ({"output": {"encoding": 99}}, "config.output.encoding"),
    (
        {"lexicon": [{"term": "a", "pronunciation": "b", "alphabet": 9}]},
        "config.lexicon[0].alphabet",
    ),
]


@pytest.mark.parametrize(("fields", "path"), UNKNOWN, ids=[p for _, p in UNKNOWN])
def test_values_that_nobody_knows(fields: dict[str, Any], path: str) -> None:
    with pytest.raises(InvalidFieldError) as caught:
        convert(model="rich", **fields)
    assert caught.value.field == path
    assert caught.value.allowed
    assert "UNSPECIFIED" not in caught.value.allowed


def test_the_effective_configuration_asks_for_the_same() -> None:
    request = convert(
        model="rich",
        language="ja",
        output={"encoding": 5, "trim_silence": True},
        speaking_rate=1.25,
        gain_db=-3.0,
        lexicon=[{"term": "a", "pronunciation": "b", "alphabet": 2}],
        seed=7,
        segmentation=2,
        timing=2,
    )
    effective = convert_speech.effective_config(request)
    assert effective.output.bit_rate_bps == 64_000
    again = REQUESTS.check(wanted(effective, CALL))
    output = replace(request.options.output, bit_rate_bps=64_000)
    assert again.options == replace(request.options, output=output)


def test_word_timings_come_from_the_model_or_from_an_aligner_of_the_language() -> None:
    hears = ModelCapabilities("hears", ModelKind.ALIGNER, ("en",), 16_000, 60_000)
    plain = replace(RICH, name="plain", capabilities=frozenset[Capability]())
    asked_for = requests(ModelCatalog([RICH, plain, hears]), SynthesisConfig())

    def asked(**fields: Any) -> SynthesisRequest:
        return asked_for.check(WantedSynthesis(timing=Capability.WORD_TIMINGS, **fields))

    for model, language, aligner in (("rich", "ja", ""), ("plain", "en", "hears")):
        options = asked(model=model, language=language).options
        assert (options.word_timings, options.aligner) == (True, aligner)
    with pytest.raises(UnsupportedOptionError, match=r"timing.*no aligner for 'ja'"):
        asked(model="plain", language="ja")
    lenient = asked(model="plain", language="ja", lenient=True)
    assert [warning.option for warning in lenient.warnings] == ["timing"]
    assert (lenient.options.word_timings, lenient.options.aligner) == (False, "")


async def test_a_recording_without_a_format_is_refused_when_it_is_read() -> None:
    recorded = recorded_voice(pb.VoicePrompt(audio=b"x"), "config.inline_prompt")
    recordings = VoiceRecordings(AudioInput(DecoderPool(), DecoderConfig()), VoicePromptCache(0))
    with pytest.raises(InvalidFieldError) as caught:
        await recordings.read(recorded, "inline_prompt", "")
    assert caught.value.field == "config.inline_prompt.format"
