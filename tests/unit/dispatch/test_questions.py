"""Questions to a worker: each gets the answer of its number, or an error, and never waits for the dead."""

import asyncio

import pytest

from speech_service.dispatch.workers import codec
from speech_service.dispatch.workers.messages import (
    Answered,
    LoadModel,
    ModelLoaded,
    ModelUnloaded,
    Question,
    QuestionFailed,
    Reply,
    ToWorker,
)
from speech_service.dispatch.workers.questions import Questions
from speech_service.domain.errors import UnavailableError

pytestmark = pytest.mark.unit


class Asking:
    """Questions that wait, and what was sent of them."""

    def __init__(self) -> None:
        self.sent: list[Question] = []
        self.questions = Questions(self._send)

    def _send(self, message: ToWorker) -> None:
        assert isinstance(message, Question)
        self.sent.append(message)

    async def load(self, model: str) -> "asyncio.Task[ModelLoaded]":
        """Ask for a model, and be asked."""
        task = asyncio.create_task(self.questions.ask(LoadModel(model), ModelLoaded))
        await asyncio.sleep(0)  # the task runs up to the answer
        return task

    def answer(self, number: int, answer: Answered) -> None:
        """The worker answers."""
        self.questions.answered(Reply(number, answer))


async def test_answers_find_their_questions_in_any_order() -> None:
    asking = Asking()
    tasks = [await asking.load(model) for model in "abc"]
    numbers = [question.number for question in asking.sent]
    assert len(set(numbers)) == 3
    for at in (2, 0, 1):
        asking.answer(numbers[at], ModelLoaded(float(at)))
    assert [(await task).load_ms for task in tasks] == [0.0, 1.0, 2.0]


async def test_a_failure_is_the_error_that_the_worker_meant() -> None:
    asking = Asking()
    task = await asking.load("a")
    meant = UnavailableError("model a cannot be loaded", reason="MODEL_LOAD_FAILED")
    asking.answer(asking.sent[0].number, QuestionFailed(codec.pack_error(meant)))
    with pytest.raises(UnavailableError, match="cannot be loaded") as caught:
        await task
    assert caught.value.reason == "MODEL_LOAD_FAILED"


async def test_an_answer_to_something_else_is_none() -> None:
    asking = Asking()
    task = await asking.load("a")
    asking.answer(asking.sent[0].number, ModelUnloaded(True))
    with pytest.raises(ConnectionError, match="not asked"):
        await task


async def test_an_answer_that_nobody_waits_for_is_let_go() -> None:
    asking = Asking()
    task = await asking.load("a")
    task.cancel()
    await asyncio.wait([task])
    asking.answer(asking.sent[0].number, ModelLoaded(1.0))
    asking.answer(77, ModelLoaded(1.0))
    asking.questions.close()


async def test_no_question_outlives_the_connection() -> None:
    asking = Asking()
    task = await asking.load("a")
    asking.questions.close()
    with pytest.raises(ConnectionError):
        await task
    with pytest.raises(ConnectionError):
        await asking.questions.ask(LoadModel("a"), ModelLoaded)
