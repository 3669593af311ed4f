"""What a client asks of alignment: every option is honoured, refused by name, or (lenient) warned of."""

from dataclasses import dataclass

from speech_service.calls.model_catalog import ModelCatalog
from speech_service.calls.requests.options import given_format, unsupported
from speech_service.domain.alignment import AlignmentOptions, Granularity
from speech_service.domain.audio import AudioFormat
from speech_service.domain.errors import (
    InvalidOptionError,
    LimitExceededError,
    PreconditionError,
    UnsupportedOptionError,
    too_many_characters,
)
from speech_service.domain.events import StreamWarning
from speech_service.domain.models import Capability, ModelCapabilities, ModelKind
from speech_service.domain.recognition import Pacing
from speech_service.text import bcp47
from speech_service.text.script import guess_by_script

MAX_TEXT_CHARACTERS = 1_000_000
_TELLING_CHARACTERS = 2_000
"""Of a text, to tell its language; more makes the guess no better."""
_NEEDED = {
    Granularity.WORD: Capability.ALIGN_WORDS,
    Granularity.PHONE: Capability.ALIGN_PHONES,
    Granularity.CHARACTER: Capability.ALIGN_CHARACTERS,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class WantedAlignment:
    """What a client wrote. Empty: the server decides."""

    audio: AudioFormat | None
    model: str = ""
    language: str = ""
    granularity: Granularity = Granularity.WORD
    pacing: Pacing = Pacing.REALTIME
    lenient: bool = False


@dataclass(frozen=True, slots=True)
class AlignmentRequest:
    """What was asked for, checked, and how it is done."""

    wanted: WantedAlignment
    options: AlignmentOptions
    audio: AudioFormat
    warnings: tuple[StreamWarning, ...] = ()


class AlignmentRequests:
    """Checks requests against the models and fills in the server's defaults."""

    def __init__(self, catalog: ModelCatalog) -> None:
        self._catalog = catalog

    def check(
        self, wanted: WantedAlignment, *, streaming: bool, text: str = ""
    ) -> AlignmentRequest:
        """The request that can be carried out. ``text``: what is known of it, to tell its language where none is given.

        Raises:
            InvalidOptionError: the language is none.
            UnsupportedOptionError: no model, or not the one asked for, has the language or the option.
            ResourceNotFoundError: unknown model.
            PreconditionError: the server has no aligner.
        """
        model, language = self._model(wanted, text)
        audio = given_format(wanted.audio)
        granularity, warnings = wanted.granularity, list[StreamWarning]()
        if _NEEDED[granularity] not in model.capabilities:
            warnings.append(self._lacks(model, wanted))
            granularity = Granularity.WORD
        options = AlignmentOptions(
            model=model.name,
            language=language,
            granularity=granularity,
            pacing=wanted.pacing if streaming else Pacing.FILE,
        )
        return AlignmentRequest(wanted, options, audio, tuple(warnings))

    def _model(self, wanted: WantedAlignment, text: str) -> tuple[ModelCapabilities, str]:
        """The model and its language for the text."""
        code = wanted.language and bcp47.normalize(wanted.language[:65], "language")
        if not code and text:
            guesses = guess_by_script(text[:_TELLING_CHARACTERS])
            code = guesses[0].code if guesses else ""
        aligners = [m for m in self._catalog.models if m.kind is ModelKind.ALIGNER]
        if wanted.model:
            model = self._catalog.find(wanted.model, ModelKind.ALIGNER)
        elif not aligners:
            problem = 'no aligner is configured; add a model of kind "aligner/pocketsphinx"'
            raise PreconditionError("model", problem, reason="NO_ALIGNER")
        else:
            found = self._catalog.aligner_for(code)
            if found is None:
                languages = list(dict.fromkeys(code for m in aligners for code in m.languages))
                raise UnsupportedOptionError("language", f"no aligner has {code!r}", languages)
            model = found
        language = bcp47.best_match(code, model.languages) if code else model.languages[0]
        if language is None:
            problem = f"{code!r} is not a language of model {model.name!r}"
            raise UnsupportedOptionError("language", problem, model.languages)
        return model, language

    def _lacks(self, model: ModelCapabilities, wanted: WantedAlignment) -> StreamWarning:
        """What a lenient client is told, which can live with words."""
        needed = _NEEDED[wanted.granularity]
        error = unsupported("granularity", model, needed, self._catalog.models)
        if not wanted.lenient:
            raise error
        return StreamWarning("OPTION_IGNORED", "granularity", error.problem)


def checked_text(text: str) -> str:
    """The text of a unary request.

    Raises:
        InvalidOptionError: it is blank.
        LimitExceededError: it is too long.
    """
    if not text.strip():
        raise InvalidOptionError("text", "is blank", "what is spoken", reason="EMPTY_TEXT")
    if len(text) > MAX_TEXT_CHARACTERS:
        problem = too_many_characters(len(text), "an alignment")
        raise LimitExceededError("text", "max_text_characters", MAX_TEXT_CHARACTERS, problem)
    return text
