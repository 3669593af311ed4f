"""``python -m benchmarks.gpu``: measure the rows, print them, and write them to the results of this GPU.

``--device cpu --size tiny --quick`` tries the code itself on any machine; its figures mean nothing and are not written.
"""

import argparse
import shlex
import sys
import tempfile
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path

import torch

from benchmarks import BUILD, results
from benchmarks.gpu import asr_rows, device, served_rows, tts_rows
from benchmarks.gpu.bench import Bench
from benchmarks.gpu.report import Record
from benchmarks.gpu.scripting import Director
from benchmarks.stats import Figure

Row = Callable[[Bench], list[Figure]]

ROWS: dict[str, Row] = {
    "asr_first_token": asr_rows.first_token,
    "asr_decode_step": asr_rows.decode_step,
    "asr_update_step": asr_rows.update_step,
    "asr_speculation": asr_rows.speculation,
    "asr_memory": asr_rows.memory,
    "asr_host_share": asr_rows.host_share,
    "align": asr_rows.align,
    "tts_frame": tts_rows.frame,
    "tts_first_audio": tts_rows.first_audio,
    "tts_memory": tts_rows.memory,
    "tts_host_share": tts_rows.host_share,
    "served_first_token": served_rows.first_token,
    "served_final": served_rows.final,
    "served_offline": served_rows.offline,
    "served_live_streams": served_rows.live_streams,
    "served_first_pcm": served_rows.first_pcm,
    "served_arrivals": served_rows.arrivals,
    "served_conversations": served_rows.conversations,
}
NEED_CUDA = frozenset({"asr_memory", "asr_host_share", "tts_memory", "tts_host_share"})
"""Rows whose instruments are CUDA's."""


def main() -> int:
    """Returns the exit status: 1 without a GPU, and where a row failed."""
    args = _arguments()
    smoke = args.device == "cpu"
    if not smoke and not torch.cuda.is_available():
        sys.stderr.write("no CUDA GPU here: torch sees none, so nothing is measured\n")
        return 1
    sizes = args.size or (["tiny"] if smoke else ["0.6b", "1.7b"])
    if smoke and (sizes != ["tiny"] or not args.quick):
        sys.stderr.write("--device cpu is a smoke test: add --size tiny --quick\n")
        return 1
    names = args.rows.split(",") if args.rows else list(ROWS)
    unknown = sorted(set(names) - ROWS.keys())
    if unknown:
        sys.stderr.write(f"--rows {unknown[0]}: no such row. Allowed: {', '.join(ROWS)}\n")
        return 1
    if smoke:
        names = [name for name in names if name not in NEED_CUDA]
    with ExitStack() as stack:
        scratch = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        director = Director()
        director.install()
        bench = Bench(
            device=args.device,
            sizes=sizes,
            quick=args.quick,
            repeats=1 if args.quick else args.repeats,
            weights=scratch if smoke else args.weights,
            rates=device.rates(args.device),
            director=director,
            quantize=args.quantize,
            streams=2 if args.quick else args.streams,
            seconds=args.seconds,
        )
        return _measure(bench, args, names)


def _measure(bench: Bench, args: argparse.Namespace, names: list[str]) -> int:
    args.hardware = args.hardware or device.slug(bench.device)
    results.console.print(f"{args.hardware}: {bench.rates}")
    failed = 0
    for name in names:
        record = Record(name, args, bench)
        try:
            record.write(ROWS[name](bench))
        except RuntimeError as error:  # one row's failure is reported; the others are measured
            results.console.print(f"[bold red]{name} failed:[/] {error}")
            failed = 1
    return failed


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.gpu", description=__doc__)
    parser.add_argument("--device", default="cuda", help="cuda, cuda:N; cpu: a smoke test")
    parser.add_argument("--size", action="append", choices=("tiny", "0.6b", "1.7b"))
    parser.add_argument("--rows", default="", help=f"of {', '.join(ROWS)}; default: all")
    parser.add_argument("--quantize", default="none", help="as the option of the backends")
    parser.add_argument("--streams", type=int, default=512, help="most streams at once")
    parser.add_argument("--seconds", type=float, default=60.0, help="of each load with streams")
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--quick", action="store_true", help="tiny loads, not for quoting")
    parser.add_argument(
        "--weights", type=Path, default=BUILD / "weights", help="keeps the random checkpoints"
    )
    parser.add_argument("--out", type=Path, default=results.RESULTS, help="folder of the results")
    parser.add_argument("--hardware", default="", help="name of this machine in the results")
    args = parser.parse_args()
    args.command_line = shlex.join(["python", "-m", "benchmarks.gpu", *sys.argv[1:]])
    return args


if __name__ == "__main__":
    sys.exit(main())
