"""Every endpointing parameter has an effect that a client can see."""

from typing import Any

import pytest
from google.protobuf.duration_pb2 import Duration

from speech.v1 import common_pb2 as common
from speech.v1 import recognition_service_pb2 as pb
from tests.integration.harness import Server, Talk, raw_config, recognize
from tests.integration.sound import burst, quiet, s16, speech


async def heard(server: Server, audio: bytes, **endpointing: Any) -> Talk:
    """Recognize with these parameters; numbers are milliseconds but for the threshold."""
    for name, value in endpointing.items():
        if name not in ("mode", "threshold"):
            duration = Duration()
            duration.FromMilliseconds(value)
            endpointing[name] = duration
    config = raw_config(endpointing=endpointing, pacing=common.PACING_FILE)
    return await recognize(server, audio, config)


async def test_end_silence_splits_or_joins(server: Server) -> None:
    audio = speech(800, 500, 800, 1500)
    assert len((await heard(server, audio, end_silence=300)).finals) == 2
    assert len((await heard(server, audio, end_silence=1000)).finals) == 1


async def test_min_speech_ignores_clicks(server: Server) -> None:
    audio = speech(100, 900, 800, 1000)
    assert len((await heard(server, audio, min_speech=50)).finals) == 2
    talk = await heard(server, audio, min_speech=400)
    assert len(talk.finals) == 1
    assert talk.finals[0].start_ms >= 600


async def test_max_segment_cuts_and_loses_nothing(server: Server) -> None:
    talk = await heard(server, speech(9000, 1000), max_segment=2000)
    assert len(talk.finals) >= 5
    causes = [f.end_cause for f in talk.finals]
    assert set(causes[:-1]) == {pb.END_CAUSE_MAX_SEGMENT}
    for before, after in zip(talk.finals, talk.finals[1:], strict=False):
        assert before.end_ms == after.start_ms
        assert before.end_ms - before.start_ms <= 2100


async def test_padding_moves_the_start(server: Server) -> None:
    audio = s16(quiet(1500)) + speech(800, 1000)
    starts = {
        padding: (await heard(server, audio, padding=padding)).finals[0].start_ms
        for padding in (0, 500, 1000)
    }
    assert 1450 <= starts[0] <= 1510
    assert starts[0] - starts[500] == pytest.approx(500, abs=40)
    assert starts[0] - starts[1000] == pytest.approx(1000, abs=40)


@pytest.mark.parametrize("threshold", [0.05, 0.95])
async def test_threshold_is_taken(server: Server, threshold: float) -> None:
    """The loudness detector says 0 or 1, so any threshold hears the same; moonshine's test shows an effect."""
    talk = await heard(server, speech(800, 1000), threshold=threshold)
    effective = talk.events[0].effective_config.endpointing
    assert effective.threshold == pytest.approx(threshold)
    assert len(talk.finals) == 1


async def test_modes(server: Server) -> None:
    audio = speech(800, 1500, 800, 1500)
    vad = await heard(server, audio, mode=common.ENDPOINTING_MODE_VAD)
    off = await heard(server, audio, mode=common.ENDPOINTING_MODE_OFF)
    external = await heard(server, audio, mode=common.ENDPOINTING_MODE_EXTERNAL)
    assert [f.end_cause for f in vad.finals] == [pb.END_CAUSE_ENDPOINT] * 2
    assert [f.end_cause for f in off.finals] == [pb.END_CAUSE_END_OF_STREAM]
    assert [f.end_cause for f in external.finals] == [pb.END_CAUSE_END_OF_STREAM]
    for talk in (off, external):  # speech events are told all the same
        assert talk.kinds().count("speech_event") == 4


async def test_max_segment_holds_without_endpointing(server: Server) -> None:
    mode = common.ENDPOINTING_MODE_EXTERNAL
    talk = await heard(server, speech(9000), mode=mode, max_segment=3000)
    assert len(talk.finals) >= 3


async def test_speech_shorter_than_a_frame_is_not_lost_at_the_end(server: Server) -> None:
    """Audio that ends in the middle of a word: what is buffered at the end is transcribed."""
    talk = await heard(server, s16(quiet(500)) + s16(burst(90)))
    assert len(talk.finals) == 1
    assert talk.finals[0].end_ms >= 580
