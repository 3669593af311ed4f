"""Runs a command beside busy loops: ``python tools/busy.py 4 -- make test``. Its exit code is the command's."""

import subprocess
import sys

# A loop ends with the process that started it, however that ends.
LOOP = (
    sys.executable,
    "-c",
    "import os; parent = os.getppid()\nwhile os.getppid() == parent: pass",
)


def main() -> int:
    """Start the loops, run the command, end the loops."""
    count, separator, *command = sys.argv[1:]
    assert separator == "--", "write it as: busy.py COUNT -- COMMAND"
    assert command, "write it as: busy.py COUNT -- COMMAND"
    loops = [subprocess.Popen(LOOP) for _ in range(int(count))]
    try:
        return subprocess.run(command, check=False).returncode
    finally:
        for loop in loops:
            loop.kill()
            loop.wait()


if __name__ == "__main__":
    sys.exit(main())
