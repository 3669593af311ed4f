"""The token that joins the calls of a session which goes on after a lost connection.

Nothing is kept of a session, so there is nothing that a forged token would open. It says which session the call goes
on with (for logs and traces), of which RPC that was, and whose it was. Without a key it is plain, and a checksum tells
of damage: ``r1.SESSION.METHOD.OWNER.CRC32``. With the key of ``stream.resume_key_file`` it says when it was given, too,
and is signed: ``r2.SESSION.METHOD.OWNER.TIME.MAC`` (HMAC-SHA-256, RFC 2104, cut to 128 bits).

What a session that goes on is given before new ones is room (``Admission.live``). Where there is a key, only a signed
token of the last day gets that; any other one resumes, and is let in like a new session.
"""

import hashlib
import hmac
import re
import time
import zlib
from collections.abc import Callable
from pathlib import Path

from speech_service.config.tree import ConfigError
from speech_service.domain.call import Call
from speech_service.domain.errors import InvalidOptionError, ResourceNotFoundError

KEY = "stream.resume_key_file"
LEAST_KEY_BYTES = 32
ROOM_AGE_S = 86_400
"""A session whose token is older is let in like a new one."""
_CLOCKS_DIFFER_S = 300
"""By how much the clocks of two servers may differ."""
_PLAIN, _SIGNED = "r1", "r2"
_SESSION_ID = re.compile(r"[0-9a-f]{32}")
_TIME = re.compile(r"[0-9a-f]{1,10}")
_MAC = re.compile(r"[0-9a-f]{32}")
_NEWEST = "the newest one of SessionStarted or GoingAway"


class ResumeTokens:
    """Makes and reads tokens. Those of another server are as good, signed ones where it has the same key."""

    def __init__(self, key: bytes = b"", wall_clock: Callable[[], float] | None = None) -> None:
        """``key``: empty: tokens are plain."""
        self._key = key
        self._wall_clock = wall_clock or time.time

    def of(self, call: Call) -> str:
        """The token with which the session of ``call`` can be resumed: by its owner, in a call of the same method."""
        begun = call.resumed_session_id or call.session_id
        named = f"{begun}.{call.method}.{_digest(call.principal.tenant)}"
        if not self._key:
            body = f"{_PLAIN}.{named}"
            return f"{body}.{checksum(body)}"
        body = f"{_SIGNED}.{named}.{int(self._wall_clock()):x}"
        return f"{body}.{self._mac(body)}"

    def read(self, token: str, call: Call) -> None:
        """Note in ``call`` which session it goes on with, and whether room is made for it.

        Raises:
            InvalidOptionError: the token is damaged, or of another RPC.
            ResourceNotFoundError: it is of somebody else, who is not to learn whether there is such a session.
        """
        body, _, seal = token.rpartition(".")
        form, *parts = body.split(".")
        is_whole = len(parts) == 3 and form == _PLAIN and seal == checksum(body)
        if form == _SIGNED and len(parts) == 4:
            is_whole = bool(_TIME.fullmatch(parts[3]) and _MAC.fullmatch(seal))
        if not is_whole or not _SESSION_ID.fullmatch(parts[0]):
            problem = "is damaged, or no token of this service" if token else "is missing"
            raise _invalid(problem, _NEWEST)
        session_id, method, owner = parts[:3]
        if owner != _digest(call.principal.tenant):
            hint = "Sessions are resumed by those who began them; start a new one."
            raise ResourceNotFoundError("session", session_id, hint)
        if method != call.method:
            raise _invalid(f"is of {method}", f"a token of {call.method}")
        call.resumed_session_id = session_id
        call.has_room_kept = not self._key or self._is_ours(body, parts[3:], seal)

    def _is_ours(self, body: str, given: list[str], seal: str) -> bool:
        if not given or not hmac.compare_digest(seal, self._mac(body)):
            return False
        age_s = self._wall_clock() - int(given[0], 16)
        return -_CLOCKS_DIFFER_S <= age_s <= ROOM_AGE_S

    def _mac(self, body: str) -> str:
        return hmac.new(self._key, body.encode(), hashlib.sha256).hexdigest()[:32]


def resume_tokens(key_file: str) -> ResumeTokens:
    """Those of a deployment whose front ends share a key; "": they share none.

    Raises:
        ConfigError: the file cannot be read, or holds no secret.
    """
    if not key_file:
        return ResumeTokens()
    try:
        key = Path(key_file).expanduser().read_bytes().strip()
    except OSError as error:
        raise ConfigError(f"{KEY}: cannot read {key_file!r}: {error.strerror}") from error
    if len(key) < LEAST_KEY_BYTES:
        raise ConfigError(
            f"{KEY}: {key_file!r} holds {len(key)} bytes; a key is {LEAST_KEY_BYTES} or more that nobody can guess, "
            "as `openssl rand -hex 32` makes them"
        )
    return ResumeTokens(key)


def checksum(body: str) -> str:
    """CRC-32 of a plain token before its last dot, in hexadecimal digits."""
    return f"{zlib.crc32(body.encode()):08x}"


def _digest(owner: str) -> str:
    """Tells tenants apart without naming them; of services that ask nobody who calls, all sessions are everybody's."""
    return hashlib.sha256(owner.encode()).hexdigest()[:16] if owner else "-"


def _invalid(problem: str, allowed: str) -> InvalidOptionError:
    return InvalidOptionError("resume.token", problem, allowed, reason="INVALID_RESUME_TOKEN")
