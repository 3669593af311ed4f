"""The vllm-omni synthesizer against a server that answers badly, slowly, or not at all."""

import base64
import json
import time
from dataclasses import replace

import numpy as np
import pytest
from msgspec import structs

from speech_service.config.tree import ConfigError
from speech_service.domain.audio import Samples
from speech_service.domain.errors import (
    DeadlineError,
    SpeechError,
    UnavailableError,
    UnsupportedOptionError,
)
from speech_service.domain.synthesis import SpeechFinish
from speech_service.domain.work import (
    SpeechMade,
    SynthesizeWork,
    WorkAudio,
    WorkClass,
    WorkDone,
    WorkFailed,
)
from speech_service.engines.model_server.engine import ServerEngine
from speech_service.engines.shared import SharedModels
from speech_service.engines.vllm import synthesizer as vllm_omni
from tests.contract.speech_server import MODEL, SECRET, Reply, Request, serving, speech

TIMEOUT_S = 100.0


def work_of(**changes: object) -> SynthesizeWork:
    work = SynthesizeWork(
        work_id="w",
        stream_id="s",
        work_class=WorkClass.UNARY,
        model="m",
        text="Hello there.",
        voice="ryan",
        language="en",
        seed=5,
    )
    return replace(work, **changes)


def engine_of(url: str, **options: object) -> ServerEngine:
    base = vllm_omni.VllmOmniOptions(base_url=url, model=MODEL, timeout_s=60.0, max_retries=2)
    return vllm_omni.build(structs.replace(base, **options), SharedModels())


def run(
    url: str, work: SynthesizeWork, **options: object
) -> tuple[list[Samples], WorkDone | WorkFailed]:
    """The pieces of audio, and the end."""
    engine = engine_of(url, **options)
    engine.admit(work)
    pieces: list[Samples] = []
    until_s = time.monotonic() + TIMEOUT_S
    while time.monotonic() < until_s:
        for event in engine.step():
            if isinstance(event, WorkAudio):
                pieces.append(event.samples)
            else:
                assert isinstance(event, WorkDone | WorkFailed)
                engine.close()
                return pieces, event
    raise AssertionError("the engine never ends")


def failure(url: str, work: SynthesizeWork | None = None, **options: object) -> SpeechError:
    _, end = run(url, work or work_of(), **options)
    assert isinstance(end, WorkFailed), end
    assert SECRET not in str(end.error)
    assert "127.0.0.1" not in str(end.error)
    return end.error


@pytest.mark.parametrize("is_raw_audio", [False, True])
def test_audio_is_passed_on_as_it_comes_sample_for_sample(is_raw_audio: bool) -> None:
    with serving(lambda request: Reply(is_raw_audio=is_raw_audio)) as server:
        pieces, end = run(server.url, work_of())
        [request] = server.requests
    assert isinstance(end, WorkDone)
    assert end.timing.decode_steps == len(pieces) > 1
    expected = np.frombuffer(speech(request.body), "<i2").astype(np.float32) / 32768
    np.testing.assert_array_equal(np.concatenate(pieces), expected)


def test_the_request_says_all_that_was_asked() -> None:
    with serving() as server:
        run(server.url, work_of(seed=2**64 - 1), first_chunk_frames=1, max_new_tokens=99)
        run(server.url, work_of(language=""))
        first, second = (dict(request.body) for request in server.requests)
    assert first == {
        "model": MODEL,
        "input": "Hello there.",
        "voice": "ryan",
        "language": "English",
        "task_type": "CustomVoice",
        "response_format": "pcm",
        "stream": True,
        "seed": 2**63 - 1,
        "max_new_tokens": 99,
        "initial_codec_chunk_frames": 1,
    }
    assert second["language"] == "Auto"
    assert "initial_codec_chunk_frames" not in second


def test_the_longest_that_a_text_may_take_grows_with_it() -> None:
    texts = ("Huh?", "Hello there, how are you?", "word " * 60, "今天天气很好" * 10)
    with serving() as server:
        for text in texts:
            run(server.url, work_of(text=text))
        limits = [request.body["max_new_tokens"] for request in server.requests]
    assert 50 < limits[0] < limits[1] < limits[2] < 2048
    assert limits[3] > 10 * 60, "a character of these is a word"


@pytest.mark.parametrize(
    ("limit", "finish"), [(5, SpeechFinish.LENGTH_LIMIT), (9, SpeechFinish.COMPLETE)]
)
@pytest.mark.parametrize("is_raw_audio", [False, True])
def test_speech_as_long_as_it_may_be_is_told_of(
    limit: int, finish: SpeechFinish, is_raw_audio: bool
) -> None:
    """The server does not say why it stopped; it makes 0.6 s here, 7.5 frames."""
    with serving(lambda request: Reply(is_raw_audio=is_raw_audio)) as server:
        _, end = run(server.url, work_of(), max_new_tokens=limit + 1)
    assert isinstance(end, WorkDone)
    assert isinstance(end.outcome, SpeechMade)
    assert end.outcome.finish is finish


def test_writing_is_the_models_own_to_read() -> None:
    text = "No. 5 costs €3,50 at 9:05; PIN 0042, 2 1/2 km."
    with serving() as server:
        run(server.url, work_of(text=text))
        assert server.requests[0].body["input"] == text


def test_the_first_audio_is_out_before_the_server_is_done() -> None:
    audio = base64.b64encode(bytes(4_800)).decode()
    delta = json.dumps({"type": "speech.audio.delta", "audio": audio})
    with serving(lambda request: Reply(events=[delta])) as server:  # no end at all
        pieces, end = run(server.url, work_of(), max_retries=0)
    assert len(pieces) == 1
    assert isinstance(end, WorkFailed)


@pytest.mark.parametrize("is_raw_audio", [False, True])
def test_speech_that_is_cut_off_fails_and_is_not_begun_again(is_raw_audio: bool) -> None:
    with serving(lambda request: Reply(is_cut=True, is_raw_audio=is_raw_audio)) as server:
        pieces, end = run(server.url, work_of())
        assert len(server.requests) == 1
    assert pieces
    assert isinstance(end, WorkFailed)
    assert isinstance(end.error, UnavailableError)


@pytest.mark.parametrize("status", [429, 500, 503])
def test_a_server_that_recovers_is_asked_again(status: int) -> None:
    def behaviour(request: Request) -> Reply:
        return Reply() if request.count else Reply(status=status, headers={"retry-after": "0"})

    with serving(behaviour) as server:
        pieces, end = run(server.url, work_of())
        assert len(server.requests) == 2
    assert isinstance(end, WorkDone)
    assert pieces


@pytest.mark.parametrize(
    "events",
    [
        pytest.param([], id="empty"),
        pytest.param(["{not json"], id="malformed"),
        pytest.param(['{"type": "speech.audio.done"}'], id="no audio"),
        pytest.param(['{"type": "speech.audio.delta", "audio": "%%%"}'], id="no base64"),
        pytest.param(['{"type": "speech.audio.delta", "audio": 5}'], id="no text"),
        pytest.param(
            [json.dumps({"type": "speech.audio.error", "error": {"message": SECRET}})], id="error"
        ),
    ],
)
def test_a_broken_stream_is_never_taken_for_speech(events: list[str]) -> None:
    with serving(lambda request: Reply(events=events)) as server:
        assert isinstance(failure(server.url, max_retries=1), UnavailableError)
        assert len(server.requests) == 2


def test_half_a_sample_at_the_end_fails() -> None:
    audio = base64.b64encode(bytes(5)).decode()
    events = [
        json.dumps({"type": "speech.audio.delta", "audio": audio}),
        '{"type": "speech.audio.done"}',
    ]
    with serving(lambda request: Reply(events=events)) as server:
        assert isinstance(failure(server.url), UnavailableError)


def test_an_answer_that_is_no_audio_fails() -> None:
    with serving(lambda request: Reply(raw=b'{"audio": "later"}')) as server:
        assert isinstance(failure(server.url, max_retries=0), UnavailableError)


@pytest.mark.parametrize(
    ("status", "reason"),
    [
        (400, "SYNTHESIZER_REFUSED"),
        (401, "SYNTHESIZER_MISCONFIGURED"),
        (404, "SYNTHESIZER_MISCONFIGURED"),
    ],
)
def test_what_the_server_refuses_is_not_asked_again(status: int, reason: str) -> None:
    with serving(lambda request: Reply(status=status)) as server:
        assert failure(server.url).reason == reason
        assert len(server.requests) == 1


def test_the_clients_deadline_is_kept() -> None:
    with serving(lambda request: Reply(is_held=True)) as server:
        error = failure(server.url, work_of(deadline_s=time.monotonic() + 0.3))
    assert isinstance(error, DeadlineError)


def test_an_abort_closes_the_request() -> None:
    delta = json.dumps(
        {"type": "speech.audio.delta", "audio": base64.b64encode(bytes(4_800)).decode()}
    )
    with serving(lambda request: Reply(events=[delta] * 20_000)) as server:
        engine = engine_of(server.url)
        engine.admit(work_of())
        while not engine.step():
            pass
        engine.abort("w")
        assert server.dropped.wait(3)
        assert list(engine.step()) == []
        engine.close()


@pytest.mark.parametrize(
    ("changes", "field"),
    [({"voice": "nobody"}, "voice_id"), ({"language": "la"}, "language")],
)
def test_an_unknown_voice_or_language_is_refused_by_name(
    changes: dict[str, object], field: str
) -> None:
    with serving() as server:
        error = failure(server.url, work_of(**changes))
        assert not server.requests
    assert isinstance(error, UnsupportedOptionError)
    assert error.option == field


@pytest.mark.parametrize(
    ("options", "named"),
    [
        ({"base_url": ""}, "base_url"),
        ({"model": ""}, "model"),
        ({"voices": ()}, "voices"),
        ({"sample_rate_hz": 0}, "sample_rate_hz"),
    ],
)
def test_wrong_options_are_named(options: dict[str, object], named: str) -> None:
    with pytest.raises(ConfigError, match=named):
        engine_of("http://127.0.0.1:1/v1", **options)
