"""How long speech of a text may last, for models that would go on for ever once they have lost the text.

The service's own engine counts tokens (``engines/qwen3/tts/reading.py``). Where the tokenizer is another's, characters
are counted: slower than this speaks nobody.
"""

import math

from speech_service.domain.synthesis import SpeechFinish

FRAMES_PER_S = 12.5
"""Of Qwen3-TTS; each is one token of the model."""
_SPARE_S = 4.0
_LETTER_S = 0.3
_SIGN_S = 1.0
"""A digit or a sign may be a word of its own, and so is a letter of a script without spaces."""
_FIRST_WIDE = 0x0E00
"""Thai and what stands behind it: scripts whose letters say more."""


def most_frames(text: str, at_most: int) -> int:
    """Frames that speech of ``text`` may take: in proportion to it, and never more than ``at_most``."""
    seconds = _SPARE_S + sum(
        _LETTER_S if char.isspace() or (char.isalpha() and ord(char) < _FIRST_WIDE) else _SIGN_S
        for char in text
    )
    return min(math.ceil(seconds * FRAMES_PER_S), at_most)


def finish_of(samples: int, sample_rate_hz: int, limit_frames: int) -> SpeechFinish:
    """Whether audio is so long that the model did not stop by itself, where its maker does not say.

    The last token may be the end itself: audio of one frame less than the limit is as long as it gets.
    """
    longest = (limit_frames - 1) * sample_rate_hz / FRAMES_PER_S
    return SpeechFinish.LENGTH_LIMIT if samples >= longest else SpeechFinish.COMPLETE
