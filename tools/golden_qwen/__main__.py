"""Asks the official packages for everything under tests/assets/qwen3: ``python -m tools.golden_qwen``."""

import argparse
import importlib
import tempfile
import time
from pathlib import Path

from tests.qwen_tiny.folder import TinyModels
from tests.qwen_tiny.golden import ASSETS, write_golden

# Subject -> the module that records it.
SUBJECTS = {
    "asr": "recognition",
    "aligner": "alignment",
    "text": "text",
    "tts": "synthesis",
    "codec": "codec",
}


def main() -> None:
    """Record the subjects that the command line names, or all."""
    parser = argparse.ArgumentParser(prog="python -m tools.golden_qwen", description=__doc__)
    parser.add_argument("subjects", nargs="*", choices=[*SUBJECTS, []], help="default: all")
    parser.add_argument("--out", type=Path, default=ASSETS, help="folder to write to")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        models = TinyModels(Path(folder))
        for subject in arguments.subjects or SUBJECTS:
            began = time.monotonic()
            module = importlib.import_module(f"tools.golden_qwen.{SUBJECTS[subject]}")
            golden = module.record(models)
            write_golden(golden, subject, arguments.out)
            print(f"{subject}: {len(golden.cases)} cases, {time.monotonic() - began:.1f} s")


if __name__ == "__main__":
    main()
