"""Reads what a voice is to be made from: a recording that decodes, of a useful length, with its transcript."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from speech.v1 import synthesis_service_pb2 as pb
from speech_service.calls.audio_cache import VoicePromptCache, prompt_key
from speech_service.calls.audio_source import AudioInput, make_source, unary_limits
from speech_service.domain.audio import (
    AudioLoss,
    ContainerFormat,
    LossKind,
    OpusPacketsFormat,
    RawFormat,
    Samples,
)
from speech_service.domain.errors import (
    InvalidAudioError,
    InvalidFieldError,
)
from speech_service.domain.synthesis import VOICE_PROMPT_RATE_HZ, VoicePrompt
from speech_service.edge.fields import limit_exceeded
from speech_service.edge.v1 import common as convert
from speech_service.media.voice_prompt import MAX_PROMPT_S, check_voice_recording

MAX_TRANSCRIPT_CHARACTERS = 2_000
MAX_DESCRIPTION_CHARACTERS = 2_000
MAX_MISSING_MS = 200
"""A syllable: more, and the transcript says what is not there."""
_MAX_DECODED_BYTES = 32 * 1024 * 1024
_PIECE_BYTES = 65_536


class PromptReader:
    """Reads recordings that voices are made from."""

    def __init__(self, audio: AudioInput, known: VoicePromptCache) -> None:
        self._audio = audio
        self._known = known

    async def read(self, prompt: pb.VoicePrompt, field: str) -> VoicePrompt:
        """The recording, decoded; what no model could clone is refused. Repeated prompts are decoded once.

        Raises:
            InvalidFieldError: format, audio, its length or the transcript is wrong.
        """
        audio_format = convert.audio_format(prompt.format, f"{field}.format", packets=False)
        if not prompt.audio:
            raise InvalidFieldError(
                f"{field}.audio", "is empty", "a recording of 1 to 60 s", reason="EMPTY_AUDIO"
            )
        _check_length(prompt.transcript, f"{field}.transcript", MAX_TRANSCRIPT_CHARACTERS)
        transcript = "" if prompt.speaker_embedding_only else prompt.transcript.strip()
        if not prompt.speaker_embedding_only and not transcript:
            problem = "is empty"
            raise InvalidFieldError(f"{field}.transcript", problem, "what is said in the recording")
        content = prompt.format.SerializeToString(deterministic=True) + prompt.audio
        key = prompt_key("", content, transcript, embedding_only=prompt.speaker_embedding_only)
        known = self._known.get(key)
        if isinstance(known, VoicePrompt):
            return known
        samples = await self._decoded(audio_format, prompt.audio, f"{field}.audio")
        check_voice_recording(samples, f"{field}.audio")
        made = VoicePrompt(samples, transcript)
        self._known.put(key, made, samples.nbytes)
        return made

    async def _decoded(
        self,
        audio_format: RawFormat | ContainerFormat | OpusPacketsFormat,
        data: bytes,
        field: str,
    ) -> Samples:
        """The recording as far as it may last, and a little more where it lasts longer.

        The transcript says what is in the whole recording, so little of it may be missing.
        """
        blocks: list[Samples] = []
        losses: list[AudioLoss] = []
        count = 0

        async def keep(block: Samples) -> None:
            nonlocal count
            count += len(block)
            blocks.append(block[:, 0])

        limits = replace(unary_limits(self._audio.config), max_decoded_bytes=_MAX_DECODED_BYTES)
        source = make_source(
            audio_format,
            self._audio.decoders,
            limits,
            False,
            keep,
            lambda _: None,
            lambda loss, _: losses.append(loss),
            _nothing,
            VOICE_PROMPT_RATE_HZ,
            field,
        )
        try:
            for at in range(0, len(data), _PIECE_BYTES):
                await source.feed(data[at : at + _PIECE_BYTES])
                if count > MAX_PROMPT_S * VOICE_PROMPT_RATE_HZ:
                    break
            else:
                await source.end()
        finally:
            await source.close()
        _check_losses(losses, field)
        return np.concatenate(blocks) if blocks else np.zeros(0, np.float32)


async def _nothing() -> None:
    """All of the recording is sent anyway."""


def _check_losses(losses: Sequence[AudioLoss], field: str) -> None:
    """A part of unknown length counts as none: an MP3 that is cut in its last frame is whole to any player."""
    known = [loss for loss in losses if loss.end_ms is not None]
    missing_ms = sum((loss.end_ms or 0) - loss.start_ms for loss in known)
    if missing_ms > MAX_MISSING_MS:
        problem = f"{missing_ms} ms of the recording are missing or damaged, from {known[0].start_ms} ms on"
        raise InvalidAudioError(field, problem, f"at most {MAX_MISSING_MS} ms")
    if any(loss.kind is LossKind.DAMAGED and loss.end_ms is None for loss in losses):
        raise InvalidAudioError(field, "it is corrupt")


def check_design(design: pb.VoiceDesign, field: str) -> str:
    """The description of a voice.

    Raises:
        InvalidFieldError: it says nothing, or too much.
    """
    description = design.description.strip()
    if not description:
        raise InvalidFieldError(f"{field}.description", "is empty", "what the voice is like")
    _check_length(description, f"{field}.description", MAX_DESCRIPTION_CHARACTERS)
    return description


def _check_length(text: str, field: str, limit: int) -> None:
    if len(text) > limit:
        raise limit_exceeded(field, "max_characters", limit)
