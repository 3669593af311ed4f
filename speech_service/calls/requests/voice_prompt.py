"""What a voice is to be made from: a recording that decodes, of a useful length, with its transcript; or words."""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

import numpy as np

from speech_service.calls.audio.source import AudioInput, make_source, unary_limits
from speech_service.calls.speech.audio_cache import VoicePromptCache, prompt_key
from speech_service.domain.audio import AudioFormat, AudioLoss, LossKind, Samples
from speech_service.domain.errors import (
    InvalidAudioError,
    InvalidOptionError,
    LimitExceededError,
    SpeechError,
)
from speech_service.domain.synthesis import VOICE_PROMPT_RATE_HZ, VoicePrompt
from speech_service.media.voice_prompt import MAX_PROMPT_S, check_voice_recording

MAX_TRANSCRIPT_CHARACTERS = 2_000
MAX_DESCRIPTION_CHARACTERS = 2_000
MAX_MISSING_MS = 200
"""A syllable: more, and the transcript says what is not there."""
_MAX_DECODED_BYTES = 32 * 1024 * 1024
_PIECE_BYTES = 65_536


@dataclass(frozen=True, slots=True)
class RecordedVoice:
    """A recording as a client sent it, with what is said in it."""

    audio_format: AudioFormat | SpeechError
    """Or why it is none."""
    audio: bytes = field(repr=False)
    transcript: str = field(repr=False)
    timbre_only: bool = False
    """Nothing but the speaker's timbre is taken from it; the transcript is not needed."""


class VoiceRecordings:
    """Decodes recordings; what no model could clone is refused. Repeated ones are decoded once."""

    def __init__(self, audio: AudioInput, known: VoicePromptCache) -> None:
        self._decoders = audio.decoders
        self._limits = replace(unary_limits(audio.config), max_decoded_bytes=_MAX_DECODED_BYTES)
        self._known = known

    async def read(self, recorded: RecordedVoice, option: str, tenant: str) -> VoicePrompt:
        """The voice prompt of a recording of a tenant, which is ``option`` of a request.

        Raises:
            InvalidOptionError: the audio, its length or the transcript is wrong.
        """
        if isinstance(recorded.audio_format, SpeechError):
            raise recorded.audio_format
        if not recorded.audio:
            allowed = "a recording of 1 to 60 s"
            raise InvalidOptionError(f"{option}.audio", "is empty", allowed, reason="EMPTY_AUDIO")
        _check_length(recorded.transcript, f"{option}.transcript", MAX_TRANSCRIPT_CHARACTERS)
        transcript = "" if recorded.timbre_only else recorded.transcript.strip()
        if not recorded.timbre_only and not transcript:
            allowed = "what is said in the recording"
            raise InvalidOptionError(f"{option}.transcript", "is empty", allowed)
        content = repr(recorded.audio_format).encode() + recorded.audio
        only = recorded.timbre_only
        key = prompt_key(content, transcript, embedding_only=only, tenant=tenant)
        known = self._known.get(key)
        if isinstance(known, VoicePrompt):
            return known
        samples = await self._decoded(recorded.audio_format, recorded.audio, f"{option}.audio")
        check_voice_recording(samples, f"{option}.audio")
        made = VoicePrompt(samples, transcript)
        self._known.put(key, made, samples.nbytes)
        return made

    async def _decoded(self, audio_format: AudioFormat, audio: bytes, option: str) -> Samples:
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

        source = make_source(
            audio_format,
            self._decoders,
            self._limits,
            False,
            keep,
            lambda _: None,
            lambda loss, _: losses.append(loss),
            _nothing,
            VOICE_PROMPT_RATE_HZ,
            option,
        )
        try:
            for at in range(0, len(audio), _PIECE_BYTES):
                await source.feed(audio[at : at + _PIECE_BYTES])
                if count > MAX_PROMPT_S * VOICE_PROMPT_RATE_HZ:
                    break
            else:
                await source.end()
        finally:
            await source.close()
        _check_losses(losses, option)
        return np.concatenate(blocks) if blocks else np.zeros(0, np.float32)


async def _nothing() -> None:
    """All of the recording is sent anyway."""


def _check_losses(losses: Sequence[AudioLoss], option: str) -> None:
    """A part of unknown length counts as none: an MP3 that is cut in its last frame is whole to any player."""
    known = [loss for loss in losses if loss.end_ms is not None]
    missing_ms = sum((loss.end_ms or 0) - loss.start_ms for loss in known)
    if missing_ms > MAX_MISSING_MS:
        problem = f"{missing_ms} ms of the recording are missing or damaged, from {known[0].start_ms} ms on"
        raise InvalidAudioError(option, problem, f"at most {MAX_MISSING_MS} ms")
    if any(loss.kind is LossKind.DAMAGED and loss.end_ms is None for loss in losses):
        raise InvalidAudioError(option, "it is corrupt")


def checked_description(design: str) -> str:
    """The description of a voice, which is ``design`` of a request.

    Raises:
        InvalidOptionError: it says nothing, or too much.
    """
    description = design.strip()
    if not description:
        raise InvalidOptionError("design.description", "is empty", "what the voice is like")
    _check_length(description, "design.description", MAX_DESCRIPTION_CHARACTERS)
    return description


def _check_length(text: str, option: str, limit: int) -> None:
    if len(text) > limit:
        raise LimitExceededError(option, "max_characters", limit)
