"""One question to the server, one answer."""

from typing import Any, cast

import httpx2

from speech_service.engines.model_server.client import (
    END_OF_EVENTS,
    MAX_ANSWER_BYTES,
    Deadline,
    ServerClient,
    ServerFailedError,
    events,
    is_event_stream,
    json_object,
    whole,
)
from speech_service.engines.openai import OpenAiOptions


class ChatClient:
    """Speaks ``/chat/completions``. Made anywhere, used on one event loop."""

    def __init__(self, options: OpenAiOptions, server: ServerClient) -> None:
        self._options = options
        self._server = server

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
        return await self._server.post("chat/completions", _answer, deadline, body=body)

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


async def _answer(response: httpx2.Response) -> str:
    """The text of the answer; "" where it has none: the caller treats it as a useless one."""
    if is_event_stream(response):
        return await _streamed(response)
    return _choice(json_object(await whole(response)), "message")


async def _streamed(response: httpx2.Response) -> str:
    """The pieces of a streamed answer. An error inside the stream is the server's failure."""
    parts: list[str] = []
    size = 0
    async for data in events(response):
        if data == END_OF_EVENTS:
            break
        event = json_object(data)
        if event is not None and "error" in event:
            raise ServerFailedError("an error inside the stream")
        parts.append(_choice(event, "delta"))
        size += len(parts[-1])
        if size > MAX_ANSWER_BYTES:
            break
    return "".join(parts)


def _choice(value: dict[str, Any] | None, key: str) -> str:
    try:
        content = (value or {})["choices"][0][key].get("content")
    except (AttributeError, IndexError, KeyError, TypeError):
        return ""
    if isinstance(content, list):  # parts, as newer servers may answer
        parts = cast(list[Any], content)
        texts = [cast(dict[str, Any], part).get("text") for part in parts if isinstance(part, dict)]
        content = "".join(text for text in texts if isinstance(text, str))
    return content if isinstance(content, str) else ""
