"""A small OpenAI-compatible server on a thread, which answers as it is told to: well, badly, slowly or not at all."""

import json
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from tests.contract.driving import answering

SECRET = "the server's own words"
"""What the server says when it fails; no error may repeat it."""


@dataclass
class Reply:
    """What to send: the model's words, or a failure."""

    content: str | None = ""
    status: int = 200
    headers: dict[str, str] = field(default_factory=dict[str, str])
    delay_s: float = 0.0
    is_held: bool = False
    """No answer while the server runs."""
    raw: bytes | None = None
    drop: bool = False
    is_cut: bool = False


Behaviour = Callable[["Question"], Reply]


@dataclass
class Question:
    """One request. ``texts`` are those of a numbered question; a plain one has one text with number 0."""

    count: int
    body: dict[str, Any]
    headers: dict[str, str]

    @property
    def user(self) -> str:
        return self.body["messages"][1]["content"]

    @property
    def instructions(self) -> str:
        return self.body["messages"][0]["content"]

    @property
    def is_plain(self) -> bool:
        return "JSON" not in self.instructions

    @property
    def texts(self) -> dict[int, str]:
        if self.is_plain:
            return {0: self.user}
        return {int(number): text for number, text in json.loads(self.user).items()}


def translated(text: str) -> str:
    """The translation that the server's model would give."""
    return f"{text} (pt)"


def good(question: Question) -> Reply:
    """A model that does as it is told."""
    if question.is_plain:
        return Reply(translated(question.user))
    return Reply(as_json({n: translated(text) for n, text in question.texts.items()}))


def as_json(texts: dict[int, str]) -> str:
    return json.dumps({str(number): text for number, text in texts.items()}, ensure_ascii=False)


class ScriptedServer:
    """Counts its requests; ``behaviour`` may be changed at any time."""

    def __init__(self, behaviour: Behaviour) -> None:
        self.behaviour = behaviour
        self.questions: list[Question] = []
        self.lock = threading.Lock()
        self.closed = threading.Event()
        owner = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"
            wbufsize = -1  # one packet for each answer; two wait for each other's acknowledgement

            def do_POST(self) -> None:
                owner.serve(self)

            def log_message(self, format: str, *args: object) -> None:
                del format, args

        class Server(ThreadingHTTPServer):
            daemon_threads = True
            block_on_close = False

            def handle_error(self, request: object, client_address: object) -> None:
                del request, client_address  # the client went away, as some tests have it

        self.http = Server(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.http.server_address[1]}/v1"

    def serve(self, handler: BaseHTTPRequestHandler) -> None:
        data = handler.rfile.read(int(handler.headers["content-length"]))
        with self.lock:
            question = Question(len(self.questions), json.loads(data), dict(handler.headers))
            self.questions.append(question)
        assert handler.path == "/v1/chat/completions"
        reply = self.behaviour(question)
        time.sleep(reply.delay_s)
        if reply.is_held:
            self.closed.wait()
        if reply.drop:
            handler.close_connection = True
            handler.connection.close()
            return
        if question.body.get("stream") and reply.status == 200 and reply.raw is None:
            self._stream(handler, reply)
            return
        body = reply.raw if reply.raw is not None else _body(reply)
        handler.send_response(reply.status)
        for name, value in {"content-type": "application/json", **reply.headers}.items():
            handler.send_header(name, value)
        handler.send_header("content-length", str(len(body)))
        handler.end_headers()
        handler.wfile.write(body)

    def _stream(self, handler: BaseHTTPRequestHandler, reply: Reply) -> None:
        handler.send_response(200)
        handler.send_header("content-type", "text/event-stream; charset=utf-8")
        handler.send_header("connection", "close")
        handler.end_headers()
        content = reply.content or ""
        for at in range(0, len(content), 7):
            event = {"choices": [{"delta": {"content": content[at : at + 7]}}]}
            handler.wfile.write(f"data: {json.dumps(event)}\n\n".encode())
        if not reply.is_cut:
            handler.wfile.write(b'data: {"choices":[{"delta":{}}]}\n\ndata: [DONE]\n\n')
        handler.close_connection = True


def _body(reply: Reply) -> bytes:
    if reply.status != 200:
        return json.dumps({"error": {"message": SECRET}}).encode()
    return json.dumps({"choices": [{"message": {"content": reply.content}}]}).encode()


@contextmanager
def serving(behaviour: Behaviour = good) -> Iterator[ScriptedServer]:
    """Run a server until the block ends."""
    server = ScriptedServer(behaviour)
    with answering(server.http):
        try:
            yield server
        finally:
            server.closed.set()
