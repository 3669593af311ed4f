"""Checks what a voice is to be made from: a recording that decodes, of a useful length, with its transcript."""

from dataclasses import replace

from speech.v1 import synthesis_service_pb2 as pb
from speech_service.domain.audio import MODEL_RATE_HZ, Samples
from speech_service.domain.errors import InvalidFieldError, LimitExceededError
from speech_service.servicers import convert
from speech_service.servicers.audio_source import make_source, unary_limits
from speech_service.servicers.parts import EdgeParts

MIN_PROMPT_S, MAX_PROMPT_S = 1.0, 60.0
MAX_TRANSCRIPT_CHARACTERS = 2_000
MAX_DESCRIPTION_CHARACTERS = 2_000
_MAX_DECODED_BYTES = 32 * 1024 * 1024


async def check_prompt(parts: EdgeParts, prompt: pb.VoicePrompt, field: str) -> float:
    """Refuse a recording that no model could clone; returns its length in seconds.

    Raises:
        InvalidFieldError: format, audio, its length or the transcript is wrong.
    """
    audio_format = convert.audio_format(prompt.format, f"{field}.format", packets=False)
    if not prompt.audio:
        raise InvalidFieldError(
            f"{field}.audio", "is empty", "a recording of 1 to 60 s", reason="EMPTY_AUDIO"
        )
    _check_length(prompt.transcript, f"{field}.transcript", MAX_TRANSCRIPT_CHARACTERS)
    if not prompt.speaker_embedding_only and not prompt.transcript.strip():
        problem = "is empty"
        raise InvalidFieldError(f"{field}.transcript", problem, "what is said in the recording")
    samples = 0
    too_long = MAX_PROMPT_S * MODEL_RATE_HZ

    async def count(block: Samples) -> None:
        nonlocal samples
        samples += len(block)

    limits = replace(unary_limits(parts.config.decoder), max_decoded_bytes=_MAX_DECODED_BYTES)
    source = make_source(
        audio_format, f"{field}.audio", parts.decoders, limits, False, count, lambda _: None
    )
    piece = 65_536
    try:
        for at in range(0, len(prompt.audio), piece):
            await source.feed(prompt.audio[at : at + piece])
            if samples > too_long:
                break
        else:
            await source.end()
    finally:
        await source.close()
    length_s = samples / MODEL_RATE_HZ
    if not MIN_PROMPT_S <= length_s <= MAX_PROMPT_S:
        problem = f"lasts {length_s:.1f} s" if samples <= too_long else "is too long"
        allowed = f"{MIN_PROMPT_S:g} to {MAX_PROMPT_S:g} s"
        raise InvalidFieldError(f"{field}.audio", problem, allowed, reason="PROMPT_LENGTH")
    return length_s


def check_design(design: pb.VoiceDesign, field: str) -> None:
    """Refuse a description that says nothing, or too much.

    Raises:
        InvalidFieldError: empty or too long.
    """
    if not design.description.strip():
        raise InvalidFieldError(f"{field}.description", "is empty", "what the voice is like")
    _check_length(design.description, f"{field}.description", MAX_DESCRIPTION_CHARACTERS)


def _check_length(text: str, field: str, limit: int) -> None:
    if len(text) > limit:
        raise LimitExceededError(field, "max_characters", limit)
