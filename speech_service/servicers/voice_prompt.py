"""Reads what a voice is to be made from: a recording that decodes, of a useful length, with its transcript."""

from dataclasses import replace

import numpy as np

from speech.v1 import synthesis_service_pb2 as pb
from speech_service.audio.voice_prompt import MAX_PROMPT_S, check_voice_recording
from speech_service.domain.audio import (
    ContainerFormat,
    OpusPacketsFormat,
    RawFormat,
    Samples,
)
from speech_service.domain.errors import InvalidFieldError, LimitExceededError
from speech_service.domain.synthesis import VOICE_PROMPT_RATE_HZ, VoicePrompt
from speech_service.servicers import convert
from speech_service.servicers.audio_cache import prompt_key
from speech_service.servicers.audio_source import make_source, unary_limits
from speech_service.servicers.parts import EdgeParts

MAX_TRANSCRIPT_CHARACTERS = 2_000
MAX_DESCRIPTION_CHARACTERS = 2_000
_MAX_DECODED_BYTES = 32 * 1024 * 1024
_PIECE_BYTES = 65_536


async def read_prompt(parts: EdgeParts, prompt: pb.VoicePrompt, field: str) -> VoicePrompt:
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
    known = parts.prompt_cache.get(key)
    if isinstance(known, VoicePrompt):
        return known
    samples = await _decoded(parts, audio_format, prompt.audio, f"{field}.audio")
    check_voice_recording(samples, f"{field}.audio")
    made = VoicePrompt(samples, transcript)
    parts.prompt_cache.put(key, made, samples.nbytes)
    return made


async def _decoded(
    parts: EdgeParts,
    audio_format: RawFormat | ContainerFormat | OpusPacketsFormat,
    data: bytes,
    field: str,
) -> Samples:
    """The recording as far as it may last, and a little more where it lasts longer."""
    blocks: list[Samples] = []
    count = 0

    async def keep(block: Samples) -> None:
        nonlocal count
        count += len(block)
        blocks.append(block[:, 0])

    limits = replace(unary_limits(parts.config.decoder), max_decoded_bytes=_MAX_DECODED_BYTES)
    source = make_source(
        audio_format,
        field,
        parts.decoders,
        limits,
        False,
        keep,
        lambda _: None,
        VOICE_PROMPT_RATE_HZ,
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
    return np.concatenate(blocks) if blocks else np.zeros(0, np.float32)


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
        raise LimitExceededError(field, "max_characters", limit)
