"""Which pairs of languages there are, and what to say of one that nobody serves."""

from collections.abc import Sequence

from speech_service.domain.errors import (
    InvalidOptionError,
    PreconditionError,
    UnsupportedOptionError,
)
from speech_service.domain.models import Capability, ModelCapabilities
from speech_service.engines.marian import engine as marian
from speech_service.text import bcp47

ANY_PAIR = "any pair"
_GUESSED = "that language was guessed: if it is another, name it, as source_language"
_PAIRS_TOLD = 4
_TOLD_CHARACTERS = 120


def serves_pair(model: ModelCapabilities, source: str, target: str) -> bool:
    """True where the model translates. An empty ``source`` is one that the model finds out itself, which only a model
    of any pair does.
    """
    if Capability.ANY_LANGUAGE_PAIR in model.capabilities:
        return True
    return bool(source) and any(
        bcp47.serves(a, source) and bcp47.serves(b, target) for a, b in model.language_pairs
    )


def listed(model: ModelCapabilities) -> list[str]:
    """The model's pairs as a person reads them; regions of a language are served too."""
    if Capability.ANY_LANGUAGE_PAIR in model.capabilities:
        return [ANY_PAIR]
    return [f"{source} to {target}" for source, target in model.language_pairs]


def model_lacks_pair(
    model: ModelCapabilities,
    source: str,
    target: str,
    option: str = "target_languages",
    *,
    guessed: bool = False,
) -> UnsupportedOptionError:
    """The error for a model that the client chose and that does not have the pair; ``guessed``: nobody named the
    source."""
    problem = f"model {model.name} does not translate from {_named(source)} to {_named(target)}"
    if guessed and source:
        problem += f"; {_GUESSED}"
    return UnsupportedOptionError(option, problem, listed(model))


def no_model_for_pair(
    source: str,
    target: str,
    configured: Sequence[ModelCapabilities] = (),
    *,
    guessed: bool = False,
) -> PreconditionError:
    """The error for a pair that no model of this server has. It names both ways to get a translator.

    Args:
        source: BCP-47 code of the source; "": it is not known.
        target: BCP-47 code of the target.
        configured: the translators that the server has.
        guessed: the client did not name the source, so it may be another: that is said first.
    """
    marian_pairs = ", ".join(f"{a} to {b}" for a, b in marian.LANGUAGE_PAIRS)
    has = "; ".join(
        f"{model.name}: {', '.join(listed(model)[:_PAIRS_TOLD])}" for model in configured
    )
    here = f" (it has {has[:_TOLD_CHARACTERS]})" if has else ""
    guess = f"; {_GUESSED}" if guessed and source else ""
    message = (
        f"no model of this server translates from {_named(source)} to {_named(target)}{here}{guess}. To add one to "
        f'models: kind "translator/marian" has {marian_pairs}; kind "translator/openai" has any pair on an '
        "OpenAI-compatible server, with options.base_url, options.model and, if it wants a key, options.api_key_file"
    )
    return PreconditionError(
        f"{source or 'und'}>{target}", message, reason="NO_TRANSLATOR_FOR_PAIR"
    )


def _named(code: str) -> str:
    """Write a language as people know it: a code alone reads as a word, as "it" does."""
    if not code:
        return "an unnamed language"
    try:
        name = bcp47.english_name(code)
    except InvalidOptionError:  # A guess of a model that has codes of its own.
        name = ""
    return f"{name} ({code})" if name else repr(code)
