"""A detector by loudness: no model, no package, deterministic."""

import numpy as np

from speech_service.config.tree import Level, Settings
from speech_service.domain.audio import Samples
from speech_service.protocols import Vad, VadStream


class FakeVadOptions(Settings, frozen=True):
    """Options of ``fake``."""

    threshold_dbfs: Level = -40.0
    """A frame at least this loud (RMS relative to full scale) is speech."""


def build(options: FakeVadOptions) -> Vad:
    """Make the detector."""
    return LoudnessVad(options.threshold_dbfs)


class LoudnessVad:
    """Implements ``protocols.Vad``."""

    def __init__(self, threshold_dbfs: float) -> None:
        self._min_power = 10 ** (threshold_dbfs / 10)

    def open(self) -> VadStream:
        """Start a stream; there is no state."""
        return _LoudnessStream(self._min_power)


class _LoudnessStream:
    """Implements ``protocols.VadStream``."""

    def __init__(self, min_power: float) -> None:
        self._min_power = min_power

    async def probabilities(self, frames: Samples) -> Samples:
        """1.0 for loud frames, else 0.0: float32 [k, 512] -> float32 [k]."""
        powers = np.vecdot(frames, frames) / frames.shape[1]
        loud: Samples = (powers >= self._min_power).astype(np.float32)
        return loud
