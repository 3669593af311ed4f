"""Small servers on threads that answer as vLLM and vLLM-Omni do, or as badly as they are told to.

What they answer follows vLLM 0.32 (``/v1/audio/transcriptions``, ``/v1/realtime``), which was run, and the
documentation of vLLM-Omni's ``/v1/audio/speech``.
"""

import base64
import email.parser
import email.policy
import json
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import numpy as np

from tests.contract.driving import answering

SECRET = "the server's own words"
"""What the server says when it fails; no error may repeat it."""
MODEL = "tiny"
WORDS = ("zero", "one", "two", "three", "four", "five", "six", "seven")
_WAV_HEADER_BYTES = 44


@dataclass
class Reply:
    """How to answer. The default is what a healthy server does."""

    status: int = 200
    headers: dict[str, str] = field(default_factory=dict[str, str])
    delay_s: float = 0.0
    is_held: bool = False
    """No answer while the server runs."""
    raw: bytes | None = None
    """The body, instead of the server's own."""
    text: str | None = None
    """The transcript, instead of the server's own."""
    events: list[str] | None = None
    """Data of the events of a stream, instead of the server's own."""
    is_cut: bool = False
    """The stream stops in the middle, without its end."""
    is_raw_audio: bool = False
    """Speech comes as it did before it came in events."""


@dataclass
class Request:
    """One request of a client."""

    count: int
    path: str
    headers: Mapping[str, str]
    form: Mapping[str, str] = field(default_factory=dict[str, str])
    upload: bytes = b""
    body: Mapping[str, Any] = field(default_factory=dict[str, Any])


Behaviour = Callable[[Request], Reply]


def healthy(request: Request) -> Reply:
    del request
    return Reply()


def transcript(pcm: bytes) -> str:
    """A word for each half second of 16-bit audio at 16 kHz."""
    count = (len(pcm) // 2 + 4_000) // 8_000
    return " ".join(WORDS[index % len(WORDS)] for index in range(count))


def speech(body: Mapping[str, Any]) -> bytes:
    """16-bit audio at 24 kHz: a tone that the voice and the seed choose, as long as the text."""
    samples = np.arange(len(body["input"]) * 1_200)
    hertz = 200 + 10 * (sum(map(ord, body["voice"])) % 20) + body["seed"] % 7
    return (8_000 * np.sin(samples * (2 * np.pi * hertz / 24_000))).astype("<i2").tobytes()


class SpeechServer:
    """Counts its requests; ``behaviour`` may be changed at any time."""

    def __init__(self, behaviour: Behaviour) -> None:
        self.behaviour = behaviour
        self.requests: list[Request] = []
        self.dropped = threading.Event()
        """Set when a client left before it had everything."""
        self.closed = threading.Event()
        self._lock = threading.Lock()
        owner = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"
            wbufsize = -1

            def do_POST(self) -> None:
                owner._serve(self)

            def log_message(self, format: str, *args: object) -> None:
                del format, args

        class Server(ThreadingHTTPServer):
            daemon_threads = True
            block_on_close = False

            def handle_error(self, request: object, client_address: object) -> None:
                del request, client_address
                owner.dropped.set()

        self.http = Server(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.http.server_address[1]}/v1"

    def _serve(self, handler: BaseHTTPRequestHandler) -> None:
        data = handler.rfile.read(int(handler.headers["content-length"]))
        with self._lock:
            request = _request(len(self.requests), handler, data)
            self.requests.append(request)
        reply = self.behaviour(request)
        time.sleep(reply.delay_s)
        if reply.is_held:
            self.closed.wait()
        if reply.status != 200 or reply.raw is not None:
            error = {"error": {"message": SECRET, "type": "ServerError", "code": reply.status}}
            body = reply.raw if reply.raw is not None else json.dumps(error).encode()
            _send(handler, reply, "application/json", body)
        elif request.path == "/v1/audio/transcriptions":
            _answer_transcription(handler, request, reply)
        elif request.path == "/v1/audio/speech":
            _answer_speech(handler, request, reply)
        else:
            _send(handler, Reply(status=404), "application/json", b"{}")


def _request(count: int, handler: BaseHTTPRequestHandler, data: bytes) -> Request:
    kind = handler.headers["content-type"]
    request = Request(count, handler.path, dict(handler.headers))
    if not kind.startswith("multipart/"):
        request.body = json.loads(data)
        return request
    parser = email.parser.BytesParser(policy=email.policy.HTTP)
    form: dict[str, str] = {}
    for part in parser.parsebytes(
        b"content-type: " + kind.encode() + b"\r\n\r\n" + data
    ).iter_parts():
        name = part.get_param("name", header="content-disposition")
        content = part.get_payload(decode=True)
        assert isinstance(name, str)
        assert isinstance(content, bytes)
        if name == "file":
            request.upload = content
        else:
            form[name] = content.decode()
    request.form = form
    return request


def _send(handler: BaseHTTPRequestHandler, reply: Reply, kind: str, body: bytes) -> None:
    handler.send_response(reply.status)
    for name, value in {"content-type": kind, **reply.headers}.items():
        handler.send_header(name, value)
    handler.send_header("content-length", str(len(body)))
    handler.end_headers()
    handler.wfile.write(body)


def _answer_transcription(handler: BaseHTTPRequestHandler, request: Request, reply: Reply) -> None:
    assert request.form["model"] == MODEL
    text = reply.text if reply.text is not None else transcript(request.upload[_WAV_HEADER_BYTES:])
    if request.form.get("stream") != "true":
        _send(handler, reply, "application/json", json.dumps({"text": text}).encode())
        return
    pieces = [text[at : at + 5] for at in range(0, len(text), 5)]
    deltas = [json.dumps({"choices": [{"delta": {"content": piece}}]}) for piece in pieces]
    end = json.dumps({"choices": [{"delta": {"content": ""}, "finish_reason": "stop"}]})
    events = reply.events if reply.events is not None else [*deltas, end, "[DONE]"]
    _send_events(handler, events[: len(events) // 2] if reply.is_cut else events)


def _answer_speech(handler: BaseHTTPRequestHandler, request: Request, reply: Reply) -> None:
    assert request.body["model"] == MODEL
    assert request.body["stream"] is True
    assert request.body["response_format"] == "pcm"
    data = speech(request.body)
    chunks = [data[at : at + 4_801] for at in range(0, len(data), 4_801)]  # odd, on purpose
    if reply.is_raw_audio:
        _send_chunks(handler, "audio/pcm", chunks, is_cut=reply.is_cut)
        return
    encoded = [base64.b64encode(chunk).decode() for chunk in chunks]
    deltas = [
        json.dumps({"type": "speech.audio.delta", "audio": audio, "response_format": "pcm"})
        for audio in encoded
    ]
    done = json.dumps({"type": "speech.audio.done", "usage": {"output_tokens": 1}})
    events = reply.events if reply.events is not None else [*deltas, done]
    _send_events(handler, events[: len(events) // 2] if reply.is_cut else events)


def _send_events(handler: BaseHTTPRequestHandler, events: list[str]) -> None:
    _send_chunks(handler, "text/event-stream", [f"data: {event}\n\n".encode() for event in events])


def _send_chunks(
    handler: BaseHTTPRequestHandler, kind: str, chunks: list[bytes], *, is_cut: bool = False
) -> None:
    handler.send_response(200)
    handler.send_header("content-type", kind)
    handler.send_header("transfer-encoding", "chunked")
    handler.end_headers()
    for chunk in chunks[: len(chunks) // 2] if is_cut else chunks:
        handler.wfile.write(f"{len(chunk):x}\r\n".encode() + chunk + b"\r\n")
        handler.wfile.flush()
    handler.close_connection = is_cut
    if not is_cut:
        handler.wfile.write(b"0\r\n\r\n")


@contextmanager
def serving(behaviour: Behaviour = healthy) -> Iterator[SpeechServer]:
    """Run a server until the block ends."""
    server = SpeechServer(behaviour)
    with answering(server.http):
        try:
            yield server
        finally:
            server.closed.set()
