"""Any server that speaks OpenAI's chat completions: any pair of languages, as well as its model can.

The client is httpx2 (BSD-3-Clause), not the openai package: measured 0.1 s of CPU and 19 MB to import against 0.4 s and
43 MB, and of the package only one call would be used, whose retries and error texts do not fit (they quote the server).

The server's address and key come from the configuration alone: no proxy, key or certificate of the environment is used.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal
from urllib.parse import urlsplit

from speech_service.config import ConfigError
from speech_service.domain.models import Capability, ModelCapabilities, ModelKind
from speech_service.engines.shared import SharedModels

if TYPE_CHECKING:
    from speech_service.engines.translators.openai.engine import OpenAiTranslator


@dataclass(frozen=True, slots=True)
class Options:
    """Options of ``translator/openai``."""

    base_url: str = ""
    """Address up to and with the version, e.g. ``http://127.0.0.1:8000/v1``; required."""
    model: str = ""
    """What the server calls the model; required."""
    api_key_file: str = ""
    """File that holds the key; empty: none is sent."""
    ca_file: str = ""
    """Certificates that sign the server's; empty: those of the system."""
    timeout_s: float = 60.0
    """One request, from connecting to the last byte."""
    deadline_s: float = 180.0
    """All requests of one item, retries and waiting included."""
    max_retries: int = 3
    """How often a request is repeated after a failure of the server."""
    streaming: bool = False
    """Takes answers as they are written; one that runs away is then stopped early."""
    temperature: float = 0.0
    """Negative: none is sent, for models that take none."""
    limit_field: Literal["max_tokens", "max_completion_tokens", ""] = "max_tokens"
    """What the server calls the limit of an answer; empty: none is sent."""
    max_answer_tokens: int = 0
    """That limit; 0: four for each character asked about, which no translation needs."""
    json_mode: bool = False
    """Asks for answers that are JSON; for servers that have this mode."""
    batch_texts: int = 20
    """Texts in one request."""
    batch_chars: int = 3000
    """Characters in one request; a longer text is cut at sentences."""
    max_requests: int = 4
    """Requests under way at once."""
    max_batch: int = 16
    """Items worked on at once."""
    max_useless_answers: int = 16
    """Answers in a row without a usable text after which an item is given up."""


def describe(options: Options) -> ModelCapabilities:
    """What the server is taken to do; it is not asked.

    Raises:
        ConfigError: an option that is required is missing or wrong.
    """
    url = urlsplit(options.base_url)
    if url.scheme not in ("http", "https") or not url.hostname or url.query or url.fragment:
        raise ConfigError("base_url: an address such as http://127.0.0.1:8000/v1 is required")
    if url.username is not None or url.password is not None:
        raise ConfigError("base_url: holds a password; name the key's file in api_key_file")
    if not options.model:
        raise ConfigError("model: the server's name of the model is required")
    for name in (
        "timeout_s",
        "deadline_s",
        "batch_texts",
        "batch_chars",
        "max_requests",
        "max_batch",
    ):
        if getattr(options, name) <= 0:
            raise ConfigError(f"{name}: must be above 0")
    return ModelCapabilities(
        name="openai",
        kind=ModelKind.TRANSLATOR,
        languages=(),
        sample_rate_hz=0,
        max_segment_ms=0,
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


def build(options: Options, shared: SharedModels) -> "OpenAiTranslator":
    """Make one lane's engine; the server is not asked for anything yet.

    Raises:
        ConfigError: an option is wrong, or the key's file cannot be read.
        ImportError: httpx2 is not installed.
    """
    del shared  # nothing is loaded
    from speech_service.engines.translators.openai.client import ChatClient
    from speech_service.engines.translators.openai.engine import OpenAiTranslator

    capabilities = describe(options)
    client = ChatClient(options, _key(options.api_key_file))
    return OpenAiTranslator(options, capabilities, client)


def _key(file: str) -> str:
    if not file:
        return ""
    try:
        key = Path(file).read_text().strip()
    except (OSError, UnicodeDecodeError) as error:
        problem = getattr(error, "strerror", None) or "is not text"
        raise ConfigError(f"api_key_file: cannot be read: {problem}") from error
    if not key or not key.isascii() or not key.isprintable():
        raise ConfigError("api_key_file: must hold one line with the key")
    return key
