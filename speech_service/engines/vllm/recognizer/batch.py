"""Mode batch: one upload, one transcript, by ``POST /audio/transcriptions`` (vLLM's and OpenAI's)."""

from dataclasses import dataclass
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
from speech_service.engines.vllm.recognizer import VllmRecognizerOptions
from speech_service.media.encode.pcm import pcm_s16le, wav_header
from speech_service.text.repetition import collapse_repetitions

_MIN_SAMPLES = ms_to_samples(100)
"""The server fails on shorter audio."""
_SPARE_TOKENS = 16
"""Tokens that even the shortest clip may have: the model names the language first."""
_LOOP_PIECES, _LOOP_PIECES_PER_S, _LONGEST_PERIOD = 24, 6.0, 12
"""So many pieces, or so many for each second of audio, that are one short group again and again are a loop."""
_OUT_OF_TOKENS = "length"


class BatchTranscriber:
    """Implements ``Transcriber``. The server detects the language, but does not say which."""

    def __init__(self, options: VllmRecognizerOptions, server: ServerClient) -> None:
        self._options = options
        self._server = server

    async def transcribe(self, work: RecognizeWork, deadline: Deadline) -> Hypothesis:
        """As ``Transcriber``."""
        samples = checked(work.samples, _MIN_SAMPLES)
        data = pcm_s16le(samples)
        seconds = len(samples) / MODEL_RATE_HZ
        looping_pieces = max(_LOOP_PIECES, int(seconds * _LOOP_PIECES_PER_S))
        answer = await self._server.post(
            "audio/transcriptions",
            lambda response: _transcript(response, looping_pieces),
            deadline,
            form=self._form(work, len(samples)),
            file=("audio.wav", wav_header(MODEL_RATE_HZ, len(data)) + data, "audio/wav"),
        )
        text = answer.text.strip()
        return Hypothesis(text, language=work.language, is_cut_off=answer.is_cut_off)

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


@dataclass(frozen=True, slots=True)
class _ServerAnswer:
    """``is_cut_off``: the model did not end it; it was stopped."""

    text: str
    is_cut_off: bool = False


async def _transcript(response: httpx2.Response, looping_pieces: int) -> _ServerAnswer:
    if is_event_stream(response):
        return await _streamed(response, looping_pieces)
    answer = json_object(await whole(response))
    text = answer.get("text") if answer else None
    if not isinstance(text, str):
        raise ServerFailedError("an answer without a text")
    return _ServerAnswer(text)


async def _streamed(response: httpx2.Response, looping_pieces: int) -> _ServerAnswer:
    """The pieces of a streamed transcript, which has to say where it ends."""
    pieces: list[str] = []
    is_cut_off = False
    numbers: dict[str, int] = {}
    size = 0
    async for data in events(response):
        if data == END_OF_EVENTS:
            return _ServerAnswer("".join(pieces), is_cut_off)
        piece, reason = _piece(json_object(data))
        is_cut_off = is_cut_off or reason == _OUT_OF_TOKENS
        size += len(piece)
        if size > MAX_ANSWER_BYTES:
            raise ServerFailedError("an endless answer")
        if piece:
            pieces.append(piece)
            numbers.setdefault(piece, len(numbers))
            newest = pieces[-looping_pieces - _LONGEST_PERIOD :]
            if is_looping([numbers[known] for known in newest], _LONGEST_PERIOD, looping_pieces):
                text = collapse_repetitions("".join(pieces), is_cut_off=True)
                return _ServerAnswer(text, is_cut_off=True)
    raise ServerFailedError("a stream that was cut off")


def _piece(event: dict[str, Any] | None) -> tuple[str, str]:
    """New text, and why the model stopped ("": it goes on)."""
    if event is None or "error" in event:
        raise ServerFailedError("an error inside the stream")
    try:
        choice = event["choices"][0]
        content, reason = choice["delta"].get("content"), choice.get("finish_reason")
    except (AttributeError, IndexError, KeyError, TypeError):
        return "", ""
    return content if isinstance(content, str) else "", reason if isinstance(reason, str) else ""
