"""A small server with vLLM's ``/v1/realtime``, which keeps to its protocol or breaks it as it is told to."""

import base64
import http
import json
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from websockets.exceptions import ConnectionClosed
from websockets.http11 import Request, Response
from websockets.sync.server import ServerConnection, serve

from tests.contract.speech_server import MODEL, SECRET, transcript

PIECE_BYTES = 5 * 16_000 * 2
"""The server transcribes 5 s at a time."""


@dataclass
class RealtimeServer:
    """``failures`` are what the first connections meet, in order; "" is none.

    "500", "429" (with ``Retry-After``), "cut" (no end), "error", "garbage", "slow".
    """

    failures: list[str] = field(default_factory=list[str])
    language: str = "English"
    """Heads each piece, as Qwen3-ASR writes it; "" is another model."""
    connections: int = 0
    headers: list[Mapping[str, str]] = field(default_factory=list[Mapping[str, str]])
    is_waiting: threading.Event = field(default_factory=threading.Event)
    """Set when it has all audio of the slow connection."""
    left_early: threading.Event = field(default_factory=threading.Event)
    url: str = ""

    def admit(self, connection: ServerConnection, request: Request) -> Response | None:
        """Refuse the connection, if that is what it meets."""
        self.headers.append(dict(request.headers.raw_items()))
        self.connections += 1
        failure = self._failure()
        if failure not in ("500", "429"):
            return None
        response = connection.respond(http.HTTPStatus(int(failure)), SECRET)
        if failure == "429":
            response.headers["Retry-After"] = "0"
        return response

    def serve(self, connection: ServerConnection) -> None:
        """One connection, from its first message to its last."""
        failure = self._failure()
        try:
            self._send(connection, {"type": "session.created", "id": "sess-1", "created": 1})
            audio = self._listen(connection)
            if audio is not None:
                self._answer(connection, audio, failure)
        except ConnectionClosed:
            self.left_early.set()

    def _failure(self) -> str:
        known = self.connections - 1 < len(self.failures)
        return self.failures[self.connections - 1] if known else ""

    def _listen(self, connection: ServerConnection) -> bytes | None:
        model, audio, is_started = None, b"", False
        while True:
            event: dict[str, Any] = json.loads(connection.recv())
            match event["type"]:
                case "session.update" if event["model"] != MODEL:
                    error = {"type": "error", "error": SECRET, "code": "model_not_found"}
                    self._send(connection, error)
                    return None
                case "session.update":
                    model = event["model"]
                case "input_audio_buffer.append":
                    audio += base64.b64decode(event["audio"])
                case "input_audio_buffer.commit" if event.get("final"):
                    assert is_started
                    return audio
                case "input_audio_buffer.commit":
                    assert model == MODEL
                    is_started = True
                case kind:
                    raise AssertionError(f"the protocol has no {kind}")

    def _answer(self, connection: ServerConnection, audio: bytes, failure: str) -> None:
        if failure == "slow":
            self.is_waiting.set()
            while True:  # until the client leaves
                time.sleep(0.02)
                connection.ping()
        if failure == "error":
            self._send(connection, {"type": "error", "error": SECRET, "code": "processing_error"})
            return
        if failure == "garbage":
            connection.send("{not json")
            self._send(connection, {"type": "transcription.done", "text": 5})
            return
        head = f"language {self.language}<asr_text>" if self.language else ""
        starts = range(0, len(audio), PIECE_BYTES)
        pieces = [head + transcript(audio[at : at + PIECE_BYTES]) for at in starts]
        for piece in pieces:
            self._send(connection, {"type": "transcription.delta", "delta": piece})
        if failure != "cut":
            done = {"type": "transcription.done", "text": "".join(pieces), "usage": {}}
            self._send(connection, done)

    def _send(self, connection: ServerConnection, event: Mapping[str, Any]) -> None:
        connection.send(json.dumps(event))


@contextmanager
def serving(server: RealtimeServer) -> Iterator[RealtimeServer]:
    """Run it until the block ends."""
    with serve(server.serve, "127.0.0.1", 0, process_request=server.admit) as listener:
        server.url = f"http://127.0.0.1:{listener.socket.getsockname()[1]}/v1"
        thread = threading.Thread(target=listener.serve_forever, daemon=True)
        thread.start()
        yield server
    thread.join()
