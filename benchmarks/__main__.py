"""``python -m benchmarks all|NAME [flags]``: run benchmarks against servers that they start themselves."""

import argparse
import importlib
import shlex
import sys
from pathlib import Path
from types import ModuleType

from benchmarks import results
from benchmarks.corpus import DataMissingError
from benchmarks.harness import ServerError
from benchmarks.results import console
from benchmarks.vendor import VendorError

NAMES = (
    "memory",
    "grpc_overhead",
    "latency",
    "streaming_cpu",
    "concurrency",
    "accuracy",
    "partial_accuracy",
    "written_forms",
    "synthesis_round_trip",
    "synthesis_first_audio",
    "synthesis_streams",
    "synthesis_cache",
    "synthesis_cancel",
    "translation_signs",
    "alignment",
    "damaged_containers",
    "qwen_asr_cpu",
    "qwen_asr_vllm",
    "qwen_tts_cpu",
    "workers",
    "k6_load",
    "live_beside_files",
    "live_beside_voices",
    "overload",
    "speech_after_pause",
    "end_by_clock",
    "simulate",
    "faults",
    "report",
)
"""In the order in which ``all`` runs them; each is a module of this package."""
ALONE = ("soak",)
"""Those that take hours: run by their name alone."""


def main() -> int:
    """Returns the exit status: 1 if a benchmark failed. A missed target is reported, it is no failure."""
    modules = {name: importlib.import_module(f"benchmarks.{name}") for name in (*NAMES, *ALONE)}
    parser = _parser(modules)
    args = _parse(parser, sys.argv[1:] or ["all"])
    if args.name != "all":
        return _run(args.name, modules[args.name], args)
    failed = 0
    for name in NAMES:
        own = _parse(parser, [name, *_shared(args)])
        console.rule(name)
        failed += _run(name, modules[name], own)
    return min(failed, 1)


def _run(name: str, module: ModuleType, args: argparse.Namespace) -> int:
    try:
        module.run(args)
    except DataMissingError as error:
        console.print(f"[yellow]{name} skipped:[/] {error}")
    except (ServerError, VendorError, RuntimeError) as error:
        console.print(f"[bold red]{name} failed:[/] {error}", markup=True)
        return 1
    return 0


def _parser(modules: dict[str, ModuleType]) -> argparse.ArgumentParser:
    shared = argparse.ArgumentParser(add_help=False)
    shared.add_argument("--quick", action="store_true", help="a smoke test: tiny, not for quoting")
    shared.add_argument("--repeats", type=int, default=3, help="repeats (default 3)")
    shared.add_argument("--data", type=Path, help="folder with manifest.jsonl")
    shared.add_argument("--out", type=Path, default=results.RESULTS, help="folder of the results")
    shared.add_argument("--hardware", default="", help="name of this machine in the results")
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    commands = parser.add_subparsers(dest="name", required=True)
    commands.add_parser("all", parents=[shared], help="all of them, with their defaults")
    for name, module in modules.items():
        summary = (module.__doc__ or "").partition("\n")[0].replace("%", "%%")
        command = commands.add_parser(
            name,
            parents=[shared],
            help=summary,
            description=module.__doc__,
            formatter_class=argparse.RawDescriptionHelpFormatter,
        )
        module.add_arguments(command)
    return parser


def _parse(parser: argparse.ArgumentParser, argv: list[str]) -> argparse.Namespace:
    """The flags, with the command line that gives them, which every result records."""
    args = parser.parse_args(argv)
    args.command_line = shlex.join(["python", "-m", "benchmarks", *argv])
    return args


def _shared(args: argparse.Namespace) -> list[str]:
    """The flags of ``all``, for each of its parts."""
    flags = ["--repeats", str(args.repeats)]
    flags += ["--quick"] if args.quick else []
    flags += ["--out", str(args.out)] if args.out != results.RESULTS else []
    flags += ["--hardware", args.hardware] if args.hardware else []
    return flags + (["--data", str(args.data)] if args.data else [])


if __name__ == "__main__":
    sys.exit(main())
