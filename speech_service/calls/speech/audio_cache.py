"""Caches of the front end: finished audio of synthesis, and prepared voice prompts.

Both are LRU by SHA-256 of everything that determines the value and of whose it is, bounded in bytes and entries, and
belong to one event loop. No tenant is answered with what another one asked for, so that none finds out. A capacity of
0 turns a cache off.
"""

import hashlib
import json
from collections import OrderedDict
from collections.abc import Mapping
from dataclasses import dataclass, field, fields, is_dataclass
from enum import Enum
from functools import lru_cache
from typing import Generic, TypeVar

from speech_service import __version__
from speech_service.domain.audio import Samples
from speech_service.domain.events import ContextTurn, SpeechChunk, SpeechTimings, StreamWarning
from speech_service.domain.synthesis import WORD_TIMINGS_UNAVAILABLE, SpeechFinish, SynthesisOptions
from speech_service.domain.work import SpeechMade, SynthesizeWork

Value = TypeVar("Value")

_ENTRY_BYTES = 512
"""What an entry costs beside its audio."""
_MAX_PROMPTS = 1024
_WHO_ASKED = frozenset(
    {"work_id", "stream_id", "work_class", "deadline_s", "traceparent", "ahead_ms"}
)


@dataclass(frozen=True, slots=True)
class CacheStats:
    """What a cache holds and how it served."""

    entries: int
    size_bytes: int
    capacity_bytes: int
    hits: int
    misses: int


class LruCache(Generic[Value]):
    """Keeps the values used last, within both bounds."""

    def __init__(self, capacity_bytes: int, max_entries: int) -> None:
        self._capacity = capacity_bytes
        self._max_entries = max_entries
        self._values: OrderedDict[bytes, tuple[Value, int]] = OrderedDict()
        self._size = 0
        self._hits = 0
        self._misses = 0

    @property
    def is_on(self) -> bool:
        """Whether it can hold anything."""
        return self._capacity > 0 and self._max_entries > 0

    @property
    def capacity_bytes(self) -> int:
        """Its bound."""
        return self._capacity

    def get(self, key: bytes) -> Value | None:
        """The value, which is now the one used last; None counts as a miss."""
        found = self._values.get(key)
        if found is None:
            self._misses += 1
            return None
        self._hits += 1
        self._values.move_to_end(key)
        return found[0]

    def put(self, key: bytes, value: Value, size_bytes: int) -> bool:
        """Keep the value, at the cost of those not used for longest; False: it is larger than the cache."""
        if not self.is_on or size_bytes > self._capacity:
            return False
        self._forget(key)
        self._values[key] = (value, size_bytes)
        self._size += size_bytes
        while self._size > self._capacity or len(self._values) > self._max_entries:
            self._forget(next(iter(self._values)))
        return True

    def clear(self) -> tuple[int, int]:
        """Drop everything; returns how many entries and bytes that were."""
        dropped = (len(self._values), self._size)
        self._values.clear()
        self._size = 0
        return dropped

    def stats(self) -> CacheStats:
        """Numbers for an operator."""
        capacity = self._capacity if self.is_on else 0
        return CacheStats(len(self._values), self._size, capacity, self._hits, self._misses)

    def _forget(self, key: bytes) -> None:
        _, size = self._values.pop(key, (None, 0))
        self._size -= size


@dataclass(frozen=True, slots=True)
class FinishedAudio:
    """A text that was spoken and encoded. ``audio`` is the chunks joined."""

    audio: bytes = field(repr=False)
    chunks: tuple[SpeechChunk[ContextTurn] | SpeechTimings, ...] = field(repr=False)
    """In the order they were made."""
    duration_ms: int
    warnings: tuple[StreamWarning, ...] = ()
    finish: SpeechFinish = SpeechFinish.COMPLETE

    @property
    def timings(self) -> tuple[SpeechTimings, ...]:
        """Those among the chunks."""
        return tuple(c for c in self.chunks if isinstance(c, SpeechTimings))

    @property
    def is_complete(self) -> bool:
        """False where an aligner failed, or the model ran to its limit."""
        return self.finish is SpeechFinish.COMPLETE and all(
            warning.reason != WORD_TIMINGS_UNAVAILABLE for warning in self.warnings
        )

    @property
    def size_bytes(self) -> int:
        """Memory that it costs: the audio is there joined and in chunks."""
        units = sum(len(t.units) for t in self.timings)
        return 2 * len(self.audio) + _ENTRY_BYTES + 200 * len(self.chunks) + 160 * units


@dataclass(frozen=True, slots=True)
class SpokenText:
    """A piece of a stream's text as the model spoke it, not encoded yet: float32 [n] arrays as they came."""

    audio: tuple[Samples, ...] = field(repr=False)
    made: SpeechMade

    @property
    def is_complete(self) -> bool:
        """False where the model ran to its limit."""
        return self.made.finish is SpeechFinish.COMPLETE

    @property
    def size_bytes(self) -> int:
        """Memory that it costs."""
        return sum(a.nbytes for a in self.audio) + _ENTRY_BYTES + 160 * len(self.made.words)


class AudioCache(LruCache[FinishedAudio | SpokenText]):
    """Finished audio of whole texts, and speech of streams. Nothing of cloned voices ever comes here."""

    def finished(self, key: bytes) -> FinishedAudio | None:
        """The audio under a key of :func:`audio_key`."""
        found = self.get(key)
        return found if isinstance(found, FinishedAudio) else None

    def spoken(self, key: bytes) -> SpokenText | None:
        """The speech under a key of :func:`work_key`."""
        found = self.get(key)
        return found if isinstance(found, SpokenText) else None

    def store(self, key: bytes, audio: FinishedAudio | SpokenText) -> bool:
        """Keep it; False: it is larger than the cache, or lacks what another try may bring."""
        if not audio.is_complete:
            return False
        return self.put(key, audio, audio.size_bytes)


class VoicePromptCache(LruCache[object]):
    """What a model made of a voice prompt (an embedding, say), by the prompt's content."""

    def __init__(self, capacity_bytes: int) -> None:
        super().__init__(capacity_bytes, _MAX_PROMPTS)


def audio_key(options: SynthesisOptions, text: str, tenant: str) -> bytes:
    """SHA-256 of everything that determines the audio of ``text``; the service's version stands for its code."""
    return _sha256(_options_digest(options) + _sha256(tenant.encode()) + text.encode())


@lru_cache(maxsize=64)
def _options_digest(options: SynthesisOptions) -> bytes:
    """Most requests come with options that came before."""
    return _digest({"version": __version__, "options": options})


def text_key(text: str, tenant: str) -> bytes:
    """SHA-256 of a text of a tenant."""
    return _sha256(_sha256(tenant.encode()) + text.encode("utf-8", "surrogatepass"))


def work_key(work: SynthesizeWork, tenant: str) -> bytes:
    """SHA-256 of everything that determines the samples of a piece: all of the work but who asked, and how urgently."""
    values = {f.name: getattr(work, f.name) for f in fields(work) if f.name not in _WHO_ASKED}
    return _digest({"version": __version__, "tenant": tenant, "piece": values})


def prompt_key(audio: bytes, transcript: str, *, embedding_only: bool, tenant: str) -> bytes:
    """SHA-256 of everything that determines what a model makes of a voice prompt."""
    content = _sha256(audio).hex()
    return _digest(
        {
            "version": __version__,
            "tenant": tenant,
            "audio": content,
            "transcript": transcript,
            "embedding_only": embedding_only,
        }
    )


def _digest(values: Mapping[str, object]) -> bytes:
    return _sha256(json.dumps(values, sort_keys=True, default=_plain).encode())


def _sha256(data: bytes) -> bytes:
    return hashlib.sha256(data).digest()


def _plain(value: object) -> object:
    """What JSON does not know: an enum by its value, a dataclass by all its fields."""
    if isinstance(value, Enum):
        return value.value
    assert is_dataclass(value), value
    return [getattr(value, each.name) for each in fields(value)]
