"""The engine: each item is one request, whose audio is passed on as it comes.

``stream`` is all that is asked for, because it means two things: raw audio up to June 2026, and from then on
server-sent events (``speech.audio.delta``, then ``speech.audio.done`` or ``speech.audio.error``). What comes, tells.
"""

import base64
import binascii
from collections.abc import AsyncIterator

import httpx2
import numpy as np

from speech_service.domain.audio import Samples
from speech_service.domain.models import ModelCapabilities
from speech_service.domain.synthesis import VOICE_PROMPT_RATE_HZ, VoicePrompt
from speech_service.domain.work import (
    SpeechMade,
    SynthesizeWork,
    Work,
    WorkAudio,
    WorkDone,
    WorkTiming,
)
from speech_service.engines.model_server.client import (
    Deadline,
    RefusedError,
    ServerClient,
    ServerFailedError,
    ServerRole,
    events,
    is_event_stream,
    json_object,
)
from speech_service.engines.model_server.engine import Emit, Ended, ServerEngine
from speech_service.engines.qwen_release.requests import SpeechRequest, checked
from speech_service.engines.speech_budget import finish_of, most_frames
from speech_service.engines.vllm.synthesizer import VllmOmniOptions
from speech_service.media.encode.pcm import pcm_s16le, wav_header

_ROLE = ServerRole("synthesis server", "synthesizer")
_TASKS = {"custom_voice": "CustomVoice", "voice_design": "VoiceDesign", "base": "Base"}
_BYTES_PER_SAMPLE = 2
_MAX_SEED = 2**63 - 1
"""The server takes signed seeds; larger ones are wrapped into its range."""


def vllm_omni_engine(
    options: VllmOmniOptions, capabilities: ModelCapabilities, api_key: str
) -> ServerEngine:
    """Make an engine that speaks on the server of ``options``."""
    server = ServerClient(options, api_key, _ROLE, options.max_batch)

    async def run(work: Work, emit: Emit) -> Ended:
        assert isinstance(work, SynthesizeWork), "the scheduler sends a model its own kind of work"
        return await _VllmUtterance(options, server, checked(work, options.abilities), emit).run()

    return ServerEngine("vllm-omni-synthesizer", capabilities, run, server)


class _VllmUtterance:
    """One work item on its way through the server."""

    def __init__(
        self, options: VllmOmniOptions, server: ServerClient, request: SpeechRequest, emit: Emit
    ) -> None:
        self._options = options
        self._server = server
        self._request = request
        self._work = request.work
        self._emit = emit
        self._pieces = 0
        self._samples = 0
        self._limit = most_frames(request.text, options.max_new_tokens)

    async def run(self) -> WorkDone:
        """Pass all audio on."""
        deadline = Deadline.of(self._work.deadline_s, self._options.deadline_s)
        try:
            await self._server.post(
                "audio/speech",
                self._read,
                deadline,
                body=self._body(),
                may_repeat=lambda: not self._pieces,
            )
        except RefusedError:
            raise _ROLE.refused() from None
        timing = WorkTiming(decode_steps=self._pieces)
        rate_hz = self._options.sample_rate_hz
        finish = finish_of(self._samples, rate_hz, self._limit)
        return WorkDone(self._work.work_id, SpeechMade(rate_hz, finish=finish), timing)

    def _body(self) -> dict[str, object]:
        options, work = self._options, self._work
        body: dict[str, object] = {
            "model": options.model,
            "input": self._request.text,
            "language": self._request.language,
            "task_type": _TASKS[options.kind],
            "response_format": "pcm",
            "stream": True,
            "seed": work.seed & _MAX_SEED,
            "max_new_tokens": self._limit,
        }
        if work.voice:
            body["voice"] = work.voice
        if work.instruct:
            body["instructions"] = work.instruct
        if work.voice_prompt:
            body |= _reference(work.voice_prompt)
        if options.first_chunk_frames:
            body["initial_codec_chunk_frames"] = options.first_chunk_frames
        return body

    async def _read(self, response: httpx2.Response) -> None:
        chunks = _told(response) if is_event_stream(response) else _raw(response)
        odd = b""
        async for chunk in chunks:
            data = odd + chunk
            usable = len(data) - len(data) % _BYTES_PER_SAMPLE
            odd = data[usable:]
            if usable:
                self._pieces += 1
                samples = _samples(data[:usable])
                self._samples += len(samples)
                self._emit(WorkAudio(self._work.work_id, samples, self._options.sample_rate_hz))
        if odd:
            raise ServerFailedError("half a sample at the end")
        if not self._pieces:
            raise ServerFailedError("an answer without audio")


async def _told(response: httpx2.Response) -> AsyncIterator[bytes]:
    """Audio of server-sent events, which have to say where they end."""
    async for data in events(response):
        event = json_object(data)
        kind = event.get("type") if event else None
        if event is None or kind == "speech.audio.error":
            raise ServerFailedError("an error inside the stream")
        if kind == "speech.audio.done":
            return
        if kind == "speech.audio.delta":
            yield _decoded(event.get("audio"))
    raise ServerFailedError("a stream that was cut off")


async def _raw(response: httpx2.Response) -> AsyncIterator[bytes]:
    """The body. That it was cut off shows only in its framing, as an error of the transport."""
    if not response.headers.get("content-type", "").startswith("audio/"):
        raise ServerFailedError("an answer that is no audio")
    async for chunk in response.aiter_bytes():
        yield chunk


def _reference(prompt: VoicePrompt) -> dict[str, object]:
    """The recording as a data URL; without a transcript only the timbre is taken from it."""
    data = pcm_s16le(prompt.samples)
    wav = base64.b64encode(wav_header(VOICE_PROMPT_RATE_HZ, len(data)) + data).decode()
    audio = {"ref_audio": f"data:audio/wav;base64,{wav}"}
    if prompt.transcript:
        return {**audio, "ref_text": prompt.transcript}
    return {**audio, "x_vector_only_mode": True}


def _decoded(audio: object) -> bytes:
    try:
        return base64.b64decode(audio if isinstance(audio, str) else "", validate=True)
    except binascii.Error:
        raise ServerFailedError("audio that is not base64") from None


def _samples(data: bytes) -> Samples:
    """16-bit little-endian to float32 [n], the receiver's own."""
    return np.frombuffer(data, "<i2").astype(np.float32) / np.float32(32768)
