"""CPU time that an engine's step takes of its host, with captured passes that compute nothing: needs no GPU.

``python -m benchmarks.gpu.host_cost [--beside FOLDER]`` prints milliseconds by sequences at once, and the ratio to
another checkout's, measured in turns. Both need ``benchmarks.gpu.rehearsal``. What a copy or a launch costs is what it
costs a CPU; a step's arithmetic is left out.
"""

import argparse
import json
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

BATCHES = (1, 64, 256, 512)
_STEPS = 24
_ROUNDS = 3


def main() -> None:
    """Print a table; with ``--measure``, one row as JSON."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--beside", type=Path, help="folder of another checkout")
    parser.add_argument("--batches", type=int, nargs="+", default=BATCHES)
    parser.add_argument("--measure", nargs=2, metavar=("KIND", "BATCH"), help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.measure:
        sys.stdout.write(json.dumps(_measured(args.measure[0], int(args.measure[1]))) + "\n")
        return
    here = Path(__file__).parents[2]
    folders = [here] if args.beside is None else [here, args.beside.resolve()]
    for kind in ("asr", "tts"):
        for batch in args.batches:
            found: list[list[float]] = [[] for _ in folders]
            for _ in range(_ROUNDS):
                for row, folder in zip(found, folders, strict=True):
                    row.append(_apart(folder, kind, batch))
            own, *others = (statistics.median(row) for row in found)
            more = "".join(f", {other:.2f} there, ratio {own / other:.2f}" for other in others)
            sys.stdout.write(f"{kind} step, {batch} at once: {own:.2f} ms of CPU{more}\n")
            sys.stdout.flush()


def _apart(folder: Path, kind: str, batch: int) -> float:
    """The same in a process of its own, with a checkout's code."""
    program = (
        f"import runpy, sys; sys.path.insert(0, {str(folder)!r}); "
        f"runpy.run_path({__file__!r}, run_name='__main__')"
    )
    command = [sys.executable, "-P", "-c", program, "--measure", kind, str(batch)]
    done = subprocess.run(command, cwd=folder, capture_output=True, check=False)
    if done.returncode:
        raise SystemExit(done.stderr.decode()[-2000:])
    return float(done.stdout.decode().splitlines()[-1])


def _measured(kind: str, batch: int) -> float:
    """Mean milliseconds of this thread's CPU for a step of so many sequences that decode."""
    import torch

    from benchmarks.gpu import rehearsal

    rehearsal.install()
    torch.set_num_threads(1)
    from speech_service.engines.runtimes import torch as devices

    devices.Graphs.__call__ = _idle
    engine, works = (_recognizer if kind == "asr" else _synthesizer)(batch)
    for work in works:
        engine.admit(work)
    for _ in range(batch // 16 + 8):  # a recognizer begins 16 windows a step
        engine.step()
    begin_s = time.thread_time()
    for _ in range(_STEPS):
        engine.step()
    return (time.thread_time() - begin_s) / _STEPS * 1000


def _idle(self: Any, body: Any, examples: Sequence[Any]) -> Any:
    """In place of a capture: what the body gives once, with other tokens each time, so that no answer is a loop."""
    del self
    mine, result = [each.clone() for each in examples], body(*examples)

    def replay(*given: Any) -> Any:
        for own, new in zip(mine, given, strict=True):
            own.copy_(new)
        made = result.clone()
        return made if made.is_floating_point() else made.random_(5, 200)

    return replay


def _recognizer(batch: int) -> tuple[Any, list[Any]]:
    import numpy as np

    from benchmarks.gpu import weights
    from speech_service.domain.work import RecognizeKind, RecognizeWork, SegmentKey, WorkClass
    from speech_service.engines.qwen3.asr import options
    from speech_service.engines.shared import SharedModels

    folder = weights.write_asr("tiny", Path(tempfile.mkdtemp()))
    chosen = options.Qwen3AsrOptions(
        str(folder),
        dtype="float32",
        graphs=True,
        max_batch=batch,
        kept_segments=0,
        max_audio_ms=2000,
        max_context_tokens=32,
        tokens_per_s=100.0,
        decoding="greedy",
    )
    noise = np.random.default_rng(0).standard_normal(16_000).astype(np.float32) * 0.1
    works = [
        RecognizeWork(
            work_id=str(number),
            segment=SegmentKey(str(number), 0, 0),
            kind=RecognizeKind.FINAL,
            work_class=WorkClass.UNARY,
            samples=noise,
            model="",
        )
        for number in range(batch)
    ]
    return options.build(chosen, SharedModels()), works


def _synthesizer(batch: int) -> tuple[Any, list[Any]]:
    from benchmarks.gpu import weights
    from speech_service.domain.work import SynthesizeWork, WorkClass
    from speech_service.engines.qwen3.tts import options
    from speech_service.engines.shared import SharedModels

    folder = weights.write_tts("tiny", Path(tempfile.mkdtemp()))
    chosen = options.Qwen3TtsOptions(
        model=str(folder),
        dtype="float32",
        max_batch=batch,
        max_seconds=10.0,
        max_prompt_tokens=64,
        warm_up_tokens=(),
    )
    works = [
        SynthesizeWork(
            work_id=str(number),
            stream_id="s",
            work_class=WorkClass.UNARY,
            model="",
            text="the train was late",
            voice="ryan",
            language="en",
        )
        for number in range(batch)
    ]
    return options.build(chosen, SharedModels()), works


if __name__ == "__main__":
    main()
