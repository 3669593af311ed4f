"""Any server that speaks OpenAI's chat completions: any pair of languages, as well as its model can.

The client is httpx2 (BSD-3-Clause), not the openai package: measured 0.1 s of CPU and 19 MB to import against 0.4 s and
43 MB, and of the package only one call would be used, whose retries and error texts do not fit (they quote the server).

The server's address and key come from the configuration alone: no proxy, key or certificate of the environment is used.
"""

from typing import TYPE_CHECKING, Literal

from speech_service.config.tree import Count, Level
from speech_service.domain.models import Capability, ModelCapabilities, ModelKind
from speech_service.engines.model_server.options import ServerOptions, check_server, read_key
from speech_service.engines.shared import SharedModels

if TYPE_CHECKING:
    from speech_service.engines.model_server.engine import ServerEngine


class OpenAiOptions(ServerOptions, frozen=True):
    """Options of ``translator/openai``."""

    streaming: bool = False
    """Takes answers as they are written; one that runs away is then stopped early."""
    temperature: Level = 0.0
    """Negative: none is sent, for models that take none."""
    limit_field: Literal["max_tokens", "max_completion_tokens", ""] = "max_tokens"
    """What the server calls the limit of an answer; empty: none is sent."""
    max_answer_tokens: Count = 0
    """That limit; 0: four for each character asked about, which no translation needs."""
    json_mode: bool = False
    """Asks for answers that are JSON; for servers that have this mode."""
    batch_texts: Count = 20
    """Texts in one request."""
    batch_chars: Count = 3000
    """Characters in one request; a longer text is cut at sentences."""
    max_requests: Count = 4
    """Requests under way at once."""
    max_useless_answers: Count = 16
    """Answers in a row without a usable text after which the work is given up."""


def describe(options: OpenAiOptions) -> ModelCapabilities:
    """What the server is taken to do; it is not asked.

    Raises:
        ConfigError: an option that is required is missing or wrong.
    """
    check_server(options, positive=("batch_texts", "batch_chars", "max_requests"))
    return ModelCapabilities(
        name="openai",
        kind=ModelKind.TRANSLATOR,
        capabilities=frozenset(
            {
                Capability.ANY_LANGUAGE_PAIR,
                Capability.CONTEXT_TEXT,
                Capability.DO_NOT_TRANSLATE,
                Capability.GLOSSARY,
            }
        ),
        licence="the server's",
        description=f"{options.model} on an OpenAI-compatible server",
        max_batch=options.max_batch,
        probe=False,
    )


def build(options: OpenAiOptions, shared: SharedModels) -> "ServerEngine":
    """Make one lane's engine; the server is not asked for anything yet.

    Raises:
        ConfigError: an option is wrong, or the key's file cannot be read.
        ImportError: httpx2 is not installed.
    """
    del shared  # nothing is loaded
    from speech_service.engines.openai.engine import openai_engine

    return openai_engine(options, describe(options), read_key(options.api_key_file))
