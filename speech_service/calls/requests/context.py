"""Whether a model takes a context, known before the first word is spoken.

Only the model's tokenizer counts tokens, and it lives where the model does. A context of no more bytes than the limit
has tokens fits for certain; for a longer one the engine is asked, with a work item that recognizes nothing.
"""

import asyncio
import unicodedata
from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from speech_service.calls.requests.recognition import RecognitionRequest, joined_context
from speech_service.domain.call import new_id
from speech_service.domain.errors import (
    InternalError,
    InvalidOptionError,
    LimitExceededError,
    SpeechError,
)
from speech_service.domain.events import StreamWarning
from speech_service.domain.work import (
    RecognizeKind,
    RecognizeWork,
    SegmentKey,
    WorkClass,
    WorkDone,
    WorkEvent,
    WorkFailed,
)
from speech_service.protocols import Submitter

_NOTHING = np.zeros(512, np.float32)
_NOTHING.setflags(write=False)


async def fitting(submitter: Submitter, request: RecognitionRequest) -> RecognitionRequest:
    """The request with a context that the model can read: of a lenient one what is too much is left out, with a
    warning.

    Terms go first, the last of them first; of the text, which came before, its end is kept.

    Raises:
        LimitExceededError: the context is too long, and the request is strict.
        SpeechError: the model cannot be asked.
    """
    check = _ContextCheck(submitter, request)
    if await check.takes(request.options.context):
        return request
    wanted, limit = request.wanted, request.model.max_context_tokens
    text_first = len(wanted.context) > sum(map(len, wanted.terms))
    option = f"context.{'text' if text_first else 'terms'}"
    if not wanted.lenient:
        raise LimitExceededError(option, "max_context_tokens", limit, "has too many tokens")
    text = request.context
    count = await check.most(
        [joined_context(text, request.terms[:n]) for n in _upto(request.terms)]
    )
    terms = request.terms[: count or 0]
    if count is None:
        ends = [text[len(text) - n :] for n in _upto(text)]
        text = ends[await check.most(ends) or 0]
    problem = f"has too many tokens for model {request.model.name!r}, at most {limit}; the rest was left out"
    warning = StreamWarning("CONTEXT_CUT", option, problem)
    options = replace(request.options, context=joined_context(text, terms))
    warnings = (*request.warnings, warning)
    return replace(request, options=options, context=text, terms=terms, warnings=warnings)


def _upto(items: Sequence[str]) -> range:
    return range(len(items) + 1)


class _ContextCheck:
    """Asks the model of one request."""

    def __init__(self, submitter: Submitter, request: RecognitionRequest) -> None:
        self._submitter = submitter
        self._request = request

    async def most(self, contexts: Sequence[str]) -> int | None:
        """Index of the last of the contexts, each longer than the one before, that the model takes; None: of none."""
        low, high = -1, len(contexts) - 1
        while low < high:
            middle = (low + high + 1) // 2
            if await self.takes(contexts[middle]):
                low = middle
            else:
                high = middle - 1
        return None if low < 0 else low

    async def takes(self, context: str) -> bool:
        """Whether the model reads all of it."""
        limit = self._request.model.max_context_tokens
        size_bytes = len(unicodedata.normalize("NFC", context).encode("utf-8", "surrogatepass"))
        if not limit or size_bytes <= limit:
            return True
        match await self._asked(context):
            case WorkDone():
                return True
            case WorkFailed(error=InvalidOptionError()):
                return False
            case WorkFailed(error=error):
                raise error
            case _:
                raise InternalError("the question was given up")

    async def _asked(self, context: str) -> WorkEvent:
        options, stream_id = self._request.options, new_id()
        work = RecognizeWork(
            work_id=stream_id,
            segment=SegmentKey(stream_id, 0, 0),
            kind=RecognizeKind.CHECK,
            work_class=WorkClass.UNARY,
            samples=_NOTHING,
            model=options.model,
            language=options.language,
            context=context,
        )
        answer: asyncio.Future[WorkEvent] = asyncio.get_running_loop().create_future()
        try:
            self._submitter.submit(work, answer.set_result)
            return await answer
        except (asyncio.CancelledError, SpeechError):
            self._submitter.cancel(work.work_id)
            raise
        finally:
            self._submitter.release(stream_id)
