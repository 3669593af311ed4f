"""Qwen3-TTS on the CPU against the official package, random weights, one run: ms per frame and time to first audio.

Both implementations, each in a process and environment of its own, speak the same texts from the same checkpoint with
the same number of threads; passes alternate. ``--peer qwen-tts=PYTHON`` names the interpreter of an environment that
has ``qwen-tts`` (transformers 4.57.6); benchmarks/README.md says how to make it. Not over gRPC: the peer has no server.

The weights never say that they are done, so every text gets the same frames, and every time holds everything from the
text to the last sample, the codec's part too. Eight texts at once: the engine speaks them together; the package is
measured both ways, one after the other and as one batch. Its first audio is there when it returns. A frame's time
per stream is the time of all divided by the frames of all.
Targets, tiny weights: >= 3x at batch 1, >= 10x per stream at batch 8 against requests served in order, first audio of
25 frames >= 10x sooner.
"""

import argparse
import sys
import tempfile
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks.qwen_asr_cpu import Peer, Program, started
from benchmarks.results import Run, console
from benchmarks.stats import Figure
from benchmarks.synthesis_texts import SENTENCES

PEER = "qwen-tts"
FRAMES = 25
QUICK_FRAMES = 6
STREAMS = 8
FRAME_SAMPLES = 1920
SPEAKER = "ryan"
ROUNDS = 3
"""Of one text each; their median counts."""


@dataclass(frozen=True, slots=True)
class Load:
    """What is asked of an implementation at a time."""

    name: str
    streams: int
    together: bool
    sample: bool

    @property
    def title(self) -> str:
        """For figures."""
        return f"{self.name}, {'sampled' if self.sample else 'greedy'}"


LOADS = tuple(
    Load(name, streams, together, sample)
    for sample in (False, True)
    for name, streams, together in (
        ("one text", 1, True),
        ("8 texts together", STREAMS, True),
        ("8 texts in order", STREAMS, False),
    )
)
Seconds = dict[tuple[str, Load], list[float]]


@dataclass(frozen=True, slots=True)
class Measured:
    """Of every program and load, one value for each repeat."""

    wall: Seconds
    """From the texts to the last sample."""
    first: Seconds
    """From the texts to the first sample."""
    cpu: Seconds
    """Of all threads; others on the machine disturb it less than the clock."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Flags of this benchmark alone."""
    parser.add_argument("--size", choices=("tiny", "0.6b", "1.7b"), default="tiny")
    parser.add_argument("--dtype", choices=("float32", "bfloat16"), default="float32")
    parser.add_argument("--threads", type=int, default=2, help="of each implementation")
    parser.add_argument("--peer", metavar="NAME=PYTHON", help=f"NAME is {PEER}")
    parser.add_argument("--weights", type=Path, help="folder that keeps the random checkpoints")


def run(args: argparse.Namespace) -> None:
    """Measure and write ``qwen_tts_cpu_<size>_<dtype>.json``."""
    from benchmarks.random_tts import write_tts

    frames = QUICK_FRAMES if args.quick else FRAMES
    record = Run(f"qwen_tts_cpu_{args.size.replace('.', '_')}_{args.dtype}", args)
    with ExitStack() as stack:
        weights = args.weights or Path(stack.enter_context(tempfile.TemporaryDirectory()))
        weights.mkdir(parents=True, exist_ok=True)
        config = {
            "model": str(write_tts(args.size, weights / f"tts-{args.size}")),
            "dtype": args.dtype,
            "threads": args.threads,
            "frames": frames,
            "streams": STREAMS,
            "speaker": SPEAKER,
        }
        peers = {
            program.name: stack.enter_context(started(program, config))
            for program in programs(args.peer)
        }
        found = measure(peers, args, frames)
    settings = {
        "weights": f"random, {args.size}",
        "dtype": args.dtype,
        "threads": args.threads,
        "frames": f"{frames} of each text, forced; sampling as the release recommends, and greedy",
    }
    detail = {
        f"{name}, {load.title}": {
            "wall_s": times,
            "first_s": found.first[name, load],
            "cpu_s": found.cpu[name, load],
        }
        for (name, load), times in found.wall.items()
    }
    record.write(figures(found, args.size, frames), settings, detail)


def programs(peer: str | None) -> list[Program]:
    """This project's engine, and the peer if it was named."""
    found = [Program("own", sys.executable, "own_tts.py", {})]
    if peer:
        name, _, python = peer.partition("=")
        if name != PEER or not python:
            raise RuntimeError(f"--peer {peer}: write {PEER}=PYTHON")
        found.append(Program(name, python, "official_tts.py", {}))
    return found


def measure(peers: dict[str, Peer], args: argparse.Namespace, frames: int) -> Measured:
    """Alternate between the implementations."""
    names = [(name, load) for name in peers for load in LOADS]
    found = Measured(*({name: [] for name in names} for _ in range(3)))
    for number in range((1 if args.quick else args.repeats) + 1):  # the first round warms up
        for load in LOADS:
            console.print(f"qwen_tts_cpu: round {number}, {load.title}")
            answers: dict[str, list[dict[str, Any]]] = {name: [] for name in peers}
            for turn in range(1 if args.quick or load.streams > 1 else ROUNDS):
                texts = [
                    SENTENCES[(number + turn + n) % len(SENTENCES)] for n in range(load.streams)
                ]
                for name, peer in peers.items():
                    answers[name].append(ask(peer, load, texts, frames))
            for name, runs in answers.items():
                middle = sorted(runs, key=lambda answer: answer["wall_s"])[len(runs) // 2]
                if number:
                    found.wall[name, load].append(middle["wall_s"])
                    found.first[name, load].append(middle["first_s"])
                    found.cpu[name, load].append(middle["cpu_s"])
    return found


def ask(peer: Peer, load: Load, texts: Sequence[str], frames: int) -> dict[str, Any]:
    """One pass; every text must have come with all of its frames."""
    answer = peer.ask({"texts": texts, "sample": load.sample, "together": load.together})
    expected = [frames * FRAME_SAMPLES] * len(texts)
    if answer["samples"] != expected:
        raise RuntimeError(f"a peer spoke {answer['samples']} samples instead of {expected}")
    return answer


def figures(measured: Measured, size: str, frames: int) -> list[Figure]:
    """Times, and how many times faster than the peer."""
    found: list[Figure] = []
    for (name, load), times in measured.wall.items():
        per_frame = [1000 * time_s / (frames * load.streams) for time_s in times]
        found.append(Figure(f"{name}, {load.title}, per frame, random weights", "ms", per_frame))
        if load.streams == 1:
            times_ms = [1000 * time_s for time_s in measured.first[name, load]]
            found.append(
                Figure(f"{name}, {load.title}, first audio, random weights", "ms", times_ms)
            )
    if (PEER, LOADS[0]) in measured.wall:
        for sample in (False, True):
            found += _ratios(measured, sample, has_targets=size == "tiny")
    return found


def _ratios(measured: Measured, sample: bool, has_targets: bool) -> list[Figure]:
    one, together, in_order = (load for load in LOADS if load.sample == sample)
    pairs = (
        (f"{one.title}, per frame", measured.wall, one, one, 3.0),
        (f"{one.title}, per frame, CPU time", measured.cpu, one, one, None),
        (f"{one.title}, first audio", measured.first, one, one, 10.0),
        (f"{together.title}, package in order", measured.wall, together, in_order, 10.0),
        (f"{together.title}, package in order, CPU time", measured.cpu, together, in_order, None),
        (f"{together.title}, package in one batch", measured.wall, together, together, None),
    )
    found: list[Figure] = []
    for title, seconds, ours, theirs, target in pairs:
        ratios = [a / b for a, b in zip(seconds[PEER, theirs], seconds["own", ours], strict=True)]
        name = f"{PEER} / own, {title}, random weights"
        goal = target if has_targets else None
        found.append(Figure(name, "x", ratios, goal, better="higher"))
    return found
