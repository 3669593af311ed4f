"""Qwen3-ASR on the CPU against the official package and transformers' own classes, random weights, one run.

Three implementations, each in a process and environment of its own, read the same clips from the same checkpoint and
decode answers of the same length with the same number of threads; passes alternate. ``--peer NAME=PYTHON`` names the
interpreter of an environment that has ``qwen-asr`` (transformers 4.57.6) or ``transformers`` (5.x, for ``native``);
benchmarks/README.md says how to make them. Not over gRPC: the peers have no server.

Tiny weights measure what Python and kernel launches cost, released sizes what memory and arithmetic cost. Random
weights say nothing about text, so lengths are forced, and every result is named ``random weights``.
Targets: tiny >= 2x at batch 1; 0.6B shapes: not slower at batch 1, >= 2x with INT8 weights, >= 3x the audio seconds per
second for 8 requests that arrive at random.
"""

import argparse
import json
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.results import Run, console
from benchmarks.stats import Figure
from tests.qwen_tiny.audio import speech_like

_SIZED = {
    "max_audio_ms": 15_000,
    "max_context_tokens": 64,
    "kept_segments": 0,
}
"""A KV cache for the clips that come, as the peers' caches are; the default would be for a minute of audio."""
PEERS = {"qwen-asr": "official_asr.py", "native": "transformers_native.py"}
TOKENS = 40
CLIP_S = 10.0
STOP_S = 60.0
ARRIVALS = 8
ARRIVAL_GAP_S = {"tiny": 0.02, "0.6b": 0.5, "1.7b": 1.5}
"""Mean time between two requests: several arrive while one is served."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Flags of this benchmark alone."""
    parser.add_argument("--size", choices=sorted(ARRIVAL_GAP_S), default="tiny")
    parser.add_argument("--dtype", choices=("float32", "bfloat16"), default="float32")
    parser.add_argument("--threads", type=int, default=2, help="of each implementation")
    parser.add_argument("--peer", action="append", default=[], metavar="NAME=PYTHON")
    parser.add_argument("--weights", type=Path, help="folder that keeps the random checkpoints")


@dataclass(frozen=True, slots=True)
class Program:
    """One implementation: its name in the figures, and how it is started."""

    name: str
    python: str
    script: str
    options: dict[str, Any]


class Peer:
    """A started implementation."""

    def __init__(self, pipe: subprocess.Popen[str]) -> None:
        self._pipe = pipe

    def ask(self, request: dict[str, Any]) -> dict[str, Any]:
        """Send one request and wait for its answer."""
        assert self._pipe.stdin is not None
        assert self._pipe.stdout is not None
        self._pipe.stdin.write(json.dumps(request) + "\n")
        self._pipe.stdin.flush()
        line = self._pipe.stdout.readline()
        if not line:
            raise RuntimeError(f"a peer ended with {self._pipe.wait()}; its output is above")
        return json.loads(line)


@contextmanager
def started(program: Program, config: dict[str, Any]) -> Iterator[Peer]:
    """Start an implementation and load its model."""
    script = Path(__file__).parent / "peers" / program.script
    command = [program.python, str(script)]
    pipe = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    try:
        peer = Peer(pipe)
        peer.ask(config | {"options": program.options})
        yield peer
    finally:
        try:
            pipe.communicate(timeout=STOP_S)  # closes the pipe, which ends it and what it started
        except subprocess.TimeoutExpired:
            pipe.kill()
            pipe.wait()


def run(args: argparse.Namespace) -> None:
    """Measure and write ``qwen_asr_cpu_<size>_<dtype>.json``."""
    record = Run(f"qwen_asr_cpu_{args.size.replace('.', '_')}_{args.dtype}", args)
    with ExitStack() as stack:
        scratch = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        weights = args.weights or scratch
        model = checkpoint(args.size, weights)
        config = {
            "model": str(model),
            "dtype": args.dtype,
            "threads": args.threads,
            "tokens": 8 if args.quick else TOKENS,
            **prompt(model),
        }
        peers = {
            program.name: stack.enter_context(started(program, config))
            for program in programs(args)
        }
        single, queue = measure(peers, args, scratch)
    settings = {
        "weights": f"random, {args.size}",
        "dtype": args.dtype,
        "threads": args.threads,
        "clip": f"{CLIP_S:g} s, synthetic, {config['tokens']} tokens forced",
        "arrivals": f"{ARRIVALS} clips, mean gap {ARRIVAL_GAP_S[args.size]:g} s, seeded",
    }
    record.write(figures(single, queue, args), settings, {"alone_s": single, "audio_rate": queue})


def checkpoint(size: str, folder: Path) -> Path:
    """Write the checkpoint of a size, unless it is there."""
    from benchmarks.random_qwen import write_asr
    from tests.qwen_tiny.folder import TinyModels

    folder.mkdir(parents=True, exist_ok=True)
    return TinyModels(folder).asr_target() if size == "tiny" else write_asr(size, folder / size)


def prompt(model: Path) -> dict[str, list[int]]:
    """Token ids around the audio, for peers that do not make them."""
    from speech_service.engines.qwen3.asr.prompt import AsrPrompter
    from speech_service.engines.qwen3.tokenizer import QwenTokenizer
    from speech_service.engines.qwen_release.files import read_files

    made = AsrPrompter(QwenTokenizer(read_files("checkpoint", model))).prompt("", "en")
    return {"head": list(made.head), "tail": list(made.tail)}


def programs(args: argparse.Namespace) -> list[Program]:
    """This project's engine, its INT8 variants, and the peers that were named."""
    own = Program("own", sys.executable, "own.py", _SIZED)
    quantised = [
        Program(f"own {method}", sys.executable, "own.py", _SIZED | {"quantize": method})
        for method in ("int8", *(("int8-weights",) if args.dtype == "bfloat16" else ()))
    ]
    peers: list[Program] = []
    for item in args.peer:
        name, _, python = item.partition("=")
        if name not in PEERS or not python:
            raise RuntimeError(f"--peer {item}: write NAME=PYTHON, NAME one of {', '.join(PEERS)}")
        peers.append(Program(name, python, PEERS[name], {}))
    return [own, *quantised, *peers]


def measure(
    peers: dict[str, Peer], args: argparse.Namespace, scratch: Path
) -> tuple[dict[str, list[float]], dict[str, list[float]]]:
    """Alternate; returns seconds for one clip, and audio seconds per second for clips that arrive at random."""
    single: dict[str, list[float]] = {name: [] for name in peers}
    queue: dict[str, list[float]] = {name: [] for name in peers}
    repeats = 1 if args.quick else args.repeats
    rounds = 3 if args.size == "tiny" else 1
    rng = np.random.default_rng(0)
    for number in range(repeats + 1):  # the first round warms up
        clips = [saved(speech_like(100 * number + i, CLIP_S), scratch) for i in range(ARRIVALS)]
        gaps = rng.exponential(ARRIVAL_GAP_S[args.size], ARRIVALS)
        at_s = [0.0, *np.cumsum(gaps)[:-1].tolist()]
        for name, peer in peers.items():
            console.print(f"{name}: round {number}/{repeats}")
            alone = [peer.ask({"clips": [clip]})["wall_s"] for clip in clips[:rounds]]
            arrived = peer.ask({"clips": clips, "at_s": at_s})
            if number:
                single[name].append(statistics.median(alone))
                queue[name].append(ARRIVALS * CLIP_S / max(arrived["done_s"]))
    return single, queue


def saved(samples: Any, folder: Path) -> str:
    """Write samples where all implementations can read them."""
    path = folder / f"{abs(hash(samples.tobytes()))}.npy"
    np.save(path, samples)
    return str(path)


def figures(
    single: dict[str, list[float]], queue: dict[str, list[float]], args: argparse.Namespace
) -> list[Figure]:
    """Times, rates, and how many times faster than each peer."""
    found: list[Figure] = []
    for name in single:
        found.append(Figure(f"{name}, one clip, random weights", "s", single[name]))
        rate = queue[name]
        found.append(
            Figure(f"{name}, 8 arrivals, random weights", "audio s/s", rate, better="higher")
        )
    alone, int8, busy = (2.0, None, None) if args.size == "tiny" else (1.0, 2.0, 3.0)
    for peer in (name for name in single if name in PEERS):
        for name in (name for name in single if name not in PEERS):
            target = (alone if name == "own" else int8) if name in ("own", "own int8") else None
            found.append(ratio(f"{peer} / {name}, one clip", single[peer], single[name], target))
        if peer == "qwen-asr":
            title = "own / qwen-asr, 8 arrivals"
            found.append(ratio(title, queue["own"], queue[peer], busy))
    return found


def ratio(name: str, over: Sequence[float], under: Sequence[float], target: float | None) -> Figure:
    """How many times as much one has as the other, repeat by repeat."""
    ratios = [a / b for a, b in zip(over, under, strict=True)]
    return Figure(f"{name}, random weights", "x", ratios, target, better="higher")
