"""Speech that a stream asks for again: a ``Submitter`` that looks into the audio cache first.

What a context says is not known to its end before its first sentence is spoken, so a stream keeps and finds the speech
of its pieces, as the model made it; encoding, which depends on all that went before in the context, is done anew. A
piece of speech is answered without a worker, and sounds the same whatever context it was made for.
"""

import asyncio
from collections.abc import Callable
from typing import Any

from speech_service.calls.speech.audio_cache import AudioCache, SpokenText, work_key
from speech_service.domain.work import (
    DropReason,
    SpeechMade,
    SynthesizeWork,
    Work,
    WorkAudio,
    WorkDone,
    WorkDropped,
    WorkEvent,
    WorkTiming,
)
from speech_service.protocols import Observer, OnWorkEvent, Submitter


class CachedSpeech:
    """Of one stream. Implements ``Submitter`` for its ``SynthesizeWork``, on the event loop's thread."""

    def __init__(
        self, submitter: Submitter, cache: AudioCache, observer: Observer, tenant: str
    ) -> None:
        """``tenant``: whose speech is looked for and kept."""
        self._tenant = tenant
        self._submitter = submitter
        self._cache = cache
        self._observer = observer
        self._answers: dict[str, tuple[asyncio.Handle, OnWorkEvent]] = {}
        """Found, and told of in the loop's next turn."""
        self._hits = 0
        self._misses = 0

    @property
    def label(self) -> str:
        """For trailing metadata: "hit" or "miss" where that is true of every piece, else "partial"; empty: no piece."""
        if self._hits and self._misses:
            return "partial"
        return "hit" if self._hits else "miss" if self._misses else ""

    def submit(self, work: Work, on_event: OnWorkEvent) -> None:
        if not isinstance(work, SynthesizeWork) or work.voice_prompt is not None:
            # An aligner's work, or a clone's speech, which is not kept.
            self._submitter.submit(work, on_event)
            return
        key = work_key(work, self._tenant)
        found = self._cache.spoken(key)
        self._observer.count(
            "speech_audio_cache_total", 1.0, outcome="miss" if found is None else "hit"
        )
        if found is None:
            self._misses += 1
            self._submitter.submit(work, _Keeper(self._cache, key, on_event).take)
            return
        self._hits += 1
        handle = asyncio.get_running_loop().call_soon(self._answer, work.work_id, found)
        self._answers[work.work_id] = (handle, on_event)

    def cancel(self, work_id: str) -> None:
        answer = self._answers.pop(work_id, None)
        if answer is None:
            self._submitter.cancel(work_id)
            return
        handle, on_event = answer
        handle.cancel()
        dropped = WorkDropped(work_id, DropReason.CANCELLED)
        asyncio.get_running_loop().call_soon(on_event, dropped)

    def release(self, stream_id: str) -> None:
        self._submitter.release(stream_id)

    def _answer(self, work_id: str, found: SpokenText) -> None:
        _, on_event = self._answers.pop(work_id)
        for samples in found.audio:
            on_event(WorkAudio(work_id, samples, found.made.sample_rate_hz))
        on_event(WorkDone(work_id, found.made, WorkTiming()))


class _Keeper:
    """Collects the speech of one work item on its way to the session."""

    def __init__(self, cache: AudioCache, key: bytes, on_event: Callable[[WorkEvent], Any]) -> None:
        self._cache = cache
        self._key = key
        self._on_event = on_event
        self._audio: list[WorkAudio] = []

    def take(self, event: WorkEvent) -> None:
        match event:
            case WorkAudio():
                # The session gets the very same array: whoever wrote into it would change the cache.
                event.samples.setflags(write=False)
                self._audio.append(event)
            case WorkDone(outcome=SpeechMade() as made):
                audio = tuple(each.samples for each in self._audio)
                self._cache.store(self._key, SpokenText(audio, made))
            case _:
                self._audio.clear()
        self._on_event(event)
