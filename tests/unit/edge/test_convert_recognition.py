"""RecognitionConfig: every field is honoured, refused by name or, leniently, warned of."""

from dataclasses import replace
from typing import Any

import pytest
from google.protobuf.duration_pb2 import Duration

from speech.v1 import common_pb2 as common
from speech.v1 import recognition_service_pb2 as pb
from speech_service.calls.model_catalog import ModelCatalog
from speech_service.calls.requests.recognition import RecognitionRequest, RecognitionRequests
from speech_service.config.tree import RecognitionConfig
from speech_service.domain.errors import (
    InvalidFieldError,
    InvalidOptionError,
    PreconditionError,
    UnsupportedOptionError,
)
from speech_service.domain.models import Capability, ModelCapabilities, ModelKind
from speech_service.domain.recognition import EndpointingMode, Pacing, RecognitionOptions
from speech_service.domain.transcript import EndCause, ResultKind, TranscriptResult
from speech_service.edge.v1.recognition import results as convert_result
from speech_service.edge.v1.recognition.config import updated, wanted
from tests.integration.harness import raw_config

POOR = ModelCapabilities(
    "poor",
    ModelKind.RECOGNIZER,
    ("en",),
    16_000,
    20_000,
    frozenset({Capability.PARTIAL_RESULTS}),
)
RICH = ModelCapabilities(
    "rich",
    ModelKind.RECOGNIZER,
    ("en", "pt", "ja"),
    16_000,
    30_000,
    frozenset(Capability),
    vad_gain_db=6.0,
)
REQUESTS = RecognitionRequests(ModelCatalog([POOR, RICH]), RecognitionConfig())


def ms(value: int) -> Duration:
    return Duration(seconds=value // 1000, nanos=value % 1000 * 1_000_000)


def convert(*, streaming: bool = True, **fields: Any) -> RecognitionRequest:
    asked = wanted(raw_config(**fields), streaming=streaming)
    return REQUESTS.check(asked, streaming=streaming)


def options(**fields: Any) -> RecognitionOptions:
    return convert(**fields).options


def test_defaults_come_from_the_configuration() -> None:
    found = options()
    assert (found.model, found.language, found.context) == ("poor", "en", "")
    assert found.pacing is Pacing.REALTIME
    assert found.partial_results
    assert found.partial_interval_ms == 500
    assert not found.separate_channels
    endpointing = found.endpointing
    assert endpointing.mode is EndpointingMode.VAD
    assert (endpointing.threshold, endpointing.min_speech_ms) == (0.5, 96)
    assert (endpointing.end_silence_ms, endpointing.padding_ms) == (600, 300)
    assert endpointing.max_segment_ms == POOR.max_segment_ms
    assert endpointing.gain_db == 0.0
    assert options(model="rich").endpointing.gain_db == 6.0


def test_a_model_without_partials_sends_none_and_refuses_to_be_asked() -> None:
    mute = replace(POOR, name="mute", capabilities=frozenset[Capability]())
    requests = RecognitionRequests(ModelCatalog([mute]), RecognitionConfig())
    plain = wanted(raw_config(), streaming=True)
    assert not requests.check(plain, streaming=True).options.partial_results
    with pytest.raises(UnsupportedOptionError) as refused:
        requests.check(replace(plain, partial_results=True), streaming=True)
    assert refused.value.option == "partial_results"


def test_every_field_is_taken() -> None:
    found = options(
        model="rich",
        language={"codes": ["pt-BR"], "mode": common.LANGUAGE_MODE_FORCE},
        context={"text": "before", "terms": ["Ada", "Bob"]},
        endpointing={
            "mode": common.ENDPOINTING_MODE_EXTERNAL,
            "threshold": 0.25,
            "min_speech": ms(10),
            "end_silence": ms(1500),
            "max_segment": ms(7000),
            "padding": ms(0),
        },
        partial_results=False,
        partial_interval=ms(250),
        pacing=common.PACING_FILE,
        separate_channels=True,
    )
    assert (found.model, found.language, found.context) == ("rich", "pt", "before\nAda, Bob")
    endpointing = found.endpointing
    assert endpointing.mode is EndpointingMode.EXTERNAL
    assert endpointing.threshold == 0.25
    assert endpointing.release_threshold < 0.25
    assert (endpointing.min_speech_ms, endpointing.end_silence_ms) == (10, 1500)
    assert (endpointing.max_segment_ms, endpointing.padding_ms) == (7000, 0)
    assert endpointing.soft_segment_ms < 7000
    assert not found.partial_results
    assert found.partial_interval_ms == 250
    assert found.pacing is Pacing.FILE
    assert found.separate_channels


def test_unary_is_a_file_without_partials() -> None:
    found = convert(streaming=False, pacing=common.PACING_REALTIME).options
    assert found.pacing is Pacing.FILE
    assert not found.partial_results
    assert not options(pacing=common.PACING_FILE).partial_results


@pytest.mark.parametrize(
    ("mode", "codes", "language"),
    [
        (common.LANGUAGE_MODE_UNSPECIFIED, [], ""),
        (common.LANGUAGE_MODE_UNSPECIFIED, ["ja"], "ja"),
        (common.LANGUAGE_MODE_HINT, [], ""),
        (common.LANGUAGE_MODE_HINT, ["ja"], "ja"),
        (common.LANGUAGE_MODE_HINT, ["ja", "en"], ""),
        (common.LANGUAGE_MODE_ALLOW, ["pt"], "pt"),
        (common.LANGUAGE_MODE_ALLOW, ["pt", "en"], ""),
        (common.LANGUAGE_MODE_DENY, ["pt", "en"], "ja"),
        (common.LANGUAGE_MODE_DENY, ["xx"], ""),
        (common.LANGUAGE_MODE_FORCE, ["EN-gb"], "en"),
    ],
)
def test_languages(mode: int, codes: list[str], language: str) -> None:
    assert options(model="rich", language={"codes": codes, "mode": mode}).language == language


def test_strict_refuses_and_names_who_could() -> None:
    with pytest.raises(UnsupportedOptionError) as caught:
        convert(word_times=True)
    assert caught.value.option == "word_times"
    assert caught.value.metadata["supported"] == "rich"


def test_lenient_warns_and_leaves_out() -> None:
    request = convert(
        option_handling=common.OPTION_HANDLING_LENIENT,
        word_times=True,
        profanity_filter=True,
        context={"text": "before"},
    )
    assert {w.option for w in request.warnings} == {
        "word_times",
        "profanity_filter",
        "context.text",
    }
    assert request.options.context == ""


def test_resume_is_for_streams() -> None:
    config = pb.RecognitionConfig(resume=common.Resume(token="t"))
    with pytest.raises(InvalidFieldError, match=r"config\.resume: is for streams only"):
        wanted(config, streaming=False)


def update(
    config: pb.RecognitionConfig, paths: list[str], **fields: Any
) -> tuple[pb.RecognitionConfig, RecognitionOptions]:
    message = pb.UpdateRecognitionConfig(config=pb.RecognitionConfig(**fields))
    message.update_mask.paths.extend(paths)
    config = updated(config, message)
    return config, REQUESTS.check(wanted(config, streaming=True), streaming=True).options


def test_update_takes_what_the_mask_names() -> None:
    config = raw_config(model="rich", endpointing={"padding": ms(50)}, context={"text": "a"})
    config, found = update(
        config,
        ["endpointing.threshold", "context.terms", "partial_interval"],
        endpointing={"threshold": 0.75, "padding": ms(999)},
        context={"text": "ignored", "terms": ["T"]},
        partial_interval=ms(1000),
        language={"codes": ["ja"]},
        separate_channels=True,
    )
    assert (found.endpointing.threshold, found.endpointing.padding_ms) == (0.75, 50)
    assert found.context == "a\nT"
    assert found.partial_interval_ms == 1000
    assert found.language == ""
    assert not found.separate_channels
    config, found = update(config, ["endpointing"])
    assert found.endpointing.threshold == 0.5
    assert found.context == "a\nT"


@pytest.mark.parametrize(
    "path",
    [
        *("endpointing", "endpointing.mode", "endpointing.threshold", "endpointing.end_silence"),
        *("context", "context.text", "context.terms", "language", "language.codes"),
        *("partial_results", "partial_interval", "word_times", "option_handling"),
    ],
)
def test_what_the_mask_names_and_the_message_lacks_is_as_if_it_was_never_given(path: str) -> None:
    """Also where the message lacks all that it stands in."""
    given = raw_config(
        model="rich",
        endpointing={"mode": 3, "threshold": 0.25, "end_silence": ms(900)},
        context={"text": "a", "terms": ["T"]},
        language={"codes": ["ja"]},
        partial_results=False,
        partial_interval=ms(250),
        word_times=True,
        option_handling=common.OPTION_HANDLING_LENIENT,
    )
    never = pb.RecognitionConfig()
    never.CopyFrom(given)
    *parents, leaf = path.split(".")
    owner: Any = getattr(never, parents[0]) if parents else never
    owner.ClearField(leaf)
    assert update(given, [path])[0] == never


def test_a_mask_may_name_what_was_never_given() -> None:
    config = raw_config()
    assert update(config, ["context.terms", "endpointing.threshold"])[0] == config


def test_several_languages_without_a_mode_are_hints() -> None:
    many = replace(POOR, name="many", languages=("en", "de"), capabilities=frozenset[Capability]())
    requests = RecognitionRequests(ModelCatalog([many]), RecognitionConfig())
    asked = wanted(raw_config(language={"codes": ["en", "de"]}), streaming=False)
    assert requests.check(asked, streaming=False).options.language == ""


def test_a_request_forgets_its_context() -> None:
    request = convert(model="rich", context={"text": "a", "terms": ["T"]}).without_context()
    assert (request.options.context, request.wanted.context, request.wanted.terms) == ("", "", ())


def test_a_failed_update_changes_nothing() -> None:
    config = raw_config()
    before = config.SerializeToString()
    for paths, fields, error in (
        ([], {}, InvalidFieldError),
        (["model"], {"model": "rich"}, PreconditionError),
        (["partial_interval"], {"partial_interval": ms(1)}, InvalidOptionError),
        (["language"], {"language": {"codes": ["xx"]}}, UnsupportedOptionError),
    ):
        with pytest.raises(error):
            update(config, paths, **fields)
    assert config.SerializeToString() == before


def test_the_effective_config_gives_the_same_options_again() -> None:
    found = convert(
        model="rich",
        endpointing={"threshold": 0.25},
        partial_interval=ms(700),
        context={"text": "before", "terms": ["Ada", "Bob"]},
        option_handling=common.OPTION_HANDLING_LENIENT,
    )
    shown = convert_result.effective_config(found)
    shown.audio.CopyFrom(raw_config().audio)
    again = REQUESTS.check(wanted(shown, streaming=True), streaming=True)
    assert (again.options, again.wanted.lenient) == (found.options, True)


def test_the_effective_config_lacks_what_was_left_out() -> None:
    lenient = common.OPTION_HANDLING_LENIENT
    found = convert(option_handling=lenient, context={"text": "before", "terms": ["Ada"]})
    assert found.warnings
    assert not convert_result.effective_config(found).HasField("context")


@pytest.mark.parametrize("cause", list(EndCause))
@pytest.mark.parametrize("kind", list(ResultKind))
def test_results(kind: ResultKind, cause: EndCause) -> None:
    value = TranscriptResult(3, 1, 4, kind, "text", 2, 100, 900, "en", 0.5, cause)
    message = convert_result.result(value)
    assert message.kind == common.ResultKind.Value(f"RESULT_KIND_{kind.name}")
    assert message.end_cause == pb.EndCause.Value(f"END_CAUSE_{cause.name}")
    assert (message.segment_id, message.channel, message.revision) == (3, 1, 4)
    assert (message.text, message.stable_char_count) == ("text", 2)
    assert (message.start_ms, message.end_ms, message.confidence) == (100, 900, 0.5)
    assert [guess.code for guess in message.languages] == ["en"]
    bare = convert_result.result(replace(value, language="", confidence=None, end_cause=None))
    assert not bare.languages
    assert not bare.HasField("confidence")
    assert bare.end_cause == pb.END_CAUSE_UNSPECIFIED
