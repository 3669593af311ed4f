"""AlignmentConfig and SubtitleConfig: what is taken, filled in, refused by name, or warned of."""

from typing import Any

import pytest
from google.protobuf.duration_pb2 import Duration

from speech.v1 import alignment_service_pb2 as pb
from speech.v1 import audio_pb2, common_pb2
from speech_service.calls.model_catalog import ModelCatalog
from speech_service.calls.requests.alignment import (
    MAX_TEXT_CHARACTERS,
    AlignmentRequest,
    AlignmentRequests,
    checked_text,
)
from speech_service.domain.alignment import AlignedUnit, Granularity, UnalignedReason, UnalignedSpan
from speech_service.domain.errors import (
    InvalidOptionError,
    PreconditionError,
    UnsupportedOptionError,
)
from speech_service.domain.models import Capability, ModelCapabilities, ModelKind
from speech_service.domain.recognition import Pacing
from speech_service.domain.transcript import ResultKind, TranscriptResult, Word
from speech_service.edge.v1 import subtitles as convert_subtitles
from speech_service.edge.v1.alignment import config as convert_alignment
from speech_service.text.subtitles.rules import SubtitleRules


def aligner(name: str, *languages: str, rich: bool = True) -> ModelCapabilities:
    able = {Capability.ALIGN_WORDS} | ({Capability.ALIGN_PHONES} if rich else set())
    return ModelCapabilities(
        name, ModelKind.ALIGNER, languages, 16_000, 20_000, capabilities=frozenset(able)
    )


CATALOG = ModelCatalog([aligner("poor", "en", rich=False), aligner("rich", "en", "zh")])


def convert(text: str = "", *, streaming: bool = False, **fields: Any) -> AlignmentRequest:
    raw = audio_pb2.RawAudio(encoding=1, sample_rate_hz=16_000)  # pyright: ignore[reportArgumentType] - a number is fine on the wire
    message = pb.AlignmentConfig(audio=audio_pb2.AudioFormat(raw=raw), **fields)
    asked = convert_alignment.wanted(message, streaming=streaming)
    return AlignmentRequests(CATALOG).check(asked, streaming=streaming, text=text)


@pytest.mark.parametrize(
    ("fields", "model", "language"),
    [
        ({}, "poor", "en"),
        ({"language": "en-GB"}, "poor", "en"),
        ({"language": "cmn-Hans"}, "rich", "zh"),
        ({"text": "你好世界"}, "rich", "zh"),
        ({"text": "Latin letters tell nothing"}, "poor", "en"),
        ({"model": "rich", "language": "en"}, "rich", "en"),
    ],
)
def test_model_and_language(fields: dict[str, Any], model: str, language: str) -> None:
    options = convert(**fields).options
    assert (options.model, options.language) == (model, language)


def test_defaults() -> None:
    assert convert(streaming=True).options.pacing is Pacing.REALTIME
    assert convert().options.granularity is Granularity.WORD
    effective = convert_alignment.effective_config(convert(streaming=True, pacing=2).options)
    assert (effective.model, effective.language) == ("poor", "en")
    assert effective.granularity == pb.ALIGNMENT_GRANULARITY_WORD
    assert effective.pacing == common_pb2.PACING_FILE


def test_what_the_model_lacks_is_refused_or_left_out() -> None:
    phones: dict[str, Any] = {"granularity": pb.ALIGNMENT_GRANULARITY_PHONE}
    with pytest.raises(UnsupportedOptionError) as caught:
        convert(**phones)
    assert caught.value.option == "granularity"
    assert caught.value.metadata["supported"] == "rich"
    request = convert(**phones, option_handling=common_pb2.OPTION_HANDLING_LENIENT)
    assert request.options.granularity is Granularity.WORD
    assert [w.option for w in request.warnings] == ["granularity"]
    assert convert(model="rich", **phones).options.granularity is Granularity.PHONE


def test_a_language_that_nobody_has() -> None:
    wrong: list[dict[str, Any]] = [
        {"language": "pt"},
        {"model": "poor", "language": "zh"},
        {"text": "Привет, мир"},
    ]
    for fields in wrong:
        with pytest.raises(UnsupportedOptionError) as caught:
            convert(**fields)
        assert caught.value.option == "language"
    asked = convert_alignment.wanted(pb.AlignmentConfig(), streaming=False)
    with pytest.raises(PreconditionError):
        AlignmentRequests(ModelCatalog([])).check(asked, streaming=False)


def test_text_has_limits() -> None:
    assert checked_text(" a ") == " a "
    with pytest.raises(InvalidOptionError):
        checked_text("\u3000\n")
    with pytest.raises(InvalidOptionError):
        checked_text("x" * (MAX_TEXT_CHARACTERS + 1))


def test_subtitle_rules_have_the_documented_defaults() -> None:
    asked = convert_subtitles.wish(common_pb2.SubtitleConfig(format=common_pb2.SUBTITLE_FORMAT_SRT))
    assert not asked.accurate
    assert asked.rules == SubtitleRules(42, 2, 1_000, 7_000, 80, 21.0)
    rules = common_pb2.SubtitleRules(
        max_columns=20, max_lines=1, min_gap=Duration(nanos=40_000_000), max_cps=15.5
    )
    config = common_pb2.SubtitleConfig(format=common_pb2.SUBTITLE_FORMAT_VTT, rules=rules)
    asked = convert_subtitles.wish(config)
    assert asked.rules == SubtitleRules(20, 1, 1_000, 7_000, 40, 15.5)


def result(text: str, start_ms: int, end_ms: int, *words: Word) -> TranscriptResult:
    kind = ResultKind.FINAL
    return TranscriptResult(1, 0, 1, kind, text, len(text), start_ms, end_ms, words=words)


def test_accurate_subtitles_follow_the_words() -> None:
    config = common_pb2.SubtitleConfig(format=common_pb2.SUBTITLE_FORMAT_SRT, mode=2)  # pyright: ignore[reportArgumentType] - a number is fine on the wire
    asked = convert_subtitles.wish(config)
    results = [
        result("One.", 0, 4_000, Word("One.", 2_500, 3_000, char_start=0, char_end=4)),
        result("Two words.", 9_000, 12_000),
    ]
    file = convert_subtitles.of_transcript(results, asked, 12_000)
    assert file.cue_count == 2
    assert "00:00:02,500 --> " in file.text
    assert "00:00:09,000 --> " in file.text


def test_words_that_nobody_says_are_in_no_cue() -> None:
    text = "one two three"
    units = [AlignedUnit("one", Granularity.WORD, 0, 3, 100, 400)]
    spans = [UnalignedSpan(4, 13, 400, 900, UnalignedReason.TEXT_NOT_SPOKEN)]
    asked = convert_subtitles.wish(common_pb2.SubtitleConfig(format=common_pb2.SUBTITLE_FORMAT_SRT))
    file = convert_subtitles.of_alignment(text, units, spans, asked, 1_000)
    assert file.cue_count == 1
    assert "two" not in file.text
    assert convert_subtitles.of_alignment(text, [], spans, asked, 1_000).cue_count == 0
