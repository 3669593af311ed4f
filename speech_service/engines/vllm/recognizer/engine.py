"""The engine: each item is one transcription on the server."""

import time
from dataclasses import replace
from typing import Protocol

from speech_service.domain.errors import InvalidOptionError, SpeechError
from speech_service.domain.models import ModelCapabilities
from speech_service.domain.transcript import Hypothesis
from speech_service.domain.work import RecognizeWork, Work, WorkDone, WorkTiming
from speech_service.engines.model_server.client import (
    Deadline,
    RefusedError,
    ServerClient,
    ServerRole,
)
from speech_service.engines.model_server.engine import Emit, Ended, ServerEngine
from speech_service.engines.vllm.recognizer import VllmRecognizerOptions

_ROLE = ServerRole("recognition server", "recognizer")


class Transcriber(Protocol):
    """One of the server's two ways to transcribe."""

    async def transcribe(self, work: RecognizeWork, deadline: Deadline) -> Hypothesis:
        """The text of the work's audio.

        Raises:
            InvalidOptionError: the audio cannot be transcribed, or an option cannot be honoured.
            RefusedError, UnavailableError, DeadlineError, PreconditionError: as ``ServerClient.post``.
        """
        ...


def vllm_engine(
    options: VllmRecognizerOptions, capabilities: ModelCapabilities, api_key: str
) -> ServerEngine:
    """Make an engine that recognizes on the server of ``options``."""
    server = ServerClient(options, api_key, _ROLE, options.max_batch)
    transcriber = _transcriber(options, server)

    async def run(work: Work, emit: Emit) -> Ended:
        del emit  # text comes whole
        assert isinstance(work, RecognizeWork), "the scheduler sends a model its own kind of work"
        begin_s = time.perf_counter()
        deadline = Deadline.of(work.deadline_s, options.deadline_s)
        try:
            hypothesis = await transcriber.transcribe(work, deadline)
        except RefusedError:
            raise await _what_is_refused(work, transcriber, deadline) from None
        busy_ms = (time.perf_counter() - begin_s) * 1000
        return WorkDone(work.work_id, hypothesis, WorkTiming(decode_ms=busy_ms, decode_steps=1))

    return ServerEngine("vllm-recognizer", capabilities, run, server)


async def _what_is_refused(
    work: RecognizeWork, transcriber: Transcriber, deadline: Deadline
) -> SpeechError:
    """Only the server counts the tokens of a context: whether that is too long shows where it is left out."""
    if work.context:
        try:
            await transcriber.transcribe(replace(work, context=""), deadline)
        except RefusedError:
            return _ROLE.refused()
        problem = "is more than the recognition server takes"
        return InvalidOptionError("context", problem, "a shorter one", reason="LIMIT_EXCEEDED")
    return _ROLE.refused()


def _transcriber(options: VllmRecognizerOptions, server: ServerClient) -> Transcriber:
    if options.mode == "batch":
        from speech_service.engines.vllm.recognizer.batch import BatchTranscriber

        return BatchTranscriber(options, server)
    from speech_service.engines.vllm.recognizer.realtime import RealtimeTranscriber

    return RealtimeTranscriber(options, server)
