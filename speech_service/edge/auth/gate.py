"""Asks every call who makes it, before anything of its body is looked at."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Protocol

from speech_service.domain.errors import PermissionDeniedError, UnauthenticatedError
from speech_service.domain.principal import Principal
from speech_service.edge.auth.credentials import find_credential

HEALTH = "grpc.health."
REFLECTION = "grpc.reflection."
_NAMES = "x509_subject_alternative_name"
"""What gRPC calls the names of a client's certificate."""


class KeyReader(Protocol):
    """Whose a key is."""

    def by_key(self, secret: str) -> Principal:
        """Raises UnauthenticatedError: nobody's."""
        ...


class CertificateReader(Protocol):
    """Whose a certificate is."""

    def by_names(self, names: Sequence[str]) -> Principal:
        """Raises PermissionDeniedError: nobody's."""
        ...


class TokenReader(Protocol):
    """Who a token says calls."""

    async def principal(self, token: str) -> Principal:
        """Raises UnauthenticatedError: it is not to be believed."""
        ...


class Gate:
    """Of one port. What is None is not accepted there."""

    def __init__(
        self,
        keys: KeyReader | None,
        tokens: TokenReader | None,
        certificates: CertificateReader | None,
        *,
        scope: str = "",
        open_reflection: bool = False,
    ) -> None:
        """``scope``: what a caller needs; empty: to be known is enough."""
        self._keys = keys
        self._tokens = tokens
        self._certificates = certificates
        self._scope = scope
        self._open = (HEALTH, REFLECTION) if open_reflection else (HEALTH,)

    def is_open(self, method: str) -> bool:
        """Whether anybody may call it: a full name such as ``/grpc.health.v1.Health/Check``."""
        return method.lstrip("/").startswith(self._open)

    async def by_metadata(self, metadata: Iterable[tuple[str, str | bytes]]) -> Principal | None:
        """Who calls, by the credential in the metadata; None: there is none, and the certificate says it.

        Raises:
            UnauthenticatedError: there is none, or it is not good.
            PermissionDeniedError: the caller may not call this port.
            UnavailableError: it cannot be checked now.
        """
        credential = find_credential(metadata)
        if credential is None:
            if self._certificates is None:
                raise UnauthenticatedError(f"who calls? {self._wanted()}")
            return None
        if self._tokens is not None and (credential.is_token or self._keys is None):
            return self._allowed(await self._tokens.principal(credential.secret))
        if self._keys is None:
            problem = f"keys and tokens are not taken here; {self._wanted()}"
            raise UnauthenticatedError(problem, reason="CREDENTIALS_MALFORMED")
        return self._allowed(self._keys.by_key(credential.secret))

    def by_certificate(self, connection: Mapping[str, Iterable[bytes]]) -> Principal:
        """Who calls, by what gRPC knows of the connection (``auth_context``).

        Raises:
            UnauthenticatedError: certificates are not accepted here.
            PermissionDeniedError: it names no tenant, or one that may not call this port.
        """
        names = [name.decode("utf-8", "replace") for name in connection.get(_NAMES, ())]
        if self._certificates is None:
            raise UnauthenticatedError(f"who calls? {self._wanted()}")
        return self._allowed(self._certificates.by_names(names))

    def _allowed(self, principal: Principal) -> Principal:
        if self._scope and self._scope not in principal.scopes:
            problem = f"this port is for callers with the scope {self._scope!r}"
            raise PermissionDeniedError(problem, reason="SCOPE_MISSING")
        return principal

    def _wanted(self) -> str:
        ways = [
            "send a key as x-api-key or `authorization: Bearer`" if self._keys else "",
            "send a token as `authorization: Bearer`" if self._tokens else "",
            "show a certificate" if self._certificates else "",
        ]
        return ", or ".join(filter(None, ways))
