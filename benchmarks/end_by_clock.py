"""A live client that stops sending: when the server says that speech has ended, and when the FINAL comes.

StreamingRecognize, REALTIME. A recording is cut in the middle of a word and sent in real time; then the client sends
nothing more, or, in turn, silence. Without audio the end is told by the wall clock, ``end_silence`` (0.6 s) and
``quiet_margin`` (0.5 s) after the last audio; with silence, once ``end_silence`` of it was heard. The clock is the
client's, from when the last speech was sent, by schedule. What others do to the machine befalls both arms alike.

Targets: END <= 1.2 x end_silence + quiet_margin, by medians; what the FINAL takes behind it <= 1.5 x that with silence.
"""

import argparse
import asyncio
from collections.abc import Mapping, Sequence
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np

from benchmarks import client, corpus, harness
from benchmarks.client import END_SILENCE_S, Session, Settings
from benchmarks.results import Run
from benchmarks.stats import Figure

MARGIN_S = 0.5
"""The server's default ``quiet_margin``."""
END_TARGET, FINAL_TARGET = 1.2, 1.5
FLOOR_MS = 50.0
"""Added to what a FINAL takes: about the time that one step of the model takes."""
_SILENCE_S = 3.0
Round = dict[str, list[dict[str, float]]]
"""By arm, ``stops`` and ``silence``: when END and FINAL came, in milliseconds after the last speech."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Flags of this benchmark alone."""
    parser.add_argument("--rounds", type=int, default=4, help="times that each clip is sent")
    parser.add_argument("--clips", type=int, default=6, help="clips")


def run(args: argparse.Namespace) -> None:
    """Measure; write ``end_by_clock.json`` and draw ``end_by_clock.png``."""
    record = Run("end_by_clock", args)
    clips = corpus.load_or_bundled("en-read", args.data, limit=args.clips)
    speech = [_cut_in_a_word(clip.pcm) for clip in clips[: 2 if args.quick else None]]
    with harness.Server(harness.Setup(), "end_by_clock") as server:
        rounds = asyncio.run(_measure(server.target, speech, 1 if args.quick else args.rounds))
    settings = {
        "clips": len(speech),
        "end_silence_s": END_SILENCE_S,
        "quiet_margin_s": MARGIN_S,
        "audio": corpus.fingerprint(clips),
    }
    path = record.write(_figures(rounds), settings, {"rounds": rounds})
    draw({"detail": {"rounds": rounds}}, path.with_suffix(".png"))


def draw(document: Mapping[str, Any], path: Path) -> Path:
    """One PNG: when END and FINAL came, by arm."""
    import matplotlib as mpl

    mpl.use("Agg")
    from matplotlib import pyplot as plt

    figure, axes = plt.subplots(figsize=(8, 4.2), layout="constrained")
    for arm, color in (("silence", "#2a6f97"), ("stops", "#c1121f")):
        for event, style in (("end", "-"), ("final", "--")):
            rounds = document["detail"]["rounds"]
            values = sorted(seen[event] for each in rounds for seen in each[arm])
            shares = [(index + 1) / len(values) for index in range(len(values))]
            axes.step(values, shares, style, where="post", color=color, label=f"{arm}: {event}")
    axes.axvline((END_SILENCE_S + MARGIN_S) * 1000, color="grey", linestyle=":")
    axes.set_xlabel("after the last speech, ms (dotted: end_silence + quiet_margin)")
    axes.set_ylabel("share of streams")
    axes.legend()
    figure.savefig(path, dpi=110)
    plt.close(figure)
    return path


def _cut_in_a_word(pcm: bytes) -> bytes:
    """Up to the loudest tenth of a second between the second and the fourth second."""
    samples = np.frombuffer(pcm, "<i2")[2 * corpus.RATE : 4 * corpus.RATE].astype(np.float64)
    block = corpus.RATE // 10
    loud = np.square(samples[: len(samples) // block * block].reshape(-1, block)).sum(axis=1)
    return pcm[: 2 * (2 * corpus.RATE + (int(loud.argmax()) + 1) * block)]


async def _measure(target: str, speech: Sequence[bytes], count: int) -> list[Round]:
    rounds: list[Round] = []
    silence = corpus.silence(_SILENCE_S)
    async with client.connect(target) as stub:
        await client.stream(stub, "warm", speech[0] + silence, Settings(timeout_s=60.0))
        with harness.progress("end_by_clock", count) as advance:
            for number in range(count):
                arms: Round = {"stops": [], "silence": []}
                for at, pcm in enumerate(speech):
                    order = ("stops", "silence") if (at + number) % 2 else ("silence", "stops")
                    for arm in order:
                        said, hold_s = (pcm, _SILENCE_S) if arm == "stops" else (pcm + silence, 0.0)
                        settings = Settings(timeout_s=60.0, hold_s=hold_s)
                        session = await client.stream(stub, arm, said, settings)
                        arms[arm].append(_seen(session, len(pcm) / corpus.BYTES_PER_S))
                rounds.append(arms)
                advance("")
    return rounds


def _seen(session: Session, spoken_s: float) -> dict[str, float]:
    """When END and FINAL of the last segment came."""
    if session.failed or not session.speech_ends or not session.finals:
        raise RuntimeError(f"a stream had no end of speech: {session.error or 'no END or FINAL'}")
    last = session.spoken_at(spoken_s)
    end, final = session.speech_ends[-1][0], session.finals[-1].at
    return {"end": round((end - last) * 1000, 1), "final": round((final - last) * 1000, 1)}


def _figures(rounds: Sequence[Round]) -> list[Figure]:
    due_ms = {"stops": (END_SILENCE_S + MARGIN_S) * 1000, "silence": END_SILENCE_S * 1000}
    figures: list[Figure] = []
    behind: dict[str, float] = {}
    for arm, due in due_ms.items():
        ends = [median(seen["end"] for seen in each[arm]) for each in rounds]
        figures.append(Figure(f"END, client sends {_NAMES[arm]}, p50", "ms", ends))
        every = [seen for each in rounds for seen in each[arm]]
        ratio = median(seen["end"] for seen in every) / due
        target = END_TARGET if arm == "stops" else None
        figures.append(Figure(f"END / when it is due, {_NAMES[arm]}", "x", [ratio], target))
        behind[arm] = FLOOR_MS + median(max(0.0, s["final"] - s["end"]) for s in every)
    ratio = behind["stops"] / behind["silence"]
    name = "FINAL behind END, nothing / silence"
    return [*figures, Figure(name, "x", [ratio], FINAL_TARGET)]


_NAMES = {"stops": "nothing", "silence": "silence"}
