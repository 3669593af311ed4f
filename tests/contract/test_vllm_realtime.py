"""The vllm recognizer, mode realtime, against a server that answers badly, slowly, or not at all."""

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from speech_service.config.tree import ConfigError, ModelConfig
from speech_service.domain.errors import UnavailableError, UnsupportedOptionError
from speech_service.domain.models import Capability
from speech_service.domain.transcript import Hypothesis
from speech_service.domain.work import WorkDone
from speech_service.engines.registry import build_engine
from speech_service.engines.vllm import recognizer as vllm
from tests.contract.speech_server import MODEL
from tests.contract.vllm import (
    TIMEOUT_S,
    abort_many_and_run_a_full_batch,
    engine_of,
    failure,
    heard,
    work_of,
)

if TYPE_CHECKING:  # it needs websockets, of the extra `vllm`
    from tests.contract.realtime_server import RealtimeServer


@pytest.fixture
def realtime() -> Iterator["RealtimeServer"]:
    pytest.importorskip("websockets")
    from tests.contract import realtime_server

    with realtime_server.serving(realtime_server.RealtimeServer()) as server:
        yield server


def test_realtime_joins_the_pieces_and_reads_their_language(realtime: "RealtimeServer") -> None:
    answer = heard(realtime.url, work_of(6.0), mode="realtime")
    assert answer.text == "zero one two three four five six seven zero one zero one"
    assert answer.language == "en"


def test_realtime_takes_the_text_of_other_models_as_it_is(realtime: "RealtimeServer") -> None:
    realtime.language = ""
    assert heard(realtime.url, mode="realtime") == Hypothesis("zero one two three")


@pytest.mark.parametrize("failed", ["500", "429", "cut", "error", "garbage"])
def test_realtime_is_tried_again(realtime: "RealtimeServer", failed: str) -> None:
    realtime.failures = [failed]
    assert heard(realtime.url, mode="realtime").text == "zero one two three"
    assert realtime.connections == 2


@pytest.mark.parametrize("failed", ["500", "cut", "error"])
def test_realtime_that_stays_broken_is_unavailable(realtime: "RealtimeServer", failed: str) -> None:
    realtime.failures = [failed] * 9
    error = failure(realtime.url, mode="realtime", max_retries=1)
    assert isinstance(error, UnavailableError)


def test_realtime_without_the_model_is_misconfigured(realtime: "RealtimeServer") -> None:
    error = failure(realtime.url, mode="realtime", model="another")
    assert error.reason == "RECOGNIZER_MISCONFIGURED"


def test_realtime_sends_the_key(realtime: "RealtimeServer", tmp_path: Path) -> None:
    key = tmp_path / "key"
    key.write_text("s3cret")
    heard(realtime.url, mode="realtime", api_key_file=str(key))
    headers = {name.lower(): value for name, value in realtime.headers[0].items()}
    assert headers["authorization"] == "Bearer s3cret"


def test_realtime_refuses_a_forced_language_and_declares_no_context(
    realtime: "RealtimeServer",
) -> None:
    error = failure(realtime.url, work_of(language="de"), mode="realtime")
    assert isinstance(error, UnsupportedOptionError)
    assert error.option == "language"
    assert realtime.connections == 0
    declared = vllm.describe(
        vllm.VllmRecognizerOptions(base_url=realtime.url, model=MODEL, mode="realtime")
    )
    assert not {Capability.CONTEXT_TEXT, Capability.CONTEXT_TERMS} & declared.capabilities


def test_realtime_that_is_aborted_closes_its_connection(realtime: "RealtimeServer") -> None:
    realtime.failures = ["slow"]
    engine = engine_of(realtime.url, mode="realtime")
    engine.admit(work_of())
    assert realtime.is_waiting.wait(TIMEOUT_S)
    engine.abort("w")
    assert realtime.left_early.wait(TIMEOUT_S)
    engine.close()


def test_realtime_aborts_leave_nothing_behind(realtime: "RealtimeServer") -> None:
    engine = engine_of(realtime.url, mode="realtime", max_batch=4, timeout_s=20.0, max_retries=0)
    assert abort_many_and_run_a_full_batch(engine) == {WorkDone}


def test_realtime_without_its_library_says_what_to_install(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    name = "speech_service.engines.vllm.recognizer.realtime"
    monkeypatch.delitem(sys.modules, name, raising=False)
    monkeypatch.setitem(sys.modules, "websockets.asyncio.client", None)
    monkeypatch.setitem(sys.modules, "websockets", None)
    options = {"base_url": "http://127.0.0.1:1/v1", "model": "m", "mode": "realtime"}
    with pytest.raises(ConfigError, match=r"websockets.*pip install '\.\[server,vllm\]'"):
        build_engine(ModelConfig(kind="recognizer/vllm", options=options))
