"""What a recording must be for a voice to be cloned from it."""

import numpy as np

from speech_service.domain.audio import Samples
from speech_service.domain.errors import InvalidAudioError, InvalidOptionError
from speech_service.domain.synthesis import VOICE_PROMPT_RATE_HZ

MIN_PROMPT_S, MAX_PROMPT_S = 1.0, 60.0
SILENCE_RMS = 1e-3
"""Level of the loudest tenth of a second, -60 dB of full scale. Below it is nothing that a voice could be heard in."""
_BLOCK = VOICE_PROMPT_RATE_HZ // 10


def check_voice_recording(samples: Samples, option: str) -> None:
    """Refuse a recording that no model could clone.

    Args:
        samples: float32 [n], 24 kHz mono.
        option: what the recording is to the request, for errors.

    Raises:
        InvalidOptionError: it is too short or too long.
        InvalidAudioError: it holds numbers that are not finite, or nothing but silence.
    """
    length_s = len(samples) / VOICE_PROMPT_RATE_HZ
    if not MIN_PROMPT_S <= length_s <= MAX_PROMPT_S:
        allowed = f"{MIN_PROMPT_S:g} to {MAX_PROMPT_S:g} s"
        problem = f"lasts {length_s:.1f} s"
        raise InvalidOptionError(option, problem, allowed, reason="PROMPT_LENGTH")
    if not np.isfinite(samples).all():
        raise InvalidAudioError(option, "holds samples that are not finite numbers")
    blocks = samples[: len(samples) // _BLOCK * _BLOCK].reshape(-1, _BLOCK)
    if np.sqrt(np.square(blocks, dtype=np.float64).mean(axis=1)).max() < SILENCE_RMS:
        raise InvalidAudioError(
            option, "is silent", "a recording of speech", reason="PROMPT_SILENT"
        )
