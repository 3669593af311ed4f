"""Tells a client that its text is in a language which the voice does not speak.

Only where that is certain. A short text, a name, a single foreign word or code tells nothing, and a wrong guess must
not trouble anyone who writes what the voice speaks. Nothing is refused: a voice that can make no sound of a script says
so itself.
"""

from speech_service.calls.language_guess import Guesses, identify
from speech_service.calls.requests.synthesis import SynthesisRequest
from speech_service.calls.session_tools import SessionTools
from speech_service.calls.speech.audio_cache import LruCache, text_key
from speech_service.calls.unary_work import WorkDesk
from speech_service.domain.call import Call
from speech_service.domain.events import StreamWarning
from speech_service.domain.synthesis import LANGUAGE_NOT_SPOKEN
from speech_service.text.script import guess_by_script, scripts

_ENOUGH_CHARACTERS = 240
"""From here on more text makes the guess no better."""
_LEAST_LETTERS = 20
_LEAST_WORDS = 3
"""In lower case: names tell nothing."""
_LEAST_OF_SCRIPT = 3
"""Letters of a script that the voice's languages are not written in: they tell at once."""
_SURE, _SURE_SHORT = 0.8, 0.9
_SHORT_LETTERS = 40
_LATIN = "Latn"
_KNOWN_BYTES, _KNOWN_TEXTS = 256 * 1024, 4_096


class KnownLanguages(LruCache[str]):
    """Languages of texts that were judged: speech out of a cache needs no worker to say it again."""

    def __init__(self) -> None:
        super().__init__(_KNOWN_BYTES, _KNOWN_TEXTS)


class SpokenLanguage:
    """Of one session: collects each context's text until it tells its language."""

    def __init__(
        self, tools: SessionTools, identifier: str, known: KnownLanguages, call: Call
    ) -> None:
        self._tools = tools
        self._identifier = identifier
        self._known = known
        self._call = call
        self._desk: WorkDesk | None = None
        self._texts: dict[str, str] = {}
        """Text of contexts that are not judged yet."""
        self._judged: set[str] = set()

    def heard(self, context_id: str, text: str) -> str | None:
        """More text of a context. Returns all of it once it is enough to judge, and then never again."""
        if context_id in self._judged:
            return None
        text = self._texts.get(context_id, "") + text
        self._texts[context_id] = text
        return self.ended(context_id) if len(text) >= _ENOUGH_CHARACTERS else None

    def ended(self, context_id: str) -> str | None:
        """No more text follows soon: what there is, where it was not judged and may tell anything."""
        text = self._texts.pop(context_id, None)
        if text is None or context_id in self._judged:
            return None
        self._judged.add(context_id)
        text = text[:_ENOUGH_CHARACTERS]  # the same, however it came
        return text if _tells(text) else None

    def opened_again(self, context_id: str) -> None:
        """The context's id may be used for another text."""
        self._judged.discard(context_id)

    @property
    def waiting(self) -> tuple[str, ...]:
        """Contexts that were not judged."""
        return tuple(self._texts)

    async def judge(self, text: str, request: SynthesisRequest) -> StreamWarning | None:
        """The warning for text in a language that the voice of ``request`` does not speak; None: it may be spoken."""
        spoken = {
            tag.lower().split("-")[0] for tag in request.voice.languages or request.model.languages
        }
        if not spoken:
            return None
        language = await self._language(text)
        if not language or language in spoken:
            return None
        return StreamWarning(
            LANGUAGE_NOT_SPOKEN,
            "text",
            f"the text is in {language!r}, which voice {request.voice.voice_id!r} does not speak "
            f"(it speaks: {', '.join(sorted(spoken))}); choose another voice, or name the language",
        )

    async def _language(self, text: str) -> str:
        known, key = self._known, text_key(text, self._call.principal.tenant)
        found = known.get(key)
        if found is None:
            self._desk = self._desk or WorkDesk(self._tools, self._call)
            (guesses,) = await identify(self._desk, self._identifier, [text])
            found = _certain(text, guesses)
            known.put(key, found, len(key) + len(found))
        return found


def _certain(text: str, guesses: Guesses) -> str:
    """The language, where there is no doubt; else empty."""
    if not guesses:
        return ""
    best = guesses[0]
    by_script = {guess.code.split("-")[0] for guess in guess_by_script(text)}
    code = best.code.lower().split("-")[0]
    if code in by_script and _LATIN not in scripts(text):
        return code
    least = _SURE_SHORT if _letters(text) < _SHORT_LETTERS else _SURE
    return code if best.probability is not None and best.probability >= least else ""


def _tells(text: str) -> bool:
    """Whether there is enough of it: some words, or letters that only a few languages have."""
    found = scripts(text)
    if found and _LATIN not in found:
        return sum(found.values()) >= _LEAST_OF_SCRIPT
    plain = sum(word[0].islower() for word in text.split())
    return _letters(text) >= _LEAST_LETTERS and plain >= _LEAST_WORDS


def _letters(text: str) -> int:
    return sum(map(str.isalpha, text))
