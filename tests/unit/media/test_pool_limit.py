"""The pool refuses to fork without bound."""

import pytest

from speech_service.domain.audio import ContainerFormat
from speech_service.domain.errors import OverloadedError
from speech_service.media.decode.pool import DecoderPool


async def test_one_decoder_above_the_limit_is_refused_and_a_closed_one_makes_room() -> None:
    pool = DecoderPool(max_open=1)
    try:
        first = await pool.open(ContainerFormat())
        with pytest.raises(OverloadedError) as refused:
            await pool.open(ContainerFormat())
        assert refused.value.reason == "TOO_MANY_DECODERS"
        await first.close()
        await (await pool.open(ContainerFormat())).close()
    finally:
        await pool.close()
