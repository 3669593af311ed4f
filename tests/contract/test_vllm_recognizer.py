"""The vllm recognizer, mode batch, against a server that answers badly, slowly, or not at all."""

import json
import random
import time
from pathlib import Path

import numpy as np
import pytest

from speech_service.config.tree import ConfigError
from speech_service.domain.errors import (
    DeadlineError,
    InvalidOptionError,
    PreconditionError,
    UnavailableError,
)
from speech_service.domain.transcript import Hypothesis
from speech_service.domain.work import WorkDone
from tests.contract.speech_server import MODEL, SECRET, Reply, Request, serving
from tests.contract.vllm import (
    TIMEOUT_S,
    abort_many_and_run_a_full_batch,
    engine_of,
    failure,
    heard,
    outcomes,
    work_of,
)


@pytest.mark.parametrize("streaming", [False, True])
def test_the_request_says_all_that_was_asked(streaming: bool, tmp_path: Path) -> None:
    key = tmp_path / "key"
    key.write_text("s3cret\n")
    item = work_of(2.0, language="de", context="Names: Ada, Grace")
    with serving() as server:
        options = {"streaming": streaming, "api_key_file": str(key), "max_tokens_per_s": 10.0}
        answer = heard(server.url + "/", item, **options)
        [request] = server.requests
    assert answer == Hypothesis("zero one two three", language="de")
    assert request.headers["authorization"] == "Bearer s3cret"
    form = dict(request.form)
    assert form.pop("stream", "false") == ("true" if streaming else "false")
    assert form == {
        "model": MODEL,
        "response_format": "json",
        "temperature": "0",
        "language": "de",
        "prompt": "Names: Ada, Grace",
        "max_completion_tokens": "36",
    }
    assert request.upload[:4] == b"RIFF"
    assert np.frombuffer(request.upload[44:], "<i2").tolist() == [8192] * 32_000


def test_nothing_is_sent_that_was_not_asked() -> None:
    with serving() as server:
        assert heard(server.url, max_tokens_per_s=0.0).language == ""
        assert not {"language", "prompt", "max_completion_tokens"} & set(server.requests[0].form)


def test_very_short_audio_is_padded_with_silence() -> None:
    with serving() as server:
        heard(server.url, work_of(0.001))
        samples = np.frombuffer(server.requests[0].upload[44:], "<i2")
    assert samples.tolist() == [8192] * 16 + [0] * 1_584


def test_a_text_that_runs_in_circles_is_stopped_and_repaired() -> None:
    piece = json.dumps({"choices": [{"delta": {"content": " again"}}]})
    with serving(lambda request: Reply(events=[piece] * 5_000)) as server:
        assert heard(server.url).text == "again"


@pytest.mark.parametrize("status", [429, 500, 502, 503, 408])
def test_a_server_that_recovers_is_asked_again(status: int) -> None:
    def behaviour(request: Request) -> Reply:
        return Reply(status=status, headers={"retry-after": "0"}) if not request.count else Reply()

    with serving(behaviour) as server:
        assert heard(server.url).text == "zero one two three"
        assert len(server.requests) == 2


def test_retry_after_is_honoured() -> None:
    times_s: list[float] = []

    def behaviour(request: Request) -> Reply:
        times_s.append(time.monotonic())
        return Reply() if request.count else Reply(status=429, headers={"retry-after": "1"})

    with serving(behaviour) as server:
        heard(server.url)
    assert times_s[1] - times_s[0] > 0.95


@pytest.mark.parametrize("streaming", [False, True])
@pytest.mark.parametrize("raw", [b"", b"<html>", b"[1]", b'{"text": 5}', b"\xff", b"[" * 100_000])
def test_an_answer_that_is_no_transcript_is_the_servers_failure(
    raw: bytes, streaming: bool
) -> None:
    with serving(lambda request: Reply(raw=raw)) as server:
        error = failure(server.url, streaming=streaming, max_retries=0)
    assert error.reason == "RECOGNIZER_UNAVAILABLE"


@pytest.mark.parametrize(
    "events",
    [
        pytest.param(['{"choices": [{"delta": {"content": "one"}}]}'], id="cut"),
        pytest.param([], id="empty"),
        pytest.param(["{not json", "[DONE]"], id="malformed"),
        pytest.param([json.dumps({"error": {"message": SECRET}}), "[DONE]"], id="error"),
    ],
)
def test_a_broken_stream_is_never_taken_for_a_text(events: list[str]) -> None:
    with serving(lambda request: Reply(events=events)) as server:
        error = failure(server.url, max_retries=1)
        assert len(server.requests) == 2
    assert isinstance(error, UnavailableError)


def test_a_stream_without_words_is_silence() -> None:
    with serving(lambda request: Reply(events=["[DONE]"])) as server:
        assert heard(server.url).text == ""


def test_a_server_that_stays_down_is_unavailable_and_says_when_to_try_again() -> None:
    with serving(lambda request: Reply(status=503)) as server:
        error = failure(server.url, max_retries=1)
        assert len(server.requests) == 2
    assert isinstance(error, UnavailableError)
    assert error.retry_after_ms >= 1000


def test_no_server_at_all() -> None:
    with serving() as server:
        url = server.url
    assert isinstance(failure(url, max_retries=0), UnavailableError)


@pytest.mark.parametrize("status", [401, 403, 404, 302])
def test_a_wrong_key_address_or_model_is_said_to_be_one(status: int) -> None:
    with serving(lambda request: Reply(status=status)) as server:
        error = failure(server.url)
        assert len(server.requests) == 1
    assert isinstance(error, PreconditionError)
    assert error.reason == "RECOGNIZER_MISCONFIGURED"


@pytest.mark.parametrize("status", [400, 413, 422])
def test_audio_that_the_server_refuses_is_not_sent_again(status: int) -> None:
    with serving(lambda request: Reply(status=status)) as server:
        assert failure(server.url).reason == "RECOGNIZER_REFUSED"
        assert len(server.requests) == 1


@pytest.mark.parametrize("status", [400, 413, 422])
def test_a_context_that_the_server_refuses_is_named(status: int) -> None:
    with serving(
        lambda request: Reply(status=status if "prompt" in request.form else 200)
    ) as server:
        error = failure(server.url, work_of(context="term " * 9000))
        assert isinstance(error, InvalidOptionError)
        assert (error.option, error.reason) == ("context", "LIMIT_EXCEEDED")
        assert ["prompt" in request.form for request in server.requests] == [True, False]


@pytest.mark.parametrize("status", [400, 413, 422])
def test_a_context_is_not_blamed_for_its_audio(status: int) -> None:
    with serving(lambda request: Reply(status=status)) as server:
        assert failure(server.url, work_of(context="term")).reason == "RECOGNIZER_REFUSED"


def test_the_clients_deadline_is_kept() -> None:
    with serving(lambda request: Reply(is_held=True)) as server:
        error = failure(server.url, work_of(deadline_s=time.monotonic() + 0.3))
    assert isinstance(error, DeadlineError)


def test_a_slow_server_times_out() -> None:
    with serving(lambda request: Reply(is_held=True)) as server:
        error = failure(server.url, timeout_s=0.2, deadline_s=0.8)
    assert isinstance(error, UnavailableError)


def test_a_slow_item_holds_up_no_other_and_is_aborted_at_once() -> None:
    def behaviour(request: Request) -> Reply:
        return Reply(is_held=len(request.upload) > 100_000)

    with serving(behaviour) as server:
        engine = engine_of(server.url)
        engine.admit(work_of(4.0, "slow"))
        engine.admit(work_of(1.0, "quick"))
        while not (ended := engine.step()):
            pass
        assert [event.work_id for event in ended] == ["quick"]
        engine.abort("slow")
        assert list(engine.step()) == []
        engine.close()


def test_an_abort_closes_the_request() -> None:
    pieces = [json.dumps({"choices": [{"delta": {"content": f"{n} "}}]}) for n in range(20_000)]
    with serving(lambda request: Reply(events=pieces)) as server:
        engine = engine_of(server.url)
        engine.admit(work_of())
        while not server.requests:
            engine.step()
        engine.abort("w")
        assert server.dropped.wait(TIMEOUT_S)
        assert list(engine.step()) == []
        engine.close()


def test_aborts_leave_nothing_behind() -> None:
    chance = random.Random(6)
    with serving(lambda request: Reply(delay_s=chance.choice([0.0, 0.002, 0.01]))) as server:
        engine = engine_of(server.url, max_batch=4, timeout_s=20.0, max_retries=0)
        assert abort_many_and_run_a_full_batch(engine) == {WorkDone}


def test_an_id_may_be_used_again_after_an_abort() -> None:
    with serving() as server:
        engine = engine_of(server.url)
        engine.admit(work_of(1.0))
        time.sleep(0.2)  # its end waits in the engine
        engine.abort("w")
        event = outcomes(engine, [work_of(2.0)])["w"]
    assert isinstance(event, WorkDone)
    assert event.hypothesis.text == "zero one two three"


@pytest.mark.parametrize(
    ("options", "named"),
    [
        ({"base_url": ""}, "base_url"),
        ({"base_url": "http://me:pw@x/v1"}, "base_url"),
        ({"model": ""}, "model"),
        ({"languages": ()}, "languages"),
        ({"max_batch": 0}, "max_batch"),
        ({"realtime_chunk_ms": 0}, "realtime_chunk_ms"),
        ({"api_key_file": "/nonexistent/key"}, "api_key_file"),
    ],
)
def test_wrong_options_are_named(options: dict[str, object], named: str) -> None:
    with pytest.raises(ConfigError, match=named):
        engine_of("http://127.0.0.1:1/v1", **options)
