"""A session that is fed with audio, and one that is fed a whole recording."""

import asyncio
from collections.abc import Sequence
from typing import Any

import pytest

from speech_service.calls.audio.fed_session import FedSession, feed_whole
from speech_service.calls.audio.source import AudioInput
from speech_service.calls.session_tools import SessionTools
from speech_service.config.tree import DecoderConfig
from speech_service.domain.audio import AudioEncoding, RawFormat, Samples
from speech_service.domain.call import Call
from speech_service.domain.errors import (
    CancelledWorkError,
    InternalError,
    InvalidAudioError,
    InvalidOptionError,
    SpeechError,
)
from speech_service.domain.events import (
    Action,
    Emit,
    Finish,
    LatencySummary,
    Progress,
    SessionEnded,
    Usage,
)
from speech_service.media.decode.limits import UNARY_LIMITS
from speech_service.protocols import NullTracer

RAW = RawFormat(AudioEncoding.PCM_S16LE, 16_000, 1)


class Counting:
    """A session that says how long each block was, and at the end how long all of it."""

    wake_at_s = None

    def __init__(self, *, stuck: bool = False, fails_at: int = 0) -> None:
        self.samples = 0
        self.undecoded_ms = 10_000 if stuck else 0
        self.ends = 0
        self._fails_at = fails_at

    def audio(self, samples: Samples) -> Sequence[Action[Any]]:
        self.samples += len(samples)
        if self._fails_at and self.samples >= self._fails_at:
            return [Finish(InternalError("enough"))]
        return [Emit(Progress(len(samples), 0, 0, 0))]

    def catch_up(self) -> Sequence[Action[Any]]:
        return []

    def end_of_input(self) -> Sequence[Action[Any]]:
        self.ends += 1
        return [Emit(self.ended()), Finish()]

    def ended(self) -> SessionEnded:
        return SessionEnded(Usage(audio_in_ms=self.samples // 16), LatencySummary())

    def fail(self, error: SpeechError) -> Sequence[Action[Any]]:
        return [Finish(error)]

    def lost(self, *_: object) -> None:
        raise AssertionError("raw audio loses nothing")


class Nobody:
    """Submits nothing, and is told of everything."""

    def __getattr__(self, name: str) -> Any:
        return lambda *_, **__: None


def opened(
    call: Call, session: Counting, told: list[Any], audio_format: RawFormat | None = RAW
) -> FedSession[Any, Any]:
    nobody: Any = Nobody()
    runner = SessionTools(nobody, nobody, nobody, NullTracer()).runner(
        session,  # pyright: ignore[reportArgumentType] - it has what is called here
        call,
        None,
        told.append,
    )
    audio = AudioInput(nobody, DecoderConfig())
    return FedSession(call, runner, audio, audio_format, UNARY_LIMITS)


def a_call() -> Call:
    return Call("a.B", "C", "unary", request_id="r", session_id="s")


async def whole(call: Call, session: Counting, audio: bytes, **limits: Any) -> Any:
    def open_session(on_event: Any) -> FedSession[Any, Any]:
        told: Any = type("Sink", (), {"append": staticmethod(on_event)})()
        return opened(call, session, told)

    return await feed_whole(call, open_session, audio, 1_024, **limits)


async def test_a_recording_is_fed_in_pieces_and_what_is_told_collected() -> None:
    call, session = a_call(), Counting()
    told, ended = await whole(call, session, b"\0\0" * 1_600)
    assert [e.received_ms for e in told if isinstance(e, Progress)] == [512, 512, 512, 64]
    assert told[-1] == ended
    assert call.usage == Usage(audio_in_ms=100)


async def test_what_is_wrong_with_the_audio_is_raised() -> None:
    call = a_call()
    with pytest.raises(InvalidAudioError):
        await whole(call, Counting(), b"\0\0\0")
    assert call.usage is not None


async def test_a_session_that_fails_ends_the_feeding() -> None:
    with pytest.raises(InternalError, match="enough"):
        await whole(a_call(), Counting(fails_at=600), b"\0\0" * 16_000)


async def test_a_call_that_is_over_gives_its_session_up() -> None:
    call = a_call()
    waiting = asyncio.ensure_future(whole(call, Counting(stuck=True), b"\0\0", max_waiting_ms=1.0))
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    call.over()
    with pytest.raises(CancelledWorkError):
        await waiting


async def test_a_session_of_text_refuses_audio_and_ends() -> None:
    session, told = Counting(), list[Any]()
    fed = opened(a_call(), session, told, None)
    with pytest.raises(InvalidOptionError) as caught:
        await fed.feed(b"\0\0")
    assert caught.value.option == "recognition"
    await fed.settle()
    await fed.end()
    await fed.close()
    assert session.ends == 1
    assert isinstance(told[-1], SessionEnded)
