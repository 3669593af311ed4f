"""One question to the server, one answer: repeated where the server fails, ended where it will not help.

What the server says of a failure never leaves this module: it may quote the text, the key or a path of its own.
"""

import asyncio
import json
import logging
import random
import ssl
import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, cast

import httpx2

from speech_service.domain.errors import DeadlineError, PreconditionError, UnavailableError
from speech_service.engines.translators.openai import Options

logger = logging.getLogger(__name__)

_MAX_ANSWER_BYTES = 4 * 1024 * 1024
_CONNECT_TIMEOUT_S = 5.0
_FIRST_BACKOFF_S = 0.5
_MAX_BACKOFF_S = 8.0
_MAX_RETRY_AFTER_S = 60.0
_RETRIED = frozenset({408, 409, 425, 429})
_TEXT_REFUSED = frozenset({400, 413, 414, 422})


class RefusedError(Exception):
    """The server does not take this question (too long, or it dislikes the text); a smaller one may do."""


@dataclass(frozen=True, slots=True)
class Deadline:
    """When an item must be done, on the monotonic clock. ``is_clients``: the client's own deadline comes first."""

    at_s: float
    is_clients: bool

    @property
    def left_s(self) -> float:
        """Seconds left; negative when it has passed."""
        return self.at_s - time.monotonic()


class _FailedError(Exception):
    """The server failed; ``after_s`` is how long it asks us to wait, if it does."""

    def __init__(self, what: str, after_s: float | None = None) -> None:
        super().__init__(what)
        self.after_s = after_s


class ChatClient:
    """Speaks ``/chat/completions``. Made anywhere, used on one event loop."""

    def __init__(self, options: Options, api_key: str) -> None:
        self._options = options
        self._url = f"{options.base_url.rstrip('/')}/chat/completions"
        self._headers = {"accept": "application/json, text/event-stream"}
        if api_key:
            self._headers["authorization"] = f"Bearer {api_key}"
        self._http: httpx2.AsyncClient | None = None

    async def complete(
        self,
        instructions: str,
        question: str,
        max_tokens: int,
        deadline: Deadline,
        as_json: bool = False,
    ) -> str:
        """The server's answer, possibly cut off or empty. ``as_json`` says that JSON is asked for.

        Raises:
            RefusedError: the server does not take this question.
            UnavailableError: the server is down, slow or overloaded, and stays so.
            DeadlineError: the client's deadline passed.
            PreconditionError: the server does not take our key, path or model.
        """
        body = self._body(instructions, question, max_tokens)
        if as_json and self._options.json_mode:
            body["response_format"] = {"type": "json_object"}
        for attempt in range(self._options.max_retries + 1):
            try:
                return await self._attempt(body, deadline)
            except _FailedError as failure:
                logger.warning("translation server: %s, attempt %d", failure, attempt + 1)
                wait_s = _backoff_s(attempt) if failure.after_s is None else failure.after_s
                if attempt == self._options.max_retries or wait_s >= deadline.left_s:
                    raise _given_up(deadline, wait_s) from None
                await asyncio.sleep(wait_s)
        raise AssertionError("the last attempt returns or raises")

    async def close(self) -> None:
        """Close all connections."""
        if self._http is not None:
            await self._http.aclose()
            self._http = None

    def _body(self, instructions: str, question: str, max_tokens: int) -> dict[str, object]:
        options = self._options
        messages = [
            {"role": "system", "content": instructions},
            {"role": "user", "content": question},
        ]
        body: dict[str, object] = {"model": options.model, "messages": messages}
        if options.streaming:
            body["stream"] = True
        if options.temperature >= 0:
            body["temperature"] = options.temperature
        if options.limit_field:
            body[options.limit_field] = options.max_answer_tokens or max_tokens
        return body

    async def _attempt(self, body: Mapping[str, object], deadline: Deadline) -> str:
        limit_s = min(self._options.timeout_s, deadline.left_s)
        if limit_s <= 0:
            raise _given_up(deadline, _FIRST_BACKOFF_S)
        try:
            async with asyncio.timeout(limit_s):
                request = self._client().stream("POST", self._url, json=body, headers=self._headers)
                async with request as response:
                    _check_status(response)
                    kind = response.headers.get("content-type", "")
                    if "event-stream" in kind:
                        return await _read_events(response)
                    return _content(await _read(response))
        except TimeoutError:
            raise _FailedError("no answer in time") from None
        except (httpx2.TransportError, httpx2.DecodingError) as error:
            raise _FailedError(type(error).__name__) from None

    def _client(self) -> httpx2.AsyncClient:
        if self._http is None:
            options = self._options
            verify = ssl.create_default_context(cafile=options.ca_file) if options.ca_file else True
            timeout = httpx2.Timeout(
                options.timeout_s, connect=min(_CONNECT_TIMEOUT_S, options.timeout_s)
            )
            limits = httpx2.Limits(max_connections=options.max_requests)
            self._http = httpx2.AsyncClient(
                verify=verify, timeout=timeout, limits=limits, trust_env=False
            )
        return self._http


def _check_status(response: httpx2.Response) -> None:
    status = response.status_code
    if status in _RETRIED or status >= 500:
        raise _FailedError(f"status {status}", _retry_after_s(response.headers.get("retry-after")))
    if status in _TEXT_REFUSED:
        raise RefusedError
    if status in (401, 403):
        message = "the translation server does not take the key of api_key_file"
        raise PreconditionError("translator", message, reason="TRANSLATOR_MISCONFIGURED")
    if not 200 <= status < 300:
        message = f"the translation server answers with status {status}: check base_url and model"
        raise PreconditionError("translator", message, reason="TRANSLATOR_MISCONFIGURED")


async def _read(response: httpx2.Response) -> bytes:
    data = bytearray()
    async for chunk in response.aiter_bytes():
        data += chunk
        if len(data) > _MAX_ANSWER_BYTES:
            return b""
    return bytes(data)


async def _read_events(response: httpx2.Response) -> str:
    """The pieces of a streamed answer. An error inside the stream is the server's failure."""
    parts: list[str] = []
    size = 0
    async for line in response.aiter_lines():
        if not line.startswith("data:"):
            continue
        data = line[5:].strip()
        if data == "[DONE]":
            break
        event = _json(data)
        if isinstance(event, dict) and "error" in event:
            raise _FailedError("an error inside the stream")
        parts.append(_choice(event, "delta"))
        size += len(parts[-1])
        if size > _MAX_ANSWER_BYTES:
            break
    return "".join(parts)


def _content(data: bytes) -> str:
    """The text of a whole answer; "" where it has none: the caller treats it as a useless one."""
    return _choice(_json(data), "message")


def _json(data: str | bytes) -> Any:
    try:
        return json.loads(data)
    except (ValueError, RecursionError):
        return None


def _choice(value: Any, key: str) -> str:
    try:
        content = value["choices"][0][key].get("content")
    except (AttributeError, IndexError, KeyError, TypeError):
        return ""
    if isinstance(content, list):  # parts, as newer servers may answer
        parts = cast(list[Any], content)
        texts = [cast(dict[str, Any], part).get("text") for part in parts if isinstance(part, dict)]
        content = "".join(text for text in texts if isinstance(text, str))
    return content if isinstance(content, str) else ""


def _backoff_s(attempt: int) -> float:
    return min(_MAX_BACKOFF_S, _FIRST_BACKOFF_S * 2**attempt) * random.uniform(0.5, 1.0)


def _retry_after_s(value: str | None) -> float | None:
    """Seconds of a Retry-After header; None where it is absent, a date or nonsense."""
    if value is None or not value.strip().isascii() or not value.strip().isdigit():
        return None
    return min(float(value), _MAX_RETRY_AFTER_S)


def _given_up(deadline: Deadline, wait_s: float) -> DeadlineError | UnavailableError:
    if deadline.is_clients and deadline.left_s <= wait_s:
        return DeadlineError("the translation server did not answer before the deadline")
    return UnavailableError(
        "the translation server is down, slow or overloaded; try again later",
        retry_after_ms=round(max(1.0, wait_s) * 1000),
        reason="TRANSLATOR_UNAVAILABLE",
    )
