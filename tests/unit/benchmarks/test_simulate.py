"""What a step of the simulation takes: the device's time, and the host's beside it or behind it."""

from dataclasses import replace

import numpy as np
import pytest

from benchmarks.simulate.cost_model import ASR_1_7B, TTS_1_7B
from benchmarks.simulate.engines import (
    SAMPLE_RATE_HZ,
    Drafting,
    SimulatedRecognizer,
    SimulatedSynthesizer,
    answer_of,
)
from benchmarks.simulate.virtual_time import SimulatedDevice
from speech_service.domain.work import (
    RecognizeKind,
    RecognizeWork,
    SegmentKey,
    SynthesizeWork,
    WorkClass,
    WorkDone,
)
from speech_service.protocols import Engine

pytestmark = pytest.mark.unit

HOST_S = 0.001
"""Less than any pass takes."""
ASR = replace(ASR_1_7B, host_s=HOST_S, host_per_row_s=0.0)
TTS = replace(TTS_1_7B, host_s=HOST_S, host_per_row_s=0.0)
SECONDS = 4.0


def recognition(draft_tokens: tuple[int, ...] = ()) -> RecognizeWork:
    return RecognizeWork(
        work_id="w",
        segment=SegmentKey("s", 0, 1),
        kind=RecognizeKind.FINAL,
        work_class=WorkClass.STREAM_FINAL,
        samples=np.zeros(round(SECONDS * SAMPLE_RATE_HZ), np.float32),
        model=ASR.name,
        draft_tokens=draft_tokens,
    )


def waits_ms(engine: Engine, device: SimulatedDevice) -> list[float]:
    """How long the device waited for the host in each step, to the end of the one piece of work."""
    waits: list[float] = []
    for _ in range(100):
        before_s = device.host_s
        events = engine.step()
        waits.append(round((device.host_s - before_s) * 1000, 6))
        if any(isinstance(event, WorkDone) for event in events):
            return waits
    raise AssertionError("it does not end")


def test_the_host_beside_the_device_takes_what_is_longer() -> None:
    device = SimulatedDevice()
    for host_s, is_beside, waited_s in (
        (0.004, True, 0.0),
        (0.015, True, 0.005),
        (0.004, False, 0.004),
    ):
        device.compute(0.01)
        before_s = device.host_s
        device.host(host_s, is_beside=is_beside)
        assert device.host_s - before_s == pytest.approx(waited_s)
        assert device.end_step() == pytest.approx(0.01 + waited_s)


def test_passes_without_proposals_are_read_while_the_next_one_runs() -> None:
    device = SimulatedDevice()
    engine = SimulatedRecognizer(ASR, device)
    engine.admit(recognition())
    waits = waits_ms(engine, device)
    assert len(waits) == len(answer_of(SECONDS, 3.5))
    assert set(waits) == {0}


def test_a_pass_that_verifies_is_read_before_the_next_one() -> None:
    device = SimulatedDevice()
    engine = SimulatedRecognizer(ASR, device)
    engine.admit(recognition(answer_of(1.0, 3.5)))
    waits = waits_ms(engine, device)
    assert waits[0] == 1, "all of the partial before is proposed"
    assert waits[-1] == 0, "it is behind"


def test_with_a_draft_model_every_pass_is_read_before_the_next_one() -> None:
    device = SimulatedDevice()
    engine = SimulatedRecognizer(ASR, device, drafting=Drafting(ASR))
    engine.admit(recognition())
    assert set(waits_ms(engine, device)) == {1}


def test_a_frame_is_read_at_once_only_where_somebody_waits_for_first_audio() -> None:
    device = SimulatedDevice()
    engine = SimulatedSynthesizer(TTS, device, lambda: 0.0)
    engine.admit(
        SynthesizeWork(
            work_id="w",
            stream_id="s",
            work_class=WorkClass.STREAM_FINAL,
            model=TTS.name,
            text="Good morning to all of you.",
            voice="v",
        )
    )
    first, *later = waits_ms(engine, device)
    assert first == 1
    assert len(later) > 10
    assert set(later) == {0}
