"""Which pairs of languages there are, and what to say of one that nobody serves."""

from collections.abc import Sequence

from speech_service.domain.errors import PreconditionError, UnsupportedOptionError
from speech_service.domain.models import Capability, ModelCapabilities
from speech_service.engines.marian import engine as marian
from speech_service.text import bcp47

ANY_PAIR = "any pair"


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
    model: ModelCapabilities, source: str, target: str, option: str = "target_languages"
) -> UnsupportedOptionError:
    """The error for a model that the client chose and that does not have the pair."""
    problem = (
        f"model {model.name} does not translate from {source or 'an unnamed language'} to {target}"
    )
    return UnsupportedOptionError(option, problem, listed(model))


def no_model_for_pair(
    source: str, target: str, configured: Sequence[str] = ()
) -> PreconditionError:
    """The error for a pair that no model of this server has. It names both ways to get a translator.

    Args:
        source: BCP-47 code of the source.
        target: BCP-47 code of the target.
        configured: names of the translators that the server has.
    """
    marian_pairs = ", ".join(f"{a} to {b}" for a, b in marian.LANGUAGE_PAIRS)
    here = f" (it has {', '.join(configured)})" if configured else ""
    message = (
        f"no model of this server translates from {source} to {target}{here}. Add one to models: kind "
        f'"translator/marian" has {marian_pairs} without any server; kind "translator/openai" has any pair on an '
        "OpenAI-compatible server, with options.base_url, options.model and, if it wants a key, options.api_key_file"
    )
    return PreconditionError(f"{source}>{target}", message, reason="NO_TRANSLATOR_FOR_PAIR")
