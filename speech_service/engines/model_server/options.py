"""Where a server is and how long it is waited for. Imports nothing heavy: ``describe`` needs it."""

from collections.abc import Sequence
from pathlib import Path
from urllib.parse import urlsplit

from speech_service.config.tree import Amount, ConfigError, Count, Settings


class ServerOptions(Settings, frozen=True):
    """Options of every backend that asks a server."""

    base_url: str = ""
    """Address up to and with the version, e.g. ``http://127.0.0.1:8000/v1``; required."""
    model: str = ""
    """What the server calls the model; required."""
    api_key_file: str = ""
    """File that holds the key; empty: none is sent."""
    ca_file: str = ""
    """Certificates that sign the server's; empty: those of the system."""
    timeout_s: Amount = 60.0
    """One request, from connecting to the last byte."""
    deadline_s: Amount = 180.0
    """All requests of one piece of work, retries and waiting included."""
    max_retries: Count = 3
    """How often a request is repeated after a failure of the server."""
    max_batch: Count = 16
    """Pieces of work under way at once."""


def check_server(options: ServerOptions, positive: Sequence[str] = ()) -> None:
    """Refuse options that no server can be asked with.

    Args:
        options: a backend's options.
        positive: names of further options that must be above 0.

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
    if options.ca_file and not Path(options.ca_file).is_file():
        raise ConfigError("ca_file: is no file; name the certificates, or leave it empty")
    for name in ("timeout_s", "deadline_s", "max_batch", *positive):
        if getattr(options, name) <= 0:
            raise ConfigError(f"{name}: must be above 0")


def read_key(file: str) -> str:
    """The key in ``file``; "" where no file is named.

    Raises:
        ConfigError: the file cannot be read or does not hold a key.
    """
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
