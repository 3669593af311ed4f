"""Keys, tokens and certificates of tenants, as tests need them."""

import base64
import hashlib
import hmac
import ipaddress
import json
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import grpc
import jwt
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
from jwt.algorithms import ECAlgorithm

Metadata = tuple[tuple[str, str], ...]
ISSUER, AUDIENCE = "https://issuer.test", "speech"
DAY_S = 86_400


def sha256(key: str) -> str:
    """What the file of tenants holds of a key."""
    return hashlib.sha256(key.encode()).hexdigest()


def entry(name: str, tenant: str, key: str, **more: Any) -> dict[str, Any]:
    """A key of the file of tenants."""
    return {"name": name, "tenant": tenant, "sha256": sha256(key), **more}


def write_tenants(
    file: Path,
    *keys: Mapping[str, Any],
    tenants: Mapping[str, Any] | None = None,
    certificates: Sequence[Mapping[str, Any]] = (),
) -> None:
    """Write the file of tenants, in one step as Kubernetes and editors do."""
    content = {"keys": list(keys), "tenants": tenants or {}, "certificates": list(certificates)}
    part = file.with_suffix(".part")
    part.write_text(json.dumps(content))
    part.replace(file)


def with_key(key: str) -> Metadata:
    """The metadata of a call with a key."""
    return (("x-api-key", key),)


def bearer(secret: str) -> Metadata:
    """The metadata of a call with a key or a token."""
    return (("authorization", f"Bearer {secret}"),)


@dataclass
class Issuer:
    """Makes tokens."""

    key_id: str = "k1"
    key: ec.EllipticCurvePrivateKey = field(
        default_factory=lambda: ec.generate_private_key(ec.SECP256R1())
    )

    def jwks(self) -> str:
        """What it publishes."""
        public: dict[str, Any] = ECAlgorithm.to_jwk(self.key.public_key(), as_dict=True)
        return json.dumps({"keys": [{**public, "kid": self.key_id, "use": "sig"}]})

    def public_pem(self) -> bytes:
        """Its public key, as anybody may have it."""
        return self.key.public_key().public_bytes(
            serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
        )

    def token(self, *without: str, header: Mapping[str, Any] | None = None, **claims: Any) -> str:
        """A good token, but for ``claims`` that are others, and those that it is ``without``."""
        content = token_claims(**claims)
        for name in without:
            del content[name]
        return jwt.encode(content, self.key, "ES256", {"kid": self.key_id, **(header or {})})


def token_claims(**others: Any) -> dict[str, Any]:
    """What a good token says."""
    now_s = time.time()
    return {
        "iss": ISSUER,
        "aud": AUDIENCE,
        "sub": "somebody",
        "tenant": "acme",
        "exp": now_s + 3600,
        **others,
    }


def forged(algorithm: str, claims: Mapping[str, Any], secret: bytes = b"") -> str:
    """A token that no library writes: unsigned, or signed with a public key as if it were a secret."""
    head = _part({"alg": algorithm, "typ": "JWT", "kid": "k1"})
    body = _part(claims)
    signed = f"{head}.{body}".encode()
    mac = hmac.new(secret, signed, hashlib.sha256).digest() if secret else b""
    return f"{head}.{body}.{_base64(mac)}"


def _part(content: Mapping[str, Any]) -> str:
    return _base64(json.dumps(content).encode())


def _base64(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


# --- certificates -----------------------------------------------------------------------------------


@dataclass
class Pair:
    """A certificate with its key, as PEM."""

    certificate: bytes
    key: bytes

    def write(self, folder: Path, name: str) -> tuple[Path, Path]:
        """Write both; returns their files."""
        files = folder / f"{name}.pem", folder / f"{name}.key"
        files[0].write_bytes(self.certificate)
        files[1].write_bytes(self.key)
        return files


class Authority:
    """Signs certificates."""

    def __init__(self) -> None:
        self._key = ec.generate_private_key(ec.SECP256R1())
        self._name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "tests")])
        ca = x509.BasicConstraints(ca=True, path_length=None)
        self.certificate = self._signed(self._name, self._key.public_key(), [ca])

    def issue(self, *names: str) -> Pair:
        """A certificate with these DNS names and URIs; for ``localhost`` also its address."""
        key = ec.generate_private_key(ec.SECP256R1())
        general: list[x509.GeneralName] = [
            x509.UniformResourceIdentifier(n) if "://" in n else x509.DNSName(n) for n in names
        ]
        if "localhost" in names:
            general.append(x509.IPAddress(ipaddress.ip_address("127.0.0.1")))
        subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "holder")])
        alternative = [x509.SubjectAlternativeName(general)] if general else []
        pem = self._signed(subject, key.public_key(), alternative)
        return Pair(
            pem,
            key.private_bytes(
                serialization.Encoding.PEM,
                serialization.PrivateFormat.PKCS8,
                serialization.NoEncryption(),
            ),
        )

    def _signed(
        self,
        subject: x509.Name,
        key: ec.EllipticCurvePublicKey,
        extensions: Sequence[x509.ExtensionType],
    ) -> bytes:
        now = datetime.now(UTC)
        builder = (
            x509.CertificateBuilder()
            .subject_name(subject)
            .issuer_name(self._name)
            .public_key(key)
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - timedelta(days=1))
            .not_valid_after(now + timedelta(days=30))
        )
        for extension in extensions:
            builder = builder.add_extension(extension, critical=False)
        return builder.sign(self._key, hashes.SHA256()).public_bytes(serialization.Encoding.PEM)


# --- counting ---------------------------------------------------------------------------------------


class Parses:
    """How many messages were parsed by the handlers of services that were added while it was ``counting``."""

    def __init__(self) -> None:
        self.count = 0

    @contextmanager
    def counting(self, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
        """Count for the handlers that are made in the block."""
        with monkeypatch.context() as patch:
            for shape in ("unary_unary", "unary_stream", "stream_unary", "stream_stream"):
                name = f"{shape}_rpc_method_handler"
                patch.setattr(grpc, name, self._making(getattr(grpc, name)))
            yield

    def _making(self, make: Callable[..., Any]) -> Callable[..., Any]:
        def made(behaviour: Any, request_deserializer: Any = None, **others: Any) -> Any:
            parse = None if request_deserializer is None else _Counted(request_deserializer, self)
            return make(behaviour, request_deserializer=parse, **others)

        return made


class _Counted:
    """A deserializer that says whose it is, as that of a message class does."""

    def __init__(self, parse: Any, parses: Parses) -> None:
        self.__self__ = parse.__self__
        self._parse = parse
        self._parses = parses

    def __call__(self, data: bytes) -> Any:
        self._parses.count += 1
        return self._parse(data)
