"""Logs: text or JSON, one access line per RPC, and never a transcript above DEBUG."""

import asyncio
import json
import logging
from collections.abc import Iterator
from datetime import UTC, datetime

import numpy as np
import pytest
from loguru import logger

from speech_service.calls.driver import SessionRunner
from speech_service.calls.trace import SessionTrace
from speech_service.config.tree import ObservabilityConfig
from speech_service.domain.audio import Samples
from speech_service.domain.call import Call, CallMode
from speech_service.domain.errors import InternalError, OverloadedError
from speech_service.domain.events import LatencySummary, Usage
from speech_service.domain.transcript import Hypothesis, ResultKind, TranscriptResult
from speech_service.domain.work import (
    RecognizeKind,
    RecognizeWork,
    Work,
    WorkDone,
    WorkFailed,
    WorkTiming,
)
from speech_service.observability.logging import AccessLog, configure
from speech_service.protocols import NullObserver, NullTracer, OnWorkEvent
from speech_service.sessions.recognition.events import RecognitionEvent
from speech_service.sessions.recognition.session import RecognitionSession, SessionIdentity
from tests.unit.sessions.checked_session import OPTIONS

CANARY = "the quick brown canary"


@pytest.fixture(autouse=True)
def own_logging() -> Iterator[None]:
    """Leave the logging of other tests as it was."""
    root = logging.getLogger()
    handlers, level = list(root.handlers), root.level
    yield
    logger.remove()
    root.handlers[:] = handlers
    root.setLevel(level)


def ended_call() -> Call:
    """A streaming call with everything filled in."""
    call = Call("speech.v1.RecognitionService", "StreamingRecognize", "bidi_stream", "req-1")
    call.session_id, call.model, call.received, call.sent = "ses-1", "tiny", 3, 4
    call.finished(Usage(audio_in_ms=1_500), LatencySummary(1.23, 4.56, 7.89, 100))
    return call


def test_json_has_one_record_per_rpc_with_the_stages(capsys: pytest.CaptureFixture[str]) -> None:
    configure(ObservabilityConfig(log_format="json"))
    call = ended_call()
    AccessLog().call_started(call)
    AccessLog().call_ended(call, "OK")
    (line,) = capsys.readouterr().err.splitlines()
    record = json.loads(line)
    at = datetime.fromisoformat(record.pop("time"))
    assert abs((datetime.now(UTC) - at).total_seconds()) < 3600
    assert record.pop("total_ms") >= 0
    assert record == {
        "level": "INFO",
        "message": "rpc",
        "logger": "speech_service.observability.logging",
        "method": "speech.v1.RecognitionService/StreamingRecognize",
        "code": "OK",
        "queue_ms": 1.2,
        "encode_ms": 4.6,
        "decode_ms": 7.9,
        "audio_ms": 1500,
        "received": 3,
        "sent": 4,
        "request_id": "req-1",
        "session_id": "ses-1",
        "model": "tiny",
    }


def test_text_is_one_line_of_words(capsys: pytest.CaptureFixture[str]) -> None:
    configure(ObservabilityConfig())
    AccessLog().call_ended(ended_call(), "OK")
    (line,) = capsys.readouterr().err.splitlines()
    assert " INFO    rpc method=speech.v1.RecognitionService/StreamingRecognize code=OK " in line
    assert " queue_ms=1.2 encode_ms=4.6 decode_ms=7.9 " in line
    assert line.endswith(" request_id=req-1 session_id=ses-1 model=tiny")


@pytest.mark.parametrize(("code", "level"), [("INTERNAL", "ERROR"), ("RESOURCE_EXHAUSTED", "INFO")])
def test_only_our_own_fault_is_an_error(
    capsys: pytest.CaptureFixture[str], code: str, level: str
) -> None:
    configure(ObservabilityConfig(log_format="json"))
    call = ended_call()
    call.error = OverloadedError("full")
    AccessLog().call_ended(call, code)
    record = json.loads(capsys.readouterr().err)
    assert (record["level"], record["reason"]) == (level, "OVERLOADED")


def test_braces_from_outside_are_no_format(capsys: pytest.CaptureFixture[str]) -> None:
    configure(ObservabilityConfig())
    call = ended_call()
    call.request_id = "{boom} <red>"
    AccessLog().call_ended(call, "OK")
    logging.getLogger("some.library").warning("literal {braces} and %s", "{more}")
    text = capsys.readouterr().err
    assert "request_id={boom} <red>" in text
    assert "literal {braces} and {more}" in text


def test_standard_logging_goes_the_same_way(capsys: pytest.CaptureFixture[str]) -> None:
    configure(ObservabilityConfig(log_format="json"))
    logging.getLogger("some.library").warning("about %d", 7)
    logging.getLogger("some.library").debug("too fine")
    (line,) = capsys.readouterr().err.splitlines()
    record = json.loads(line)
    assert record.pop("time").endswith("Z")
    assert record == {"level": "WARNING", "message": "about 7", "logger": "some.library"}


def test_the_level_is_the_configured_one(capsys: pytest.CaptureFixture[str]) -> None:
    configure(ObservabilityConfig(log_level="WARNING"))
    logger.info("quiet")
    logger.warning("loud")
    text = capsys.readouterr().err
    assert "loud" in text
    assert "quiet" not in text


@pytest.mark.parametrize("log_format", ["text", "json"])
def test_a_stack_shows_no_values(capsys: pytest.CaptureFixture[str], log_format: str) -> None:
    configure(ObservabilityConfig(log_format="json" if log_format == "json" else "text"))

    def broken(transcript: str) -> int:
        return len(transcript) // 0

    try:
        broken("".join(reversed(CANARY[::-1])))
    except ZeroDivisionError as error:
        logger.opt(exception=error).error("request {} failed", "r1")
    text = capsys.readouterr().err
    assert "ZeroDivisionError" in text
    assert CANARY not in text


class CanaryDevice:
    """A submitter whose every text is the canary; FINALs fail when told to."""

    def __init__(self, fail_finals: bool) -> None:
        self._fail = fail_finals

    def submit(self, work: Work, on_event: OnWorkEvent) -> None:
        """Answer soon."""
        timing = WorkTiming(1, 1, 1)
        event = WorkDone(work.work_id, Hypothesis(CANARY, (1, 2)), timing)
        failed = WorkFailed(work.work_id, InternalError("the device broke"))
        assert isinstance(work, RecognizeWork)
        fails = self._fail and work.kind is RecognizeKind.FINAL
        asyncio.get_running_loop().call_soon(on_event, failed if fails else event)

    def cancel(self, work_id: str) -> None:
        """Everything is answered anyway."""
        del work_id

    def release(self, stream_id: str) -> None:
        """Nothing is kept."""
        del stream_id


class LoudnessVad:
    """Loud is speech; both the detector and its stream."""

    def open(self) -> "LoudnessVad":
        """It has no state."""
        return self

    async def probabilities(self, frames: Samples) -> Samples:
        """How loud each frame is."""
        await asyncio.sleep(0)
        return np.abs(frames).mean(axis=1)


async def _run_a_session(*, fail_finals: bool) -> list[RecognitionEvent]:
    events: list[RecognitionEvent] = []
    session = RecognitionSession(SessionIdentity("ses-1"), OPTIONS, lambda: 0.0)
    trace = SessionTrace(ended_call(), CallMode.REALTIME, NullTracer(), NullObserver())
    runner = SessionRunner(session, CanaryDevice(fail_finals), LoudnessVad(), trace, events.append)
    await runner.perform(session.start())
    for level in [0.0] * 5 + [1.0] * 15 + [0.0] * 10:
        await runner.perform(session.audio(np.full((1_600, 1), level, np.float32)))
        await asyncio.sleep(0)
    await runner.catch_up()
    await runner.perform(session.finalize("f1"))
    await runner.perform(session.end_of_input())
    async with asyncio.timeout(60):
        error = await runner.finished
    runner.close(None)
    call = ended_call()
    call.error = error
    call.finished(session.ended().usage, session.ended().latency)
    AccessLog().call_ended(call, "INTERNAL" if error else "OK")
    return events


@pytest.mark.parametrize("log_format", ["text", "json"])
@pytest.mark.parametrize("fail_finals", [False, True])
async def test_a_whole_session_logs_no_transcript(
    capsys: pytest.CaptureFixture[str], log_format: str, fail_finals: bool
) -> None:
    configure(ObservabilityConfig(log_format="json" if log_format == "json" else "text"))
    events = await _run_a_session(fail_finals=fail_finals)
    texts = [(e.kind, e.text) for e in events if isinstance(e, TranscriptResult)]
    assert (ResultKind.PARTIAL, CANARY) in texts
    assert ((ResultKind.FINAL, CANARY) in texts) is not fail_finals
    text = capsys.readouterr().err
    assert "rpc" in text
    assert CANARY not in text
    assert "canary" not in text
