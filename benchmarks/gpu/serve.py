"""The shipped server with a scripted worker: ``python -m benchmarks.gpu.serve SCRIPT serve --config FILE ...``."""

import sys
from functools import partial

from speech_service.app import hosting
from speech_service.cli import run
from speech_service.dispatch.workers import RemoteSubmitter

if __name__ == "__main__":
    command = (sys.executable, "-m", "benchmarks.gpu.worker", sys.argv[1])
    hosting.RemoteSubmitter = partial(RemoteSubmitter, command=command)
    sys.exit(run(sys.argv[2:]))
