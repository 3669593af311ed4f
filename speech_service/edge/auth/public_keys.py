"""Public keys of an issuer of tokens (JWKS, RFC 7517), from a file or an address. Both keep what was usable last."""

import asyncio
import ipaddress
import json
import time
from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Any, Protocol, cast
from urllib.parse import urlsplit

import httpx2
import jwt
from loguru import logger

from speech_service.config.tree import ConfigError, JwtConfig
from speech_service.edge.auth.watched_file import WatchedFile
from speech_service.protocols import Observer

KEY = "auth.jwt.jwks"
MAX_BYTES = 1024 * 1024
_FETCH_TIMEOUT_S = 5.0
_MIN_PAUSE_S = 10.0
"""Between two looks for a key that is not known: tokens with made-up keys must not make the issuer busy."""
_FAMILIES = {
    "RSA": ("RS256", "RS384", "RS512", "PS256", "PS384", "PS512"),
    "EC": ("ES256", "ES384", "ES512", "ES256K"),
    "OKP": ("EdDSA",),
}
PUBLIC_KEY_ALGORITHMS = tuple(name for family in _FAMILIES.values() for name in family)


class PublicKeys:
    """The keys of one document."""

    def __init__(self, keys: Mapping[tuple[str, str], jwt.PyJWK]) -> None:
        """``keys``: by their id and the algorithm that they are used with."""
        self._keys = keys

    def find(self, key_id: str, algorithm: str) -> jwt.PyJWK | None:
        """The key; without an id the only one of that algorithm."""
        if key_id:
            return self._keys.get((key_id, algorithm))
        fitting = [key for (_, name), key in self._keys.items() if name == algorithm]
        return fitting[0] if len(fitting) == 1 else None


class KeySource(Protocol):
    """Where the keys come from."""

    @property
    def keys(self) -> PublicKeys | None:
        """Those in force; None: none could be read yet."""
        ...

    async def look_again(self) -> bool:
        """A key is missing: look whether there are new ones. False: nobody answers, so that it may well exist."""
        ...

    async def watch(self) -> None:
        """Keep them fresh; never returns."""
        ...

    async def reload(self) -> None:
        """Read them now. Never fails."""
        ...


def parse_keys(data: bytes, algorithms: Collection[str]) -> PublicKeys:
    """Read a JWKS document. Keys for other uses or other algorithms, and secret ones, are left out.

    Raises:
        ConfigError: it is none, or no key of it can be used.
    """
    try:
        document: object = json.loads(data)
    except (ValueError, RecursionError):
        raise ConfigError(f"{KEY}: the document is not JSON") from None
    listed: object = cast("Any", document).get("keys") if isinstance(document, dict) else None
    if not isinstance(listed, list):
        raise ConfigError(f'{KEY}: the document has no list "keys"')
    found: dict[tuple[str, str], jwt.PyJWK] = {}
    for item in cast("list[object]", listed):
        if isinstance(item, dict):
            found |= _usable(cast("dict[str, Any]", item), algorithms)
    if not found:
        raise ConfigError(f"{KEY}: no key of the document can be used with {', '.join(algorithms)}")
    return PublicKeys(found)


def _usable(item: dict[str, Any], algorithms: Collection[str]) -> dict[tuple[str, str], jwt.PyJWK]:
    family = _FAMILIES.get(str(item.get("kty")), ())
    if item.get("use", "sig") != "sig" or not isinstance(item.get("kid", ""), str):
        return {}
    public = {name: value for name, value in item.items() if name not in ("d", "k")}
    found: dict[tuple[str, str], jwt.PyJWK] = {}
    for algorithm in family:
        if algorithm in algorithms and item.get("alg", algorithm) == algorithm:
            try:
                found[item.get("kid", ""), algorithm] = jwt.PyJWK(public, algorithm)
            except jwt.PyJWTError:
                continue  # another curve, say
    return found


class FileKeys:
    """Keys in a file."""

    def __init__(self, config: JwtConfig, observer: Observer) -> None:
        """Raises ConfigError: it cannot be read or used."""
        self._file = WatchedFile(
            config.jwks, KEY, lambda data: parse_keys(data, config.algorithms), observer, _nothing
        )
        self.watch = self._file.watch
        self.reload = self._file.reload

    @property
    def keys(self) -> PublicKeys | None:
        """As of ``KeySource``."""
        return self._file.content

    async def look_again(self) -> bool:
        """As of ``KeySource``; the file is watched anyway."""
        return True


class AddressKeys:
    """Keys at an address. The request is made on a thread; one at a time."""

    def __init__(
        self, config: JwtConfig, observer: Observer, clock: Callable[[], float] = time.monotonic
    ) -> None:
        """Nothing is asked yet. Raises ConfigError: the address is neither https nor on loopback."""
        self._address = config.jwks
        _check_address(self._address)
        self._algorithms: Sequence[str] = config.algorithms
        self._refresh_s = max(_MIN_PAUSE_S, config.refresh_s)
        self._observer = observer
        self._clock = clock
        self._keys: PublicKeys | None = None
        self._looked_s: float | None = None
        self._answers = True
        self._turn = asyncio.Lock()

    @property
    def keys(self) -> PublicKeys | None:
        """As of ``KeySource``."""
        return self._keys

    async def look_again(self) -> bool:
        """As of ``KeySource``; who asks soon after another gets what that one found."""
        async with self._turn:
            looked_s = self._looked_s
            if looked_s is None or self._clock() - looked_s >= _MIN_PAUSE_S:
                await self._fetch()
        return self._answers

    async def watch(self) -> None:
        """As of ``KeySource``."""
        while True:
            await self.reload()
            await asyncio.sleep(self._refresh_s if self._answers else _MIN_PAUSE_S)

    async def reload(self) -> None:
        """As of ``KeySource``."""
        async with self._turn:
            await self._fetch()

    async def _fetch(self) -> None:
        try:
            data = await asyncio.to_thread(_download, self._address)
            self._keys = parse_keys(data, self._algorithms)
        except (httpx2.HTTPError, OSError, ConfigError) as error:
            self._told(answers=False, why=str(error) or type(error).__name__)
        else:
            self._told(answers=True)
        self._looked_s = self._clock()

    def _told(self, *, answers: bool, why: str = "") -> None:
        outcome = "ok" if answers else "failed"
        self._observer.count("speech_auth_file_reloads_total", file="jwks", outcome=outcome)
        self._observer.gauge("speech_reload_failed", float(not answers), file="jwks")
        if self._answers and not answers:
            logger.error("{}: cannot be read, what was read before stays in force: {}", KEY, why)
        elif answers and not self._answers:
            logger.info("{}: can be read again", KEY)
        self._answers = answers


def key_source(config: JwtConfig, observer: Observer) -> KeySource:
    """What the configuration names.

    Raises:
        ConfigError: the file cannot be used, or the address is none that may be asked.
    """
    if "://" in config.jwks:
        return AddressKeys(config, observer)
    return FileKeys(config, observer)


def _download(address: str) -> bytes:
    """The document. On a thread."""
    with (
        httpx2.Client(timeout=_FETCH_TIMEOUT_S, follow_redirects=False) as client,
        client.stream("GET", address, headers={"accept": "application/json"}) as response,
    ):
        if not response.is_success:
            raise ConfigError(f"the answer has status {response.status_code}")
        data = b""
        for piece in response.iter_bytes():
            data += piece
            if len(data) > MAX_BYTES:
                raise ConfigError(f"the answer is larger than {MAX_BYTES} bytes")
        return data


def _check_address(address: str) -> None:
    parts = urlsplit(address)
    host = parts.hostname or ""
    if parts.scheme == "https" and host:
        return
    if parts.scheme == "http" and _is_loopback(host):
        return
    raise ConfigError(
        f"{KEY}: {address!r} is neither an https:// address nor one of http:// on this machine; "
        "whoever can change the answer makes the tokens"
    )


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def _nothing(_: PublicKeys) -> None:
    """The file's content is looked at whenever it is needed."""
