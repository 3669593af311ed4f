"""Silence that a client declares instead of sending it."""

import numpy as np

from speech_service.media.framing import FrameBuffer
from speech_service.sessions.recognition.channel import RecognitionChannel
from speech_service.sessions.recognition.events import RecognitionAction

VAD_FRAME_SAMPLES = 512
_SILENCE_STEP = 40 * VAD_FRAME_SAMPLES
"""Silence is heard in steps of this size until nothing is open, then skipped but for a last step, which may become
pre-roll: it is longer than any padding."""


def hear_silence(
    channel: RecognitionChannel, buffer: FrameBuffer, samples: int
) -> list[RecognitionAction]:
    """Ten minutes of silence cost no more than what is open needs to end.

    Frames before it that no detection heard (the driver should have caught up) are taken as the frame before them.
    """
    actions = channel.frames(buffer.frames(), None)
    while samples:
        step = min(samples, _SILENCE_STEP)
        frames = buffer.push(np.zeros(step, np.float32))
        actions += channel.frames(frames, [0.0] * len(frames))
        samples -= step
        if channel.idle and samples > _SILENCE_STEP:
            channel.skip(samples - _SILENCE_STEP)
            samples = _SILENCE_STEP
    return actions
