"""Sample-rate conversion of a stream, and what to do with several channels.

Length rule: after ``push(..., last=True)`` the frames that came out are
``round(n * output_hz / input_hz)`` (+-1) for ``n`` that went in, however they were cut into pushes.
soxr compensates its delay: sample 0 stays at time 0.
"""

import numpy as np
from soxr import ResampleStream  # pyright: ignore[reportMissingTypeStubs]

from speech_service.domain.audio import MODEL_RATE_HZ, Samples


class StreamResampler:
    """Resamples float32 [frames, channels] in pieces (soxr HQ). Equal rates pass through."""

    def __init__(
        self, input_hz: int, output_hz: int = MODEL_RATE_HZ, channel_count: int = 1
    ) -> None:
        self.input_hz = input_hz
        self.output_hz = output_hz
        self.channel_count = channel_count
        self._stream = None if input_hz == output_hz else _open(input_hz, output_hz, channel_count)

    def push(self, samples: Samples, *, last: bool = False) -> Samples:
        """Convert the next piece.

        Args:
            samples: float32 [frames, channels]; may be empty.
            last: nothing follows; the tail that the filter holds back comes out.

        Returns:
            float32 [frames', channels]; often empty for a short piece.
        """
        if self._stream is None:
            return samples
        if not len(samples) and not last:
            return samples
        return self._stream.resample_chunk(np.ascontiguousarray(samples), last=last)


def _open(input_hz: int, output_hz: int, channel_count: int) -> "ResampleStream":
    # Imported here: a front end that never resamples does not pay for it.
    return ResampleStream(input_hz, output_hz, channel_count, dtype="float32", quality="HQ")


def downmix(samples: Samples) -> Samples:
    """Mean of the channels: float32 [frames, channels] to [frames]."""
    if samples.shape[1] == 1:
        return samples[:, 0]
    return samples.mean(axis=1, dtype=np.float32)


def select_channel(samples: Samples, channel: int) -> Samples:
    """Give one channel as a contiguous array: float32 [frames, channels] to [frames]."""
    return np.ascontiguousarray(samples[:, channel])
