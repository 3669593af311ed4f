"""Every reason of a warning that a client may be given, with what it means and what to do.

The rules of ``reasons`` hold: sites name a reason as a literal, and a test compares.
"""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class WarningReason:
    """A reason of a warning (``Warning.reason``): the call goes on.

    Attributes:
        where: RPCs that can send it.
    """

    name: str
    where: str
    meaning: str
    remedy: str


_ALIGN = "Align, StreamingAlign"
_RECOGNIZE = "Recognize, StreamingRecognize"
_SYNTHESIZE = "Synthesize, SynthesizeChunked, StreamingSynthesize"
_TRANSLATE = "TranslateText, StreamingTranslate"
_INTERPRET = "TranslateSpeech, StreamingTranslate with speech"
_AUDIO_IN = "every RPC that takes audio"

WARNINGS = (
    WarningReason(
        "OPTION_IGNORED",
        f"{_RECOGNIZE}, {_ALIGN}, {_TRANSLATE}",
        "The model lacks the option that `field` names, and the request is lenient: it was left out.",
        "Choose a model that has it, or stop asking for it.",
    ),
    WarningReason(
        "UNSUPPORTED_OPTION",
        _SYNTHESIZE,
        "The model lacks the option that `field` names, and the request is lenient: it was left out.",
        "Choose a model that has it, or stop asking for it.",
    ),
    WarningReason(
        "UNSUPPORTED_LANGUAGE",
        _SYNTHESIZE,
        "The voice does not speak the language asked for, and the request is lenient: it was left out.",
        "Choose a voice of that language.",
    ),
    WarningReason(
        "CONTEXT_CUT",
        _RECOGNIZE,
        "The context has more tokens than the model takes, and the request is lenient: the rest was left out.",
        "Send a shorter context; put what matters first.",
    ),
    WarningReason(
        "AUDIO_TRUNCATED",
        _AUDIO_IN,
        "The file ends before its own header says. What it holds was used; `start_ms` says where it ends.",
        "Send the whole file, if there is more of it.",
    ),
    WarningReason(
        "AUDIO_DAMAGED",
        _AUDIO_IN,
        "A part inside the file is missing or makes no sense. Silence stands in for it, from `start_ms` to `end_ms`.",
        "Send an undamaged file, if there is one.",
    ),
    WarningReason(
        "REPETITION_REPAIRED",
        _RECOGNIZE,
        "The model repeated itself without hearing it; its text was repaired.",
        "Nothing to do.",
    ),
    WarningReason(
        "SPEECH_NOT_DECODED",
        _RECOGNIZE,
        "The model could not be brought back to the audio; words between `start_ms` and `end_ms` may be missing.",
        "Recognize that part again, alone or with another model.",
    ),
    WarningReason(
        "WORD_TIMES_UNAVAILABLE",
        f"{_RECOGNIZE} with `word_times`",
        "A segment gets no word times, because the aligner failed or found none of its words.",
        "Use the times of the segment.",
    ),
    WarningReason(
        "WORD_TIMES_INCOMPLETE",
        f"{_RECOGNIZE} with `word_times`",
        "Some words of a segment were not found in its audio and have no times.",
        "Use the times of the words around them.",
    ),
    WarningReason(
        "WORD_TIMINGS_UNAVAILABLE",
        f"{_SYNTHESIZE} with `timing`",
        "The aligner failed or was too slow; the audio comes without times of its words.",
        "Try again, or align the audio with Align.",
    ),
    WarningReason(
        "WORD_TIMINGS_INCOMPLETE",
        f"{_SYNTHESIZE} with `timing`",
        "Some words were not found in the audio and have no times.",
        "Use the times of the words around them.",
    ),
    WarningReason(
        "NOTHING_TO_SPEAK",
        "StreamingSynthesize",
        "A context ended that held nothing that can be spoken.",
        "Send words in a language of the voice.",
    ),
    WarningReason(
        "UNSPOKEN_TEXT",
        f"{_SYNTHESIZE}, {_INTERPRET}",
        "Some of the text is nothing that the voice can say, and was left out.",
        "Write it in words of the voice's language.",
    ),
    WarningReason(
        "LANGUAGE_NOT_SPOKEN",
        _SYNTHESIZE,
        "The text is in a language that the voice does not speak.",
        "Choose another voice, or name the language.",
    ),
    WarningReason(
        "SPEECH_CUT",
        f"{_SYNTHESIZE}, {_INTERPRET}",
        "The model was stopped at its limit; the speech is not all of the text.",
        "Try another seed, or shorter sentences.",
    ),
    WarningReason(
        "SPEECH_FAILED",
        _INTERPRET,
        "A translation could not be spoken; its text was sent.",
        "Speak it with Synthesize.",
    ),
    WarningReason(
        "ALREADY_IN_TARGET",
        _TRANSLATE,
        "The text is in the target language already and stays as it is.",
        "Nothing to do.",
    ),
    WarningReason(
        "TRANSLATION_FAILED",
        f"{_TRANSLATE}, TranslateSpeech",
        "A part has no translation; the others have. The message says which, and why.",
        "Send that part again.",
    ),
    WarningReason(
        "CONTENT_CHANGED",
        f"{_TRANSLATE}, TranslateSpeech",
        "Not every number, sign or placeholder is in the translation.",
        "Read that part before it is used.",
    ),
    WarningReason(
        "GLOSSARY_TERM_LOST",
        f"{_TRANSLATE}, TranslateSpeech",
        "A translation does not have the words that the glossary sets.",
        "Read that part before it is used.",
    ),
    WarningReason(
        "CUES_NOT_TRANSLATED",
        "TranslateText with `subtitles`",
        "Some cues keep their words; the message lists them.",
        "Send those cues again.",
    ),
    WarningReason(
        "CUE_TAGS_DROPPED",
        "TranslateText with `subtitles`",
        "Some cues lost the tags inside their lines.",
        "Set the tags again where they matter.",
    ),
    WarningReason(
        "GOING_AWAY",
        "SynthesizeChunked",
        "The server is about to stop; what was begun is finished if the time allows.",
        "Make the next call on another server.",
    ),
)
