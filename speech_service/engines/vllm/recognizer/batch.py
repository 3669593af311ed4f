"""Mode batch: one upload, one transcript, by ``POST /audio/transcriptions`` (vLLM's and OpenAI's)."""

from typing import Any

import httpx2

from speech_service.domain.audio import MODEL_RATE_HZ, ms_to_samples
from speech_service.domain.transcript import Hypothesis
from speech_service.domain.work import RecognizeWork
from speech_service.engines.audio_checks import checked
from speech_service.engines.decoding import is_looping
from speech_service.engines.model_server.client import (
    END_OF_EVENTS,
    MAX_ANSWER_BYTES,
    Deadline,
    ServerClient,
    ServerFailedError,
    events,
    is_event_stream,
    json_object,
    whole,
)
from speech_service.engines.vllm.recognizer import Options
from speech_service.media.encode.pcm import pcm_s16le, wav_header
from speech_service.text.repetition import collapse_repetitions

_MIN_SAMPLES = ms_to_samples(100)
"""The server fails on shorter audio."""
_SPARE_TOKENS = 16
"""Tokens that even the shortest clip may have: the model names the language first."""
_LOOP_PIECES = 64
"""Newest pieces in which a loop is looked for; it needs 36."""


class BatchTranscriber:
    """Implements ``Transcriber``. The server detects the language, but does not say which."""

    def __init__(self, options: Options, server: ServerClient) -> None:
        self._options = options
        self._server = server

    async def transcribe(self, work: RecognizeWork, deadline: Deadline) -> Hypothesis:
        """As ``Transcriber``."""
        samples = checked(work.samples, _MIN_SAMPLES)
        data = pcm_s16le(samples)
        text = await self._server.post(
            "audio/transcriptions",
            _transcript,
            deadline,
            form=self._form(work, len(samples)),
            file=("audio.wav", wav_header(MODEL_RATE_HZ, len(data)) + data, "audio/wav"),
        )
        return Hypothesis(collapse_repetitions(text.strip()), language=work.language)

    def _form(self, work: RecognizeWork, sample_count: int) -> dict[str, str]:
        options = self._options
        form = {"model": options.model, "response_format": "json", "temperature": "0"}
        if options.streaming:
            form["stream"] = "true"
        if work.language:
            form["language"] = work.language
        if work.context:
            form["prompt"] = work.context
        if options.max_tokens_per_s:
            seconds = sample_count / MODEL_RATE_HZ
            limit = int(seconds * options.max_tokens_per_s) + _SPARE_TOKENS
            form["max_completion_tokens"] = str(limit)
        return form


async def _transcript(response: httpx2.Response) -> str:
    if is_event_stream(response):
        return await _streamed(response)
    answer = json_object(await whole(response))
    text = answer.get("text") if answer else None
    if not isinstance(text, str):
        raise ServerFailedError("an answer without a text")
    return text


async def _streamed(response: httpx2.Response) -> str:
    """The pieces of a streamed transcript, which has to say where it ends."""
    pieces: list[str] = []
    numbers: dict[str, int] = {}
    size = 0
    async for data in events(response):
        if data == END_OF_EVENTS:
            return "".join(pieces)
        piece = _piece(json_object(data))
        size += len(piece)
        if size > MAX_ANSWER_BYTES:
            raise ServerFailedError("an endless answer")
        if piece:
            pieces.append(piece)
            numbers.setdefault(piece, len(numbers))
            if is_looping([numbers[known] for known in pieces[-_LOOP_PIECES:]]):
                return "".join(pieces)
    raise ServerFailedError("a stream that was cut off")


def _piece(event: dict[str, Any] | None) -> str:
    if event is None or "error" in event:
        raise ServerFailedError("an error inside the stream")
    try:
        content = event["choices"][0]["delta"].get("content")
    except (AttributeError, IndexError, KeyError, TypeError):
        return ""
    return content if isinstance(content, str) else ""
