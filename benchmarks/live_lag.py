"""How late FINALs of a live stream come: what benchmarks of live streams beside other work have in common."""

from collections.abc import Mapping, Sequence
from typing import Any

from benchmarks import corpus
from benchmarks.client import END_SILENCE_S, Session
from benchmarks.stats import percentile

FLOOR_MS = 50.0
"""Added to every lag, so that a ratio of two tiny ones says little: about the time that one step of the model takes."""
PAUSE_S = 1.2
"""Between clips: longer than ``end_silence``, so that each clip ends its segments."""


def live_pcm(clips: Sequence[corpus.Clip], seconds: float, first: int = 0) -> bytes:
    """Clips from the one numbered ``first`` on, with pauses that end their segments; ``seconds`` at least."""
    pcm, index = b"", first
    while len(pcm) < seconds * corpus.BYTES_PER_S:
        pcm += clips[index % len(clips)].pcm + corpus.silence(PAUSE_S)
        index += 1
    return pcm


def lags_ms(session: Session) -> list[float]:
    """Of each FINAL, from when its ``end_silence`` had passed by schedule; 0 where it came before that."""
    return [
        max(0.0, seen.at - session.spoken_at(seen.end_ms / 1000 + END_SILENCE_S)) * 1000
        for seen in session.finals
    ]


def floored(lags: Sequence[float], percent: float) -> float:
    """A percentile of lags, with the floor."""
    return FLOOR_MS + percentile(lags, percent)


def settings(seconds: float, clips: Sequence[corpus.Clip]) -> Mapping[str, Any]:
    """What a reader of the results must know of the live streams."""
    return {
        "live": f"{seconds:g} s in real time, 100 ms chunks, 0.5 s partials, {PAUSE_S:g} s between clips",
        "lag": f"{FLOOR_MS:g} ms more than measured",
        "audio": corpus.fingerprint(clips),
    }


def step_plot(axes: Any, lags: Sequence[float], **style: Any) -> None:
    """The share of FINALs that had come after so many milliseconds."""
    floored_lags = sorted(FLOOR_MS + lag for lag in lags)
    shares = [(index + 1) / len(floored_lags) for index in range(len(floored_lags))]
    axes.step(floored_lags, shares, where="post", **style)
    axes.set_xlabel("lag of a FINAL, ms")
    axes.set_ylabel("share of FINALs")
