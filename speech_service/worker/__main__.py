"""Entry point of a worker process."""

import sys

from speech_service.worker.process import main

if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
