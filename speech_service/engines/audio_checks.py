"""What every recognizer and aligner asks of its audio."""

import numpy as np

from speech_service.domain.audio import Samples
from speech_service.domain.errors import InvalidAudioError


def checked(samples: Samples, min_samples: int = 0) -> Samples:
    """The audio, with silence behind it where it is shorter than ``min_samples``.

    Args:
        samples: float32 [n].
        min_samples: what the model needs at least.

    Raises:
        InvalidAudioError: it is empty, or holds samples that are not finite numbers.
    """
    problem = audio_problem(samples)
    if problem is not None:
        raise problem
    if len(samples) >= min_samples:
        return samples
    padded = np.zeros(min_samples, np.float32)
    padded[: len(samples)] = samples
    return padded


def audio_problem(samples: Samples) -> InvalidAudioError | None:
    """Give the error of audio that no model can take; None: it is fine."""
    if not len(samples):
        return InvalidAudioError("audio", "is empty")
    if not np.isfinite(samples).all():
        return InvalidAudioError("audio", "holds samples that are not finite numbers")
    return None
