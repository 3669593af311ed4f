"""Texts in batches: whichever batch is answered first, the texts, their errors and warnings stand in order."""

import asyncio
from typing import Any, cast

import pytest

from speech_service.calls.requests.translation import TranslationRequest
from speech_service.calls.translation_batches import MAX_BATCH_TEXTS, TextBatches
from speech_service.calls.unary_work import WorkDesk
from speech_service.domain.errors import OverloadedError
from speech_service.domain.translation import LostTerm, Translation, TranslationRoute

BATCHES = 3


class Routes:
    """Everybody translates everything."""

    def has(self, source: str, target: str) -> bool:
        return True


class Request:
    """As much of a request as the batches ask for."""

    routes = Routes()

    def route(self, source: str, target: str) -> TranslationRoute:
        return TranslationRoute("m")


class Desk:
    """Answers batches in the order of ``turns``; those in ``failing`` fail."""

    def __init__(self, turns: list[int], failing: set[int]) -> None:
        self._turns = turns
        self._failing = failing
        self._asked = 0
        self._answered = asyncio.Condition()

    async def translate(
        self, route: TranslationRoute, texts: list[str], source: str, target: str, context: str
    ) -> Translation:
        number, self._asked = self._asked, self._asked + 1
        async with self._answered:
            await self._answered.wait_for(lambda: self._turns[0] == number)
            self._turns.pop(0)
            self._answered.notify_all()
        if number in self._failing:
            raise OverloadedError(f"batch {number}")
        lost = (LostTerm(0, 0),)
        return Translation(tuple(text.upper() for text in texts), lost_terms=lost)


@pytest.mark.parametrize("turns", [[0, 1, 2], [2, 1, 0], [1, 2, 0]])
@pytest.mark.parametrize("failing", [set[int](), {0, 2}])
async def test_order_is_that_of_the_texts(turns: list[int], failing: set[int]) -> None:
    texts = [f"text number {n}" for n in range(BATCHES * MAX_BATCH_TEXTS)]
    desk: Any = Desk([*turns, -1], failing)
    batches = TextBatches(cast(TranslationRequest, Request()), cast(WorkDesk, desk))
    result = await batches.run(texts, "en", "pt")
    batch_of = [at // MAX_BATCH_TEXTS for at in range(len(texts))]
    good = [b not in failing for b in batch_of]
    wanted = [t.upper() if ok else None for t, ok in zip(texts, good, strict=True)]
    assert result.texts == wanted
    assert list(result.errors) == [at for at, ok in enumerate(good) if not ok]
    told = [int(w.message.split()[1].rstrip(":")) for w in result.warnings]
    assert told == [b * MAX_BATCH_TEXTS for b in range(BATCHES) if b not in failing]
