"""Mode realtime: a websocket for each segment, by vLLM's ``/realtime``.

The protocol: ``session.update`` names the model, ``input_audio_buffer.commit`` starts the transcript,
``input_audio_buffer.append`` carries 16-bit audio at 16 kHz in base64, a ``commit`` that is ``final`` ends it. The
server answers with ``transcription.delta`` and one ``transcription.done``, or with ``error``.
"""

import base64
import json
import re
import ssl
from collections.abc import Iterator

from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import InvalidStatus, WebSocketException

from speech_service.domain.audio import Samples, ms_to_samples
from speech_service.domain.errors import UnsupportedOptionError
from speech_service.domain.transcript import Hypothesis
from speech_service.domain.work import RecognizeWork
from speech_service.engines.audio_checks import checked
from speech_service.engines.model_server.client import (
    MAX_ANSWER_BYTES,
    Deadline,
    RefusedError,
    ServerClient,
    ServerFailedError,
    json_object,
)
from speech_service.engines.qwen_release.recognition import TAGS
from speech_service.engines.vllm.recognizer import VllmRecognizerOptions
from speech_service.media.encode.pcm import pcm_s16le
from speech_service.text.bcp47 import is_unspaced

_MIN_SAMPLES = ms_to_samples(100)
_CLOSE_TIMEOUT_S = 1.0
_LANGUAGE = re.compile(r"language ([A-Za-z]{1,40}?)<asr_text>")
"""How Qwen3-ASR begins each piece; the server leaves it in the text."""


class RealtimeTranscriber:
    """Implements ``Transcriber``."""

    def __init__(self, options: VllmRecognizerOptions, server: ServerClient) -> None:
        self._options = options
        self._server = server
        self._url = re.sub("^http", "ws", f"{server.base_url}/realtime")

    async def transcribe(self, work: RecognizeWork, deadline: Deadline) -> Hypothesis:
        """As ``Transcriber``."""
        samples = checked(work.samples, _MIN_SAMPLES)
        languages = self._options.languages
        if work.language and len(languages) > 1:
            problem = "cannot be forced: the realtime mode of a vLLM server takes no language"
            raise UnsupportedOptionError("language", problem, ["none"])

        async def attempt() -> str:
            return await self._attempt(samples)

        text, heard = spoken(await self._server.repeated(attempt, deadline))
        return Hypothesis(text, language=heard or work.language)

    async def _attempt(self, samples: Samples) -> str:
        connection = connect(
            self._url,
            additional_headers=self._server.headers,
            ssl=self._tls(),
            proxy=None,
            max_size=MAX_ANSWER_BYTES,
            close_timeout=_CLOSE_TIMEOUT_S,
        )
        try:
            async with connection as socket:
                for message in self._messages(samples):
                    await socket.send(json.dumps(message))
                return await self._answer(socket)
        except InvalidStatus as error:
            response = error.response
            self._server.check_status(response.status_code, response.headers.get("Retry-After"))
            raise ServerFailedError("no websocket") from None
        except (WebSocketException, OSError) as error:
            raise ServerFailedError(type(error).__name__) from None

    def _messages(self, samples: Samples) -> Iterator[dict[str, object]]:
        yield {"type": "session.update", "model": self._options.model}
        yield {"type": "input_audio_buffer.commit"}
        chunk = ms_to_samples(self._options.realtime_chunk_ms)
        for begin in range(0, len(samples), chunk):
            audio = base64.b64encode(pcm_s16le(samples[begin : begin + chunk])).decode()
            yield {"type": "input_audio_buffer.append", "audio": audio}
        yield {"type": "input_audio_buffer.commit", "final": True}

    async def _answer(self, socket: ClientConnection) -> str:
        async for message in socket:
            event = json_object(message) or {}
            kind = event.get("type")
            if kind == "error":
                raise self._error(event.get("code"))
            if kind == "transcription.done":
                text = event.get("text")
                if not isinstance(text, str):
                    raise ServerFailedError("an answer without a text")
                return text
        raise ServerFailedError("a stream that was cut off")

    def _error(self, code: object) -> Exception:
        if code == "model_not_found":
            return self._server.role.misconfigured("does not know the model of options.model")
        if code == "invalid_audio":
            return RefusedError()
        return ServerFailedError("an error inside the stream")

    def _tls(self) -> ssl.SSLContext | None:
        return self._server.tls if self._url.startswith("wss:") else None


def spoken(answer: str) -> tuple[str, str]:
    """The text of a realtime answer, and the language of its first piece with a known one ("": none is named).

    The server cuts the audio into pieces. Qwen3-ASR begins the text of each with its language; other models do not.
    """
    before, *named = _LANGUAGE.split(answer)
    tags = [TAGS.get(name.casefold(), "") for name in named[::2]]
    language = next(filter(None, tags), "")
    texts = [text.strip() for text in (before, *named[1::2])]
    return ("" if is_unspaced(language) else " ").join(filter(None, texts)), language
