"""Requests to the server: repeated where it fails, ended where it will not help.

What the server says of a failure never leaves this module: it may quote the text, the key or a path of its own.
The address and the key come from the configuration alone: no proxy, key or certificate of the environment is used.
"""

import asyncio
import json
import logging
import random
import ssl
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Any, TypeVar, cast

import httpx2

from speech_service.config.tree import ConfigError
from speech_service.domain.errors import DeadlineError, PreconditionError, UnavailableError
from speech_service.engines.model_server.options import ServerOptions

logger = logging.getLogger(__name__)
logging.getLogger("httpx2").setLevel(logging.WARNING)  # it tells of every request at INFO

T = TypeVar("T")

MAX_ANSWER_BYTES = 4 * 1024 * 1024
"""Longer answers are nobody's text."""
END_OF_EVENTS = "[DONE]"
"""The last event of a streamed answer."""
_CONNECT_TIMEOUT_S = 5.0
_FIRST_BACKOFF_S = 0.5
_MAX_BACKOFF_S = 8.0
_MAX_RETRY_AFTER_S = 60.0
_RETRIED = frozenset({408, 409, 425, 429})
_INPUT_REFUSED = frozenset({400, 413, 414, 422})

Read = Callable[[httpx2.Response], Awaitable[T]]
"""Makes the outcome of an answer whose status is fine."""
Upload = tuple[str, bytes, str]
"""Name, content and media type of a file."""


class RefusedError(Exception):
    """The server does not take this input (too long, or it dislikes the content); another one may do."""


class ServerFailedError(Exception):
    """The server failed; ``after_s`` is how long it asks us to wait, if it does."""

    def __init__(self, what: str, after_s: float | None = None) -> None:
        super().__init__(what)
        self.after_s = after_s


@dataclass(frozen=True, slots=True)
class ServerRole:
    """What the server is for: ``title`` names it in messages, ``subject`` in errors and their reasons."""

    title: str
    subject: str

    def misconfigured(self, problem: str) -> PreconditionError:
        """The error of a server that will not take any request of ours; ``problem`` says why."""
        reason = f"{self.subject.upper()}_MISCONFIGURED"
        return PreconditionError(self.subject, f"the {self.title} {problem}", reason=reason)

    def refused(self) -> PreconditionError:
        """The error of an input that the server does not take."""
        reason = f"{self.subject.upper()}_REFUSED"
        message = f"the {self.title} does not take this input or one of its options"
        return PreconditionError(self.subject, message, reason=reason)


@dataclass(frozen=True, slots=True)
class Deadline:
    """When an item must be done, on the monotonic clock. ``is_clients``: the client's own deadline comes first."""

    at_s: float
    is_clients: bool

    @classmethod
    def of(cls, clients_s: float | None, longest_s: float) -> "Deadline":
        """The earlier of the client's deadline and ``longest_s`` from now."""
        at_s = time.monotonic() + longest_s
        if clients_s is not None and clients_s < at_s:
            return cls(clients_s, is_clients=True)
        return cls(at_s, is_clients=False)

    @property
    def left_s(self) -> float:
        """Seconds left; negative when it has passed."""
        return self.at_s - time.monotonic()


def always() -> bool:
    """True: a request that may be repeated whenever it fails."""
    return True


class ServerClient:
    """Asks one server. Made anywhere, used on one event loop."""

    def __init__(
        self, options: ServerOptions, api_key: str, role: ServerRole, max_connections: int
    ) -> None:
        """Prepare; the server is not asked.

        Raises:
            ConfigError: ``ca_file`` holds no certificate.
        """
        self.role = role
        self._options = options
        self._max_connections = max_connections
        self._base_url = options.base_url.rstrip("/")
        self._headers = {"authorization": f"Bearer {api_key}"} if api_key else {}
        self.tls = _trusted(options)
        """Whom to trust."""
        self._http: httpx2.AsyncClient | None = None

    @property
    def base_url(self) -> str:
        """Address of the API, without a slash at its end."""
        return self._base_url

    @property
    def headers(self) -> Mapping[str, str]:
        """What every request carries."""
        return self._headers

    async def post(
        self,
        path: str,
        read: Read[T],
        deadline: Deadline,
        *,
        body: Mapping[str, object] | None = None,
        form: Mapping[str, str] | None = None,
        file: Upload | None = None,
        may_repeat: Callable[[], bool] = always,
    ) -> T:
        """What ``read`` makes of the answer to a JSON ``body``, or to a ``form`` with a ``file``.

        Raises:
            RefusedError: the server does not take this input.
            UnavailableError: the server is down, slow or overloaded, and stays so.
            DeadlineError: the client's deadline passed.
            PreconditionError: the server does not take our key, path or model.
        """
        accept = {"accept": "application/json, text/event-stream, audio/pcm"}

        async def attempt() -> T:
            request = self._client().stream(
                "POST",
                f"{self._base_url}/{path}",
                json=body,
                data=form,
                files={"file": file} if file else None,
                headers={**self._headers, **accept},
            )
            try:
                async with request as response:
                    self.check_status(response.status_code, response.headers.get("retry-after"))
                    return await read(response)
            except (httpx2.TransportError, httpx2.DecodingError) as error:
                raise ServerFailedError(type(error).__name__) from None

        return await self.repeated(attempt, deadline, may_repeat)

    async def repeated(
        self,
        attempt: Callable[[], Awaitable[T]],
        deadline: Deadline,
        may_repeat: Callable[[], bool] = always,
    ) -> T:
        """What ``attempt`` returns, made again where it raises ServerFailedError or takes too long.

        Raises:
            UnavailableError, DeadlineError: as :meth:`post`; and whatever else ``attempt`` raises.
        """
        for number in range(self._options.max_retries + 1):
            try:
                return await self._limited(attempt, deadline)
            except ServerFailedError as failure:
                logger.warning("%s: %s, attempt %d", self.role.title, failure, number + 1)
                wait_s = _backoff_s(number) if failure.after_s is None else failure.after_s
                is_last = number == self._options.max_retries or not may_repeat()
                if is_last or wait_s >= deadline.left_s:
                    raise self._given_up(deadline, wait_s) from None
                await asyncio.sleep(wait_s)
        raise AssertionError("the last attempt returns or raises")

    def check_status(self, status: int, retry_after: str | None) -> None:
        """Return where the answer is good.

        Raises:
            ServerFailedError: asking again may help.
            RefusedError, PreconditionError: as :meth:`post`.
        """
        if status in _RETRIED or status >= 500:
            raise ServerFailedError(f"status {status}", _retry_after_s(retry_after))
        if status in _INPUT_REFUSED:
            raise RefusedError
        if status in (401, 403):
            raise self.role.misconfigured("does not take the key of api_key_file")
        if not 200 <= status < 300:
            raise self.role.misconfigured(f"answers with status {status}: check base_url and model")

    async def close(self) -> None:
        """Close all connections."""
        if self._http is not None:
            await self._http.aclose()
            self._http = None

    async def _limited(self, attempt: Callable[[], Awaitable[T]], deadline: Deadline) -> T:
        limit_s = min(self._options.timeout_s, deadline.left_s)
        if limit_s <= 0:
            raise self._given_up(deadline, _FIRST_BACKOFF_S)
        try:
            async with asyncio.timeout(limit_s):
                return await attempt()
        except TimeoutError:
            raise ServerFailedError("no answer in time") from None

    def _client(self) -> httpx2.AsyncClient:
        if self._http is None:
            options = self._options
            timeout = httpx2.Timeout(
                options.timeout_s, connect=min(_CONNECT_TIMEOUT_S, options.timeout_s)
            )
            self._http = httpx2.AsyncClient(
                verify=self.tls,
                timeout=timeout,
                limits=httpx2.Limits(max_connections=self._max_connections),
                trust_env=False,
            )
        return self._http

    def _given_up(self, deadline: Deadline, wait_s: float) -> DeadlineError | UnavailableError:
        if deadline.is_clients and deadline.left_s <= wait_s:
            return DeadlineError(f"the {self.role.title} did not answer before the deadline")
        return UnavailableError(
            f"the {self.role.title} is down, slow or overloaded; try again later",
            retry_after_ms=round(max(1.0, wait_s) * 1000),
            reason=f"{self.role.subject.upper()}_UNAVAILABLE",
        )


async def whole(response: httpx2.Response) -> bytes:
    """The body of an answer; b"" where it is longer than any answer to us."""
    data = bytearray()
    async for chunk in response.aiter_bytes():
        data += chunk
        if len(data) > MAX_ANSWER_BYTES:
            return b""
    return bytes(data)


async def events(response: httpx2.Response) -> AsyncIterator[str]:
    """Data of each server-sent event; the sender's ``END_OF_EVENTS`` is one of them."""
    async for line in response.aiter_lines():
        if line.startswith("data:"):
            yield line[5:].strip()


def is_event_stream(response: httpx2.Response) -> bool:
    """True where the answer comes as server-sent events."""
    return "event-stream" in response.headers.get("content-type", "")


def json_object(data: str | bytes) -> dict[str, Any] | None:
    """The JSON object; None where it is none."""
    try:
        value = json.loads(data)
    except (ValueError, RecursionError):
        return None
    return cast(dict[str, Any], value) if isinstance(value, dict) else None


def _trusted(options: ServerOptions) -> ssl.SSLContext:
    """Those of ``ca_file``, else those of the system; nobody where the address asks for no TLS."""
    if not options.base_url.startswith("https:"):
        return ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)  # reading the system's takes 50 ms
    if not options.ca_file:
        return httpx2.create_ssl_context(trust_env=False)
    try:
        return ssl.create_default_context(cafile=options.ca_file)
    except ssl.SSLError as error:
        raise ConfigError("ca_file: holds no certificate in PEM format") from error


def _backoff_s(attempt: int) -> float:
    return min(_MAX_BACKOFF_S, _FIRST_BACKOFF_S * 2**attempt) * random.uniform(0.5, 1.0)


def _retry_after_s(value: str | None) -> float | None:
    """Seconds of a Retry-After header; None where it is absent, a date or nonsense."""
    if value is None or not value.strip().isascii() or not value.strip().isdigit():
        return None
    return min(float(value), _MAX_RETRY_AFTER_S)
