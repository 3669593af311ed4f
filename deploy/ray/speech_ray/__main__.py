"""``python -m speech_ray``: start, watch and end a fleet, and tell Envoy of it."""

import argparse
import sys
import time
from pathlib import Path
from typing import Any

import ray
from ray.exceptions import RayError

import speech_ray
from speech_ray.endpoints import publish
from speech_ray.fleet import FLEET, NAMESPACE, Plan, start_fleet, stop_all
from speech_ray.sizing import Sizing


def main() -> int:
    """Run the command that was given."""
    given = _parser().parse_args()
    ray.init(
        address=given.address,
        namespace=NAMESPACE,
        log_to_driver=False,
        runtime_env={"py_modules": [str(Path(speech_ray.__file__).parent)]},
    )
    return given.run(given)


def _up(given: argparse.Namespace) -> int:
    plan = Plan(
        sizing=Sizing(given.least, given.most or given.least, given.target_load, given.quiet),
        config=given.config.read_text("utf-8") if given.config else "",
        settings=tuple(given.set),
        cpus=given.cpus,
        gpus=given.gpus,
        drain_s=given.drain,
    )
    start_fleet(plan)
    print(f"a fleet of {plan.sizing.least} to {plan.sizing.most} servers; `status` shows them")
    return 0


def _status(given: argparse.Namespace) -> int:
    del given
    reports: Any = ray.get(_fleet().reports.remote(), timeout=10)
    print(f"{'server':16} {'node':12} {'address':24} {'streams':>8} {'load':>8}")
    for name, report in sorted(reports.items()):
        address = "starts" if report is None else f"{report.host}:{report.port}"
        load = None if report is None else report.load
        open_, share = ("-", "-") if load is None else (load.open_streams, f"{load.share:.0%}")
        node = "" if report is None else report.node[:10]
        print(f"{name:16} {node:12} {address:24} {open_:>8} {share:>8}")
    return 0


def _endpoints(given: argparse.Namespace) -> int:
    while True:
        try:
            addresses = ray.get(_fleet().addresses.remote(), timeout=10)
        except (ValueError, RayError):
            print("the fleet does not answer; the file stays as it is", file=sys.stderr)
        else:
            if publish(given.file, addresses):
                print(f"{given.file}: {len(addresses)} servers", file=sys.stderr)
        if not given.follow:
            return 0
        time.sleep(given.period)


def _down(given: argparse.Namespace) -> int:
    del given
    print(f"ended {stop_all()} servers")
    return 0


def _fleet() -> Any:
    return ray.get_actor(FLEET, namespace=NAMESPACE)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="speech_ray", description=__doc__)
    parser.add_argument(
        "--address", default="auto", help="of the Ray cluster (default: the one that runs here)"
    )
    commands = parser.add_subparsers(required=True)
    up = commands.add_parser("up", help="start a fleet, or change the one that runs")
    up.set_defaults(run=_up)
    up.add_argument(
        "--least", type=int, default=1, help="servers that are there in any case (default 1)"
    )
    up.add_argument("--most", type=int, help="servers at most (default: as --least)")
    up.add_argument(
        "--target-load",
        type=float,
        default=0.7,
        help="share of a server that its streams should take (default 0.7)",
    )
    up.add_argument(
        "--quiet",
        type=float,
        default=600,
        metavar="S",
        help="how long fewer must have been enough before one is stopped (default 600)",
    )
    up.add_argument(
        "--drain",
        type=float,
        default=600,
        metavar="S",
        help="how long one that is stopped may finish its streams (default 600)",
    )
    up.add_argument("--config", type=Path, help="the service's configuration file, of this machine")
    up.add_argument(
        "--set",
        action="append",
        default=[],
        metavar="SECTION.KEY=VALUE",
        help="any setting of the service; may be repeated",
    )
    up.add_argument(
        "--cpus", type=float, default=1, help="CPUs that Ray reserves for a server (default 1)"
    )
    up.add_argument(
        "--gpus", type=float, default=0, help="GPUs that Ray reserves for a server (default 0)"
    )
    commands.add_parser("status", help="show the servers").set_defaults(run=_status)
    file = commands.add_parser("endpoints", help="write Envoy's file of servers")
    file.set_defaults(run=_endpoints)
    file.add_argument("file", type=Path, help="such as deploy/envoy/endpoints.yaml")
    file.add_argument(
        "--follow", action="store_true", help="go on, and write it anew when servers come and go"
    )
    file.add_argument(
        "--period", type=float, default=1, metavar="S", help="how often to ask (default 1)"
    )
    commands.add_parser("down", help="end the fleet and its servers at once").set_defaults(
        run=_down
    )
    return parser


if __name__ == "__main__":
    sys.exit(main())
