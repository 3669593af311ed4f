"""What was refused is let go at once: its error keeps none of it, whoever keeps the error."""

import traceback
from typing import Any, cast

import pytest

from speech.v1 import translation_service_pb2 as pb
from speech_service.config.tree import Config
from speech_service.domain.errors import InvalidFieldError, SpeechError
from speech_service.edge.interceptor import CallInterceptor
from speech_service.edge.message_size import MessageSizes


@pytest.mark.parametrize("field", ["bytes", "count"])
def test_the_error_of_a_refused_message_holds_no_frame(field: str) -> None:
    interceptor = object.__new__(CallInterceptor)
    vars(interceptor)["_sizes"] = MessageSizes(Config())
    reading = cast(Any, interceptor)._reading(pb.TranslateTextRequest.FromString)
    request = pb.TranslateTextRequest()
    if field == "bytes":
        request.config.context = "a" * (15 << 20)
    else:
        for _ in range(600):
            request.config.glossary.add(source="a")
    error = reading(request.SerializeToString())
    assert isinstance(error, SpeechError)
    assert isinstance(error, InvalidFieldError)
    assert not traceback.extract_tb(error.__traceback__)
