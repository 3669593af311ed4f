"""Benchmarks of the running service are gRPC clients and import nothing of the server.

Those of the Qwen engine (``digits``, ``peers``, ``gpu``, ``random_*``, ``qwen_*``) import it: what they compare with
has no server, and their models are made with its modules.

``python -m benchmarks all`` runs everything; ``python -m benchmarks --help`` lists the parts. Results go to
``benchmarks/results/<hardware>/<name>.json``, each with the exact command, the machine and the spread over repeats.
"""

import sys
from importlib.util import find_spec
from pathlib import Path

import speech_service as speech_service  # switches the telemetry of libraries off; nothing of the server is loaded

ROOT = Path(__file__).resolve().parent.parent
BUILD = ROOT / "build" / "benchmarks"
"""Scratch space; git ignores it."""
STUBS = ROOT / "proto" / "gen" / "python"

if find_spec("speech") is None:  # a checkout that is not installed
    sys.path.insert(0, str(STUBS))
