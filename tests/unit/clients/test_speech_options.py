"""How options of synthesis, alignment and translation become messages."""

from speech.v1 import audio_pb2, common_pb2
from speech.v1 import synthesis_service_pb2 as pb
from speech.v1.alignment_service_pb2 import ALIGNMENT_GRANULARITY_CHARACTER, AlignmentConfig
from speech.v1.translation_service_pb2 import TranslationConfig
from speech_client import (
    Container,
    ContextOutcome,
    Pacing,
    Pronunciation,
    SynthesizeOptions,
    VoiceDescription,
    VoiceSample,
    build_synthesis_config,
)
from speech_client.align import align_event, build_alignment_config
from speech_client.options import build_config
from speech_client.synthesize import ContextEnded, synthesize_event
from speech_client.translate_options import (
    build_speech_translation_config,
    build_stream_translation_config,
    build_translation_config,
)


def test_no_options_make_an_empty_message() -> None:
    assert build_synthesis_config({}) == pb.SynthesisConfig()
    assert build_translation_config("pt", {}) == TranslationConfig(target_languages=["pt"])


def test_synthesis_options() -> None:
    options = SynthesizeOptions(
        model="m",
        voice="v",
        style="whisper",
        language="en",
        encoding="ogg_opus",
        sample_rate_hz=48000,
        trim_silence=True,
        bit_rate_bps=32000,
        speaking_rate=1.5,
        gain_db=-3.0,
        pitch_semitones=2.0,
        lexicon={"GIF": "jif", "tomato": Pronunciation("t ah m ey t ow", "arpabet")},
        seed=7,
        segmentation="manual",
        timing="character",
        lenient=True,
    )
    config = build_synthesis_config(options)
    assert config == pb.SynthesisConfig(
        model="m",
        voice_id="v",
        style_instruction="whisper",
        language="en",
        output=audio_pb2.SynthesisOutput(
            encoding=audio_pb2.OUTPUT_ENCODING_OGG_OPUS,
            sample_rate_hz=48000,
            trim_silence=True,
            bit_rate_bps=32000,
        ),
        speaking_rate=1.5,
        gain_db=-3.0,
        pitch_semitones=2.0,
        lexicon=[
            pb.LexiconEntry(term="GIF", pronunciation="jif"),
            pb.LexiconEntry(
                term="tomato",
                pronunciation="t ah m ey t ow",
                alphabet=pb.PHONETIC_ALPHABET_ARPABET,
            ),
        ],
        seed=7,
        segmentation=pb.SEGMENTATION_MANUAL,
        timing=pb.TIMING_CHARACTER,
        option_handling=common_pb2.OPTION_HANDLING_LENIENT,
    )


def test_voices_to_make() -> None:
    design = build_synthesis_config({"voice": VoiceDescription("calm")})
    assert design.design.description == "calm"
    sample = VoiceSample(b"x", "said", Container("wav"), timbre_only=True)
    prompt = build_synthesis_config({"voice": sample}).inline_prompt
    assert prompt.format.container == audio_pb2.AUDIO_CONTAINER_WAV
    assert (prompt.audio, prompt.transcript) == (b"x", "said")
    assert prompt.speaker_embedding_only


def test_a_raw_config_is_merged_into() -> None:
    raw = pb.SynthesisConfig(model="m", seed=1)
    config = build_synthesis_config({"raw_config": raw, "seed": 2})
    assert (config.model, config.seed) == ("m", 2)
    assert raw.seed == 1
    aligned = build_alignment_config({"raw_config": AlignmentConfig(model="m"), "language": "pt"})
    assert (aligned.model, aligned.language) == ("m", "pt")
    translated = build_translation_config(
        ["pt", "fr"], {"raw_config": TranslationConfig(context="c"), "model": "m"}
    )
    assert (translated.context, translated.model) == ("c", "m")
    assert list(translated.target_languages) == ["pt", "fr"]


def test_alignment_options() -> None:
    config = build_alignment_config(
        {"granularity": "character", "subtitles": "vtt", "lenient": True}, Pacing.FILE
    )
    assert config.granularity == ALIGNMENT_GRANULARITY_CHARACTER
    assert config.subtitles.format == common_pb2.SUBTITLE_FORMAT_VTT
    assert config.option_handling == common_pb2.OPTION_HANDLING_LENIENT
    assert config.pacing == common_pb2.PACING_FILE
    assert config.audio.HasField("auto_detect")


def test_translation_options() -> None:
    config = build_translation_config(
        "pt",
        {
            "source_language": "en",
            "glossary": {"cat": "gato"},
            "keep_terms": ["Porto"],
            "context": "pets",
            "lenient": True,
        },
    )
    assert (config.source_language, config.context) == ("en", "pets")
    first, second = config.glossary
    assert (first.source, first.target, first.do_not_translate) == ("cat", "gato", False)
    assert (second.source, second.target, second.do_not_translate) == ("Porto", "", True)
    assert config.option_handling == common_pb2.OPTION_HANDLING_LENIENT


def test_translation_of_speech_always_recognizes_and_a_stream_only_where_asked() -> None:
    unary = build_speech_translation_config("pt", {"subtitles": "srt"})
    assert unary.recognition.audio.HasField("auto_detect")
    assert unary.subtitles.format == common_pb2.SUBTITLE_FORMAT_SRT
    text = build_stream_translation_config("pt", {"synthesis": {"voice": "v"}}, Pacing.REALTIME)
    assert not text.HasField("recognition")
    assert text.synthesis.voice_id == "v"
    speech = build_stream_translation_config("pt", {"recognition": {}}, Pacing.FILE)
    assert speech.recognition.pacing == common_pb2.PACING_FILE


def test_subtitle_mode_of_recognition() -> None:
    config = build_config({"subtitles": "srt", "subtitle_mode": "accurate"})
    assert config.subtitles.format == common_pb2.SUBTITLE_FORMAT_SRT
    assert config.subtitles.mode == common_pb2.SUBTITLE_MODE_ACCURATE


def test_a_context_that_failed_in_an_unknown_way() -> None:
    error = pb.ContextError(code=99, message="odd")
    event = synthesize_event(
        pb.StreamingSynthesizeResponse(
            context_ended=pb.ContextEnded(
                context_id="c", outcome=pb.CONTEXT_OUTCOME_FAILED, error=error
            )
        )
    )
    assert isinstance(event, ContextEnded)
    assert event.outcome is ContextOutcome.FAILED
    assert event.error is not None
    assert str(event.error) == "UNKNOWN: odd"


def test_events_of_a_newer_server_are_skipped() -> None:
    from speech.v1.alignment_service_pb2 import StreamingAlignResponse

    assert synthesize_event(pb.StreamingSynthesizeResponse()) is None
    assert align_event(StreamingAlignResponse()) is None
