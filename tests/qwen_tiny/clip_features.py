"""Features as the official package makes them: under the clip policy, where every sample may change every frame."""

import torch

from speech_service.domain.audio import Samples
from speech_service.engines.qwen3.asr.features import Features
from speech_service.engines.qwen3.encoder.mel import MelFloor, log_mel
from speech_service.engines.qwen3.encoder.network import MelWindow
from speech_service.engines.qwen3.nn.shapes import AudioShape


class ClipFeatures:
    """Implements ``SegmentFeatures``: nothing is ever final. Audio has to have 201 samples at least."""

    def __init__(self, shape: AudioShape) -> None:
        self._shape = shape

    def grow(self, samples: Samples) -> Features:
        """Compute all of it."""
        bins, size = self._shape.mel_bins, self._shape.window_frames
        windows = log_mel(torch.from_numpy(samples.copy()), bins, size, MelFloor.CLIP).split(
            size, dim=1
        )
        return Features((), tuple(MelWindow(each, is_clip=len(windows) == 1) for each in windows))
