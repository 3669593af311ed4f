"""JSON Web Tokens (RFC 7519): signed by a key of the issuer, for us, now, and naming a tenant."""

import time
from collections.abc import Mapping
from typing import Any, cast

import jwt

from speech_service.config.tree import ConfigError, JwtConfig
from speech_service.domain.errors import SpeechError, UnauthenticatedError, UnavailableError
from speech_service.domain.principal import Lease, Principal, is_tenant_name
from speech_service.edge.auth.public_keys import PUBLIC_KEY_ALGORITHMS, KeySource

_MAX_SUBJECT_CHARACTERS = 64


class Tokens:
    """Reads tokens."""

    def __init__(self, config: JwtConfig, keys: KeySource) -> None:
        self._config = config
        self._keys = keys

    async def principal(self, token: str) -> Principal:
        """Who the token says calls.

        Raises:
            UnauthenticatedError: it is not to be believed, or says too little.
            UnavailableError: the keys of the issuer cannot be read.
        """
        try:
            header = jwt.get_unverified_header(token)
            algorithm = str(header.get("alg"))
            if algorithm not in self._config.algorithms:
                raise jwt.InvalidAlgorithmError
            if "crit" in header:
                raise jwt.InvalidTokenError
            key = await self._key(str(header.get("kid") or ""), algorithm)
            claims = self._claims(token, key, algorithm)
            ends_s = float(claims["exp"])
        except jwt.PyJWTError as error:
            raise _refused(error) from None
        except OverflowError:  # a time that is no float
            raise _refused(jwt.DecodeError()) from None
        tenant = claims.get(self._config.tenant_claim)
        if not isinstance(tenant, str) or not is_tenant_name(tenant):
            problem = f"the token has no claim {self._config.tenant_claim!r} that names a tenant"
            raise UnauthenticatedError(problem, reason="TOKEN_WITHOUT_TENANT")
        subject = _shown(str(claims.get("sub", "")))
        remaining_s = ends_s + self._config.leeway_s - time.time()
        lease = Lease(time.monotonic() + remaining_s)
        return Principal(tenant, subject, _scopes(claims.get(self._config.scope_claim)), "", lease)

    def _claims(self, token: str, key: jwt.PyJWK, algorithm: str) -> Mapping[str, Any]:
        config = self._config
        return cast(
            "Mapping[str, Any]",
            jwt.decode(
                token,
                key,
                [algorithm],  # one of the configuration: whoever calls has checked
                audience=config.audience,
                issuer=config.issuer,
                leeway=config.leeway_s,
                options={"require": ["exp", "iss", "aud"]},
            ),
        )

    async def _key(self, key_id: str, algorithm: str) -> jwt.PyJWK:
        key = self._find(key_id, algorithm)
        if key is not None:
            return key
        answers = await self._keys.look_again()
        key = self._find(key_id, algorithm)
        if key is not None:
            return key
        if not answers:
            raise UnavailableError(
                "the keys of the tokens' issuer cannot be read now; retry later",
                reason="TOKEN_KEYS_UNAVAILABLE",
                retry_after_ms=10_000,
            )
        problem = "the issuer has no key of the token's id"
        raise UnauthenticatedError(problem, reason="TOKEN_KEY_UNKNOWN")

    def _find(self, key_id: str, algorithm: str) -> jwt.PyJWK | None:
        keys = self._keys.keys
        return None if keys is None else keys.find(key_id, algorithm)


def check_jwt(config: JwtConfig) -> None:
    """Raise a ConfigError where tokens could be believed that nobody meant."""
    for name in ("jwks", "issuer", "audience", "tenant_claim"):
        if not getattr(config, name):
            raise ConfigError(f'auth.jwt.{name}: is empty, and auth.accept names "jwt"')
    if not config.algorithms:
        raise ConfigError("auth.jwt.algorithms: is empty; no token could be believed")
    for algorithm in config.algorithms:
        if algorithm not in PUBLIC_KEY_ALGORITHMS:
            raise ConfigError(
                f"auth.jwt.algorithms: {algorithm!r} is none of those that a public key checks: "
                f"{', '.join(PUBLIC_KEY_ALGORITHMS)}"
            )


def _shown(subject: str) -> str:
    """As the log has it: on one line, and in characters that every encoding of Unicode has."""
    shortened = subject[:_MAX_SUBJECT_CHARACTERS]
    return "".join(character if character.isprintable() else "?" for character in shortened)


def _scopes(value: object) -> frozenset[str]:
    if isinstance(value, str):
        return frozenset(value.split())
    if isinstance(value, list):
        return frozenset(word for word in cast("list[object]", value) if isinstance(word, str))
    return frozenset()


def _refused(error: jwt.PyJWTError) -> SpeechError:
    """Nothing of the token, and nothing that the library says of it, goes out."""
    match error:
        case jwt.ExpiredSignatureError():
            return UnauthenticatedError("the token has expired", reason="TOKEN_EXPIRED")
        case jwt.ImmatureSignatureError():
            return UnauthenticatedError("the token is not valid yet", reason="TOKEN_NOT_YET_VALID")
        case jwt.InvalidIssuerError():
            return UnauthenticatedError("the token is of another issuer", reason="TOKEN_ISSUER")
        case jwt.InvalidAudienceError():
            return UnauthenticatedError(
                "the token is for another audience", reason="TOKEN_AUDIENCE"
            )
        case jwt.InvalidAlgorithmError():
            problem = "the token is signed in a way that is not taken here"
        case jwt.InvalidSignatureError():
            problem = "the signature of the token is wrong"
        case jwt.MissingRequiredClaimError():
            problem = "the token lacks exp, iss or aud"
        case _:
            problem = "the token is malformed"
    return UnauthenticatedError(problem, reason="TOKEN_INVALID")
