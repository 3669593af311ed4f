"""What a Qwen3-TTS model that is not the service's own can be asked for: everything else is refused by name."""

from dataclasses import dataclass

from speech_service.domain.errors import UnsupportedOptionError
from speech_service.domain.work import SynthesizeWork
from speech_service.engines.qwen_release.synthesis import NAMES, Abilities, check
from speech_service.engines.speaking import nothing_spoken
from speech_service.text.clean import clean, is_speakable

AUTO = "Auto"
"""Name of no language in particular: the model goes by the text."""


@dataclass(frozen=True, slots=True)
class SpeechRequest:
    """A checked work item. ``language`` is the release's name of it."""

    text: str
    language: str
    work: SynthesizeWork


def checked(work: SynthesizeWork, abilities: Abilities) -> SpeechRequest:
    """The work as it can be asked for, its text without what no one can say.

    Raises:
        UnsupportedOptionError: the model lacks the voice, the language or an option.
        InvalidOptionError: there is nothing to speak, or no voice is described.
        PreconditionError: no voice is given to a model that clones.
    """
    check(work, abilities)
    if work.language and work.language not in abilities.languages:
        problem = f"{work.language[:35]!r} is no language of this model"
        raise UnsupportedOptionError("language", problem, abilities.languages)
    text = clean(work.text)
    if not is_speakable(text):
        raise nothing_spoken(work.voice)
    return SpeechRequest(text, NAMES[work.language].capitalize() if work.language else AUTO, work)


LANGUAGES = tuple(tag for tag in NAMES if "-" not in tag)
"""Tags that can be asked for. Dialects are none of them: a speaker has one, and speaks it where the text is Chinese."""
