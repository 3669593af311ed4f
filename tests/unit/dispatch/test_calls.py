"""Questions to a worker: each gets the answer of its number, or an error, and never waits for the dead."""

import asyncio

import pytest

from speech.internal.v1 import worker_pb2 as pb
from speech_service.dispatch.workers import wire_errors
from speech_service.dispatch.workers.calls import Calls
from speech_service.domain.errors import UnavailableError

pytestmark = pytest.mark.unit


def load(model: str) -> pb.Call:
    """A question."""
    return pb.Call(load=pb.LoadModelRequest(model=model))


def loaded(call_id: int, load_ms: float) -> pb.Answer:
    """Its answer."""
    return pb.Answer(call_id=call_id, load=pb.LoadModelResponse(load_ms=load_ms))


async def test_answers_find_their_questions_in_any_order() -> None:
    sent: list[pb.RunCommand] = []
    calls = Calls(sent.append)
    asking = [asyncio.create_task(calls.ask(load(model))) for model in "abc"]
    await asyncio.sleep(0)
    numbers = {command.call.load.model: command.call.call_id for command in sent}
    assert len(set(numbers.values())) == 3
    for load_ms, model in ((3.0, "c"), (1.0, "a"), (2.0, "b")):
        calls.answered(loaded(numbers[model], load_ms))
    assert [(await task).load.load_ms for task in asking] == [1.0, 2.0, 3.0]


async def test_a_failure_is_the_error_that_the_worker_meant() -> None:
    sent: list[pb.RunCommand] = []
    calls = Calls(sent.append)
    asking = asyncio.create_task(calls.ask(load("a")))
    await asyncio.sleep(0)
    number = sent[0].call.call_id
    meant = UnavailableError("model a cannot be loaded", reason="MODEL_LOAD_FAILED")
    calls.answered(pb.Answer(call_id=number, failed=wire_errors.encode_error(meant, number)))
    with pytest.raises(UnavailableError, match="cannot be loaded") as caught:
        await asking
    assert caught.value.reason == "MODEL_LOAD_FAILED"


async def test_an_answer_that_nobody_waits_for_is_let_go() -> None:
    sent: list[pb.RunCommand] = []
    calls = Calls(sent.append)
    with pytest.raises(TimeoutError):
        await asyncio.wait_for(calls.ask(load("a")), 0.01)
    calls.answered(loaded(sent[0].call.call_id, 1.0))
    calls.answered(loaded(77, 1.0))
    calls.close()


async def test_no_question_outlives_the_connection() -> None:
    calls = Calls(lambda command: None)
    asking = asyncio.create_task(calls.ask(load("a")))
    await asyncio.sleep(0)
    calls.close()
    with pytest.raises(ConnectionError):
        await asking
    with pytest.raises(ConnectionError):
        await calls.ask(load("a"))
