"""Live streams of ``speech_client`` that go round and round, whose FINALs are known before they are heard.

The recognizer counts the length of what it hears, and the audio is bursts whose lengths are far from where it would
count one more.
"""

import asyncio
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from benchmarks import harness
from benchmarks.faults.options import Harm
from benchmarks.harness import Setup
from speech_client import (
    RawAudio,
    RecognitionResult,
    Reconnected,
    ReconnectPolicy,
    SpeechApiError,
    SpeechClient,
)

STREAMS = 20
QUICK_STREAMS = 4
SETUP = Setup(
    models=(harness.FAKE_MODEL,),
    options={"word_ms": 500},
    overrides=("vad.kind=fake", *harness.UNBOUNDED),
)
POLICY = ReconnectPolicy(attempts=100, total_s=300.0)
LONGEST_S = 600.0
"""No stream takes longer to end."""
_RATE = 16_000
_PIECE_MS = 100
_WORDS_OF = {1_600: 4, 2_100: 5, 1_100: 3, 2_600: 6}
"""Bursts by their length in milliseconds: words that the recognizer counts in them, padding or not."""
_BURSTS_MS = tuple(_WORDS_OF)
_PAUSE_MS = 900
_TAIL_MS = 224
"""Of a segment's audio behind its speech."""
_FRAME_MS = 32
_WORDS = ("zero", "one", "two", "three", "four", "five", "six", "seven")


@dataclass(slots=True)
class Tally(Harm):
    """What came of the streams while something ended, again and again."""

    streams: int = 0
    finals: int = 0
    lags_ms: list[float] = field(default_factory=list[float])
    """From the end of a segment's audio to its FINAL."""
    pauses_ms: list[int] = field(default_factory=list[int])
    """While a stream had no server."""
    starts_ms: list[int] = field(default_factory=list[int])
    """How long what had ended took to be there again."""


async def speak_on(client: SpeechClient, number: int, over: asyncio.Event, tally: Tally) -> None:
    """One live stream after the other until it is ``over``."""
    await asyncio.sleep(number * 0.05)
    while not over.is_set():
        lengths = [_BURSTS_MS[(number + index) % len(_BURSTS_MS)] for index in range(4)]
        tally.streams += 1
        try:
            finals = await _stream(client, lengths, tally)
        except SpeechApiError as error:
            tally.errors += 1
            tally.problems.append(str(error))
            continue
        _judge(finals, lengths, tally)


async def _stream(
    client: SpeechClient, lengths: list[int], tally: Tally
) -> list[RecognitionResult]:
    """One live stream from beginning to end."""
    finals: list[RecognitionResult] = []
    loop = asyncio.get_running_loop()
    async with client.stream_recognize(format=RawAudio(_RATE)) as stream:

        async def send() -> None:
            due_s = began_s
            for piece in _pieces(lengths):
                await stream.send_audio(piece)
                due_s += _PIECE_MS / 1000
                await asyncio.sleep(max(0.0, due_s - loop.time()))
            await stream.end_audio()

        began_s = loop.time()
        sending = asyncio.create_task(send())
        try:
            async for event in stream:
                if isinstance(event, Reconnected):
                    tally.pauses_ms.append(event.pause_ms)
                elif isinstance(event, RecognitionResult) and event.is_final:
                    finals.append(event)
                    tally.lags_ms.append((loop.time() - began_s) * 1000 - event.end_ms)
        finally:
            sending.cancel()
            await asyncio.gather(sending, return_exceptions=True)
    return finals


def _judge(finals: list[RecognitionResult], lengths: list[int], tally: Tally) -> None:
    ids = [final.segment_id for final in finals]
    tally.finals += len(finals)
    tally.doubled += len(ids) - len(set(ids))
    tally.lost += max(0, len(lengths) - len(set(ids)))
    begin_ms = 0
    for number, (final, length_ms) in enumerate(zip(finals, lengths, strict=False), 1):
        words = " ".join(_WORDS[: _WORDS_OF[length_ms]])
        is_there = abs(final.end_ms - _TAIL_MS - begin_ms - length_ms) <= 2 * _FRAME_MS
        if (final.segment_id, final.text) != (number, words) or not is_there:
            tally.different += 1
            tally.problems.append(f"segment {final.segment_id} ends at {final.end_ms} ms")
        begin_ms += length_ms + _PAUSE_MS


def _pieces(lengths: list[int]) -> list[bytes]:
    """16-bit tones of these lengths, with pauses behind them."""
    parts: list[np.ndarray[Any, np.dtype[np.float64]]] = []
    for length_ms in lengths:
        t = np.arange(length_ms * _RATE // 1000) / _RATE
        tone = 0.3 * (0.75 + 0.25 * np.sin(2 * np.pi * 4 * t)) * np.sin(2 * np.pi * 180 * t)
        parts += [tone, np.zeros(_PAUSE_MS * _RATE // 1000)]
    data = (np.concatenate(parts) * 32767).astype("<i2").tobytes()
    size = _PIECE_MS * _RATE // 1000 * 2
    return [data[at : at + size] for at in range(0, len(data), size)]
