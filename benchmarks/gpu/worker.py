"""The shipped worker process, with answers that follow a script: ``python -m benchmarks.gpu.worker SCRIPT ...``."""

import json
import sys

from benchmarks.gpu import weights
from benchmarks.gpu.scripting import Director, Script
from speech_service.worker.process import main

if __name__ == "__main__":
    weights.install()
    Director(Script(**json.loads(sys.argv[1]))).install()
    sys.exit(main(sys.argv[2:]))
