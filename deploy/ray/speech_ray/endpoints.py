"""The file that tells Envoy of the servers (EDS), as deploy/envoy/envoy.yaml reads it."""

import json
import os
from collections.abc import Sequence
from pathlib import Path

CLUSTER = "speech"


def endpoints(addresses: Sequence[tuple[str, int]]) -> str:
    """The file's content; JSON is YAML too."""
    hosts = [
        {"endpoint": {"address": {"socket_address": {"address": host, "port_value": port}}}}
        for host, port in sorted(addresses)
    ]
    assignment = {
        "@type": "type.googleapis.com/envoy.config.endpoint.v3.ClusterLoadAssignment",
        "cluster_name": CLUSTER,
        "endpoints": [{"lb_endpoints": hosts}],
    }
    return json.dumps({"resources": [assignment]}, indent=2) + "\n"


def publish(path: Path, addresses: Sequence[tuple[str, int]]) -> bool:
    """Put a new file in place of the old one, where it says something else. True: it did.

    Without any address the old file stays: Envoy knows by its own health checks who of them answers.
    """
    text = endpoints(addresses)
    if not addresses or (path.exists() and path.read_text("utf-8") == text):
        return False
    fresh = path.with_name(f".{path.name}.{os.getpid()}")
    fresh.write_text(text, "utf-8")
    fresh.replace(path)  # Envoy watches for a rename
    return True
