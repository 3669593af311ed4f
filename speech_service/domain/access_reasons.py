"""Reasons of errors about who calls and what they may use."""

from speech_service.domain import errors
from speech_service.domain.error_reason import ErrorReason

_EVERY = "every RPC of a server that asks who calls"
_STREAMS = "every bidirectional stream of a server that asks who calls"

ACCESS_ERRORS = (
    ErrorReason(
        "CREDENTIALS_MISSING",
        errors.UnauthenticatedError,
        _EVERY,
        "The call has no key and no token, and no certificate says who calls.",
        "Send the key as `x-api-key` or `authorization: Bearer KEY`, or a token as `authorization: Bearer TOKEN`.",
    ),
    ErrorReason(
        "CREDENTIALS_MALFORMED",
        errors.UnauthenticatedError,
        _EVERY,
        "What the metadata holds is no key and no token, or not of the form `Bearer ...`; or two came that differ.",
        "Send one key or token, as its issuer gave it.",
    ),
    ErrorReason(
        "API_KEY_UNKNOWN",
        errors.UnauthenticatedError,
        _EVERY,
        "The key is none of this server.",
        "Check that the key is whole and meant for this server; else ask the operator for another.",
    ),
    ErrorReason(
        "API_KEY_REVOKED",
        errors.UnauthenticatedError,
        _EVERY,
        "The key was revoked.",
        "Ask the operator for another.",
    ),
    ErrorReason(
        "API_KEY_EXPIRED",
        errors.UnauthenticatedError,
        _EVERY,
        "The key has expired.",
        "Ask the operator for another.",
    ),
    ErrorReason(
        "TOKEN_INVALID",
        errors.UnauthenticatedError,
        _EVERY,
        "The token is malformed, wrongly signed, signed in a way that is not taken, or lacks `exp`, `iss` or `aud`.",
        "Get a new token from the issuer.",
    ),
    ErrorReason(
        "TOKEN_KEY_UNKNOWN",
        errors.UnauthenticatedError,
        _EVERY,
        "The token is signed with a key that its issuer does not publish.",
        "Get a new token from the issuer.",
    ),
    ErrorReason(
        "TOKEN_EXPIRED",
        errors.UnauthenticatedError,
        _EVERY,
        "The token has expired.",
        "Get a new token from the issuer; `speech_client` takes a function that does.",
    ),
    ErrorReason(
        "TOKEN_NOT_YET_VALID",
        errors.UnauthenticatedError,
        _EVERY,
        "The token is not valid yet.",
        "Wait, or set the clock of whoever issues tokens.",
    ),
    ErrorReason(
        "TOKEN_ISSUER",
        errors.UnauthenticatedError,
        _EVERY,
        "The token is of another issuer than this server believes.",
        "Get a token from the issuer that the operator names.",
    ),
    ErrorReason(
        "TOKEN_AUDIENCE",
        errors.UnauthenticatedError,
        _EVERY,
        "The token is meant for another service.",
        "Ask the issuer for a token with the audience that the operator names.",
    ),
    ErrorReason(
        "TOKEN_WITHOUT_TENANT",
        errors.UnauthenticatedError,
        _EVERY,
        "The token is good, but its claim of the tenant is missing or is no name.",
        "Have the issuer put it in; the message names the claim.",
    ),
    ErrorReason(
        "TOKEN_KEYS_UNAVAILABLE",
        errors.UnavailableError,
        _EVERY,
        "The keys that tokens are checked with cannot be read, and none that fits was read before.",
        "Try again; if it lasts, the operator looks at the address of the keys.",
    ),
    ErrorReason(
        "CREDENTIALS_EXPIRED",
        errors.UnauthenticatedError,
        _STREAMS,
        "The key or token that opened the stream has ended, and `stream.expired_credential_s` has passed. "
        "All that was received has its results.",
        "Continue on a new stream, with a new key or token.",
    ),
    ErrorReason(
        "CERTIFICATE_UNKNOWN",
        errors.PermissionDeniedError,
        _EVERY,
        "The certificate of the client is trusted, but its names (SAN) are those of no tenant, or of several.",
        "Ask the operator to enter the name.",
    ),
    ErrorReason(
        "SCOPE_MISSING",
        errors.PermissionDeniedError,
        "every RPC of the admin port",
        "Who calls is known, but may not call the admin port.",
        "Use a key or token that has the scope which the message names.",
    ),
    ErrorReason(
        "QUOTA_EXCEEDED",
        errors.QuotaExceededError,
        "every RPC that asks for work, and `CreateVoice`",
        "The tenant, or the key, has used what it may: `quota` and `limit` in the metadata say of what. "
        "What was accepted is done.",
        "Wait as `RetryInfo` says, or ask the operator for more.",
    ),
)
