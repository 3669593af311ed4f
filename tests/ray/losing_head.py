"""A cluster of a head and one node with a fleet of one server. Prints its port; ends the head when told to.

A program of its own: Ray ends whatever is connected to a head that does not come back.
"""

import os
import sys
import time
from typing import Any

import ray
from ray.cluster_utils import Cluster
from speech_ray.fleet import NAMESPACE, Plan, Report, start_fleet
from speech_ray.sizing import Sizing

from tests.integration.processes import FAKE_TOML

SETTINGS = (
    "server.allow_insecure=true",
    "server.admission=fixed",  # what a test asks for is not for a busy machine to refuse
    "worker.mode=inline",
)


def main(patience_s: str) -> None:
    """``patience_s``: how long nodes wait for a head that is gone."""
    os.environ["RAY_USAGE_STATS_ENABLED"] = "0"
    os.environ["RAY_gcs_rpc_server_reconnect_timeout_s"] = patience_s  # noqa: SIM112 - Ray's spelling
    cluster: Any = Cluster(initialize_head=True, head_node_args={"num_cpus": 0})
    cluster.add_node(num_cpus=1)
    ray.init(address=cluster.address, namespace=NAMESPACE, log_to_driver=False)
    fleet = start_fleet(Plan(Sizing(1, 1), FAKE_TOML.format(step_ms=1), SETTINGS, period_s=0.5))
    print("address", *address(fleet), flush=True)
    sys.stdin.readline()
    cluster.head_node.kill_gcs_server()
    print("gone", flush=True)
    sys.stdin.read()


def address(fleet: Any) -> tuple[str, int]:
    """Where the server is, once it serves."""
    while True:
        reports: dict[str, Report | None] = ray.get(fleet.reports.remote())
        for report in reports.values():
            if report is not None and report.load is not None:
                return report.host, report.port
        time.sleep(0.2)


if __name__ == "__main__":
    main(sys.argv[1])
