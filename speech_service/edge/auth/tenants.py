"""The file of tenants: keys as SHA-256, certificates by their names, and quotas. TOML, or JSON of the same shape."""

import hashlib
import hmac
import json
import re
import time
import tomllib
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, cast

import msgspec

from speech_service.calls.quotas import Owner
from speech_service.config.load import decode_options
from speech_service.config.tree import Amount, ConfigError, Count, QuotaConfig, Settings
from speech_service.domain.errors import PermissionDeniedError, UnauthenticatedError
from speech_service.domain.principal import Lease, Principal, is_tenant_name

KEY = "auth.tenants_file"
_SHA256 = re.compile(r"[0-9a-f]{64}")


class QuotaEntry(Settings, frozen=True):
    """Quotas of a tenant or of a key; what is absent is as in ``[auth.quotas]``, or of a key without limit."""

    max_streams: Count | None = None
    max_unary: Count | None = None
    audio_s_per_minute: Amount | None = None
    characters_per_minute: Count | None = None
    max_voices: Count | None = None

    def over(self, defaults: QuotaConfig) -> QuotaConfig:
        """The defaults, with what is said here in their place."""
        said = {k: v for k, v in msgspec.structs.asdict(self).items() if v is not None}
        return msgspec.structs.replace(defaults, **said)


class KeyEntry(Settings, frozen=True):
    """One key."""

    name: str
    sha256: str
    tenant: str
    scopes: tuple[str, ...] = ()
    expires: datetime | None = None
    revoked: bool = False
    quotas: QuotaEntry | None = None


class CertificateEntry(Settings, frozen=True):
    """A name that certificates of a tenant's clients have: DNS name, URI, e-mail or IP address, as it stands there."""

    san: str
    tenant: str
    scopes: tuple[str, ...] = ()


class TenantsFile(Settings, frozen=True):
    """The whole file."""

    tenants: Mapping[str, Any] = {}
    """Tables of ``QuotaEntry``, read by ``parse_tenants``."""
    keys: tuple[KeyEntry, ...] = ()
    certificates: tuple[CertificateEntry, ...] = ()

    def quotas(self, defaults: QuotaConfig) -> Mapping[Owner, QuotaConfig]:
        """Of the tenants and keys that have their own."""
        found: dict[Owner, QuotaConfig] = {
            (tenant, ""): _quota_entry(tenant, table).over(defaults)
            for tenant, table in self.tenants.items()
        }
        for key in self.keys:
            if key.quotas is not None:
                found[key.tenant, key.name] = key.quotas.over(QuotaConfig())
        return found


def parse_tenants(data: bytes) -> TenantsFile:
    """Read the file.

    Raises:
        ConfigError: it is no TOML or JSON, or what it says cannot be; names the place, and shows no key.
    """
    file = decode_options(TenantsFile, _tree(data), KEY)
    _check_tenants([*file.tenants], "tenants")
    for tenant, table in file.tenants.items():
        _quota_entry(tenant, table)
    _check_tenants([entry.tenant for entry in file.keys], "keys[].tenant")
    _check_tenants([entry.tenant for entry in file.certificates], "certificates[].tenant")
    for index, key in enumerate(file.keys):
        place = f"{KEY}.keys[{index}]"
        if not _SHA256.fullmatch(key.sha256):
            raise ConfigError(
                f"{place}.sha256: is not the SHA-256 of a key, 64 of 0-9 a-f; "
                "`speech-service auth hash-key` writes it"
            )
        if not is_tenant_name(key.name):
            raise ConfigError(f"{place}.name: is not a name of 1 to 64 printable bytes")
        if key.expires is not None and key.expires.tzinfo is None:
            raise ConfigError(f"{place}.expires: has no time zone, as in 2027-01-31T00:00:00Z")
    _check_once((key.sha256 for key in file.keys), "keys[{}].sha256", shown=False)
    _check_once((f"{key.tenant}/{key.name}" for key in file.keys), "keys[{}].name", shown=True)
    _check_once((entry.san for entry in file.certificates), "certificates[{}].san", shown=True)
    return file


def _quota_entry(tenant: str, table: object) -> QuotaEntry:
    place = f"{KEY}.tenants.{tenant}"
    if not isinstance(table, Mapping):
        raise ConfigError(f"{place}: is not a table of quotas")
    return decode_options(QuotaEntry, cast("Mapping[str, Any]", table), place)


def _tree(data: bytes) -> Mapping[str, object]:
    """TOML, or JSON: no TOML file begins with a brace."""
    try:
        text = data.decode("utf-8-sig")
        is_json = text.lstrip()[:1] == "{"
        tree: object = json.loads(text, object_pairs_hook=_once) if is_json else tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise ConfigError(f"{KEY}: not valid TOML: {error}") from None
    except json.JSONDecodeError as error:
        raise ConfigError(f"{KEY}: not valid JSON: {error.msg} (line {error.lineno})") from None
    except UnicodeDecodeError:
        raise ConfigError(f"{KEY}: is not UTF-8 text") from None
    except ConfigError:
        raise
    except (ValueError, RecursionError):
        raise ConfigError(f"{KEY}: holds a number too long, or tables too deep, to read") from None
    return cast("Mapping[str, Any]", tree)


def _once(pairs: Sequence[tuple[str, object]]) -> Mapping[str, object]:
    """An object of JSON, where the standard reader lets the last of two members of one name win, and TOML none."""
    first: dict[str, int] = {}
    for number, (name, _) in enumerate(pairs, 1):
        if name in first:
            both = f"as members {first[name]} and {number} of the same object"
            raise ConfigError(f"{KEY}: {name[:64]!r} stands there twice, {both}")
        first[name] = number
    return dict(pairs)


def _check_tenants(names: Sequence[str], place: str) -> None:
    for name in names:
        if not is_tenant_name(name):
            raise ConfigError(
                f"{KEY}.{place}: {name[:64]!r} is not a tenant's name: 1 to 64 bytes of printable text"
            )


def _check_once(values: Iterable[str], place: str, *, shown: bool) -> None:
    """``place``: of each value, with braces for its index."""
    seen: dict[str, int] = {}
    for index, value in enumerate(values):
        if value in seen:
            what = repr(value[:64]) if shown else "the same value"
            both = f"{place.format(seen[value])} and {place.format(index)}"
            raise ConfigError(f"{KEY}: {what} stands there twice, as {both}")
        seen[value] = index


@dataclass(frozen=True, slots=True)
class _Key:
    digest: bytes
    entry: KeyEntry
    principal: Principal


class KnownCallers:
    """The keys and certificates of the file that is in force.

    A key that a new file does not have, or calls revoked, ends the lease of the calls that were opened with it.
    """

    def __init__(
        self,
        file: TenantsFile,
        clock: Callable[[], float] = time.monotonic,
        wall_clock: Callable[[], float] = time.time,
    ) -> None:
        self._clock = clock
        self._wall_clock = wall_clock
        self._keys: dict[bytes, _Key] = {}
        self._certificates: dict[str, Principal] = {}
        self.change(file)

    def change(self, file: TenantsFile) -> None:
        """Another file is in force."""
        keys = {key.digest: key for key in map(self._key, file.keys)}
        certificates = {entry.san: self._certificate(entry) for entry in file.certificates}
        now_s = self._clock()
        for digest, key in self._keys.items():
            if digest not in keys or keys[digest].entry.revoked:
                key.principal.lease.end(now_s)
        for san, principal in self._certificates.items():
            if san not in certificates:
                principal.lease.end(now_s)
        self._keys, self._certificates = keys, certificates

    def by_key(self, secret: str) -> Principal:
        """Whose key it is.

        The table is searched by the hash, of which nobody can choose a part; the comparison takes equally long
        wherever it fails.

        Raises:
            UnauthenticatedError: nobody's, or it is no longer good.
        """
        digest = hashlib.sha256(secret.encode()).digest()
        key = self._keys.get(digest)
        if key is None or not hmac.compare_digest(key.digest, digest):
            raise UnauthenticatedError("the key is not known here", reason="API_KEY_UNKNOWN")
        if key.entry.revoked:
            raise UnauthenticatedError("the key was revoked", reason="API_KEY_REVOKED")
        expires = key.entry.expires
        if expires is not None and expires.timestamp() <= self._wall_clock():
            raise UnauthenticatedError("the key has expired", reason="API_KEY_EXPIRED")
        return key.principal

    def by_names(self, names: Sequence[str]) -> Principal:
        """Whose certificate has these names.

        Raises:
            PermissionDeniedError: nobody's, or those of two tenants.
        """
        found = [self._certificates[name] for name in names if name in self._certificates]
        if not found:
            problem = "the certificate is trusted, but names no tenant of this server"
            raise PermissionDeniedError(problem, reason="CERTIFICATE_UNKNOWN")
        if len({principal.tenant for principal in found}) > 1:
            problem = "the certificate names several tenants"
            raise PermissionDeniedError(problem, reason="CERTIFICATE_UNKNOWN")
        return found[0]

    def _key(self, entry: KeyEntry) -> _Key:
        digest = bytes.fromhex(entry.sha256)
        before = self._keys.get(digest)
        is_same = before is not None and not before.entry.revoked
        lease = before.principal.lease if before is not None and is_same else Lease()
        if not entry.revoked:
            lease.expires_s = None
        if entry.expires is not None:
            lease.expires_s = self._clock() + entry.expires.timestamp() - self._wall_clock()
        account = entry.name if entry.quotas is not None else ""
        principal = Principal(entry.tenant, entry.name, frozenset(entry.scopes), account, lease)
        return _Key(digest, entry, principal)

    def _certificate(self, entry: CertificateEntry) -> Principal:
        before = self._certificates.get(entry.san)
        lease = before.lease if before is not None else Lease()
        return Principal(entry.tenant, entry.san, frozenset(entry.scopes), "", lease)
