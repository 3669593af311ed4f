"""A small real model: trains a target and a draft of the Qwen3-ASR architecture on spoken digits, and measures them.

``python -m benchmarks.digits train`` writes checkpoints in the release format, ``python -m benchmarks.digits evaluate``
says how well they read. Unlike the other benchmarks these are no gRPC clients: they use the service's own modules.
"""

from benchmarks import ROOT

ASSETS = ROOT / "tests" / "assets" / "digits"
"""Where the committed checkpoints are: ``target`` and ``draft``."""
DEFAULT_DATA = ROOT.parent / "shared" / "data" / "digits"
DIGITS = ("zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine")
SAMPLE_RATE_HZ = 16_000
