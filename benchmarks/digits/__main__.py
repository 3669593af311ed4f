"""``python -m benchmarks.digits train|evaluate``: make the small digit models, and measure them."""

import argparse
import shlex
import sys
from pathlib import Path

from benchmarks import results
from benchmarks.corpus import DataMissingError
from benchmarks.digits import ASSETS, evaluating, making
from benchmarks.results import console


def main() -> int:
    """Returns the exit status: 1 where the recordings or the checkpoints are missing."""
    args = _parser().parse_args()
    args.command_line = shlex.join(["python", "-m", "benchmarks.digits", *sys.argv[1:]])
    try:
        args.run(args)
    except DataMissingError as error:
        console.print(f"[bold red]{args.command} cannot run:[/] {error}")
        return 1
    return 0


def _parser() -> argparse.ArgumentParser:
    shared = argparse.ArgumentParser(add_help=False)
    shared.add_argument("--data", type=Path, help="folder of the digits, with manifest.jsonl")
    shared.add_argument("--quick", action="store_true", help="a smoke test: tiny, not for quoting")
    shared.add_argument("--models", type=Path, default=ASSETS, help="folder of target and draft")
    parser = argparse.ArgumentParser(prog="python -m benchmarks.digits", description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True)
    train = commands.add_parser("train", parents=[shared], help=making.__doc__)
    train.add_argument("--only", choices=sorted(making.PLANS), help="one of the models")
    train.add_argument("--threads", type=int, default=1, help="threads of torch (default 1)")
    train.set_defaults(run=making.run)
    evaluate = commands.add_parser("evaluate", parents=[shared], help=evaluating.__doc__)
    evaluate.add_argument("--out", type=Path, default=results.RESULTS, help="folder of results")
    evaluate.add_argument("--hardware", default="", help="name of this machine in the results")
    evaluate.set_defaults(run=evaluating.run)
    return parser


if __name__ == "__main__":
    sys.exit(main())
