"""Loads, and what came of them: so many people who speak and who listen, for so long, at so many GPUs."""

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from benchmarks.simulate.callers import SPEECH_S, Heard, Listener, LiveCaller, Played
from benchmarks.simulate.cost_model import (
    ALIGNER_0_6B,
    ASR_1_7B,
    TTS_1_7B,
    RecognizerCost,
    SynthesizerCost,
)
from benchmarks.simulate.engines import (
    SimulatedAligner,
    SimulatedRecognizer,
    SimulatedSynthesizer,
)
from benchmarks.simulate.fleet import Fleet
from benchmarks.simulate.virtual_time import SimulatedDevice, run_virtual
from speech_service.protocols import Engine


@dataclass(frozen=True, slots=True)
class Load:
    """Who calls. Streams begin one after the other over ``spread_s``, and are measured from then on."""

    live: int = 0
    """People who speak."""
    listeners: int = 0
    seconds: float = 12.0
    spread_s: float = 2.0
    interval_ms: int = 500
    """Between two partials."""
    chunk_ms: int = 96
    speech_s: tuple[float, float] = SPEECH_S
    """Shortest and longest turn."""
    with_word_times: bool = False
    """The aligner is asked for them, as background work."""
    gpus: int = 1
    asr: RecognizerCost = ASR_1_7B
    tts: SynthesizerCost = TTS_1_7B
    max_running: int = 64
    """Sequences that decode together."""
    first_seed: int = 0


@dataclass(frozen=True, slots=True)
class Came:
    """What came of a load; seconds."""

    heard: Heard = field(default_factory=Heard)
    played: Played = field(default_factory=Played)
    lasted_s: float = 0.0
    busy_s: float = 0.0
    """Time that all devices computed."""
    held_s: float = 0.0
    """The same, with their waits for the host."""
    speech_s: float = 0.0
    """Time of all live streams."""
    dropped_share: float = 0.0
    """Work that was superseded, of all."""
    least_busy_s: float = 0.0
    """Of the device that computed least, and below of that which computed most."""
    most_busy_s: float = 0.0


def engines_of(
    load: Load, clock: Callable[[], float]
) -> Callable[[SimulatedDevice], Sequence[Engine]]:
    """A recognizer, a synthesizer and an aligner for each device."""

    def make(device: SimulatedDevice) -> Sequence[Engine]:
        streams = max(64, load.listeners)
        return (
            SimulatedRecognizer(load.asr, device, load.max_running, max(64, load.live)),
            SimulatedSynthesizer(load.tts, device, clock, streams),
            SimulatedAligner(ALIGNER_0_6B, device),
        )

    return make


def simulate(load: Load) -> Came:
    """Carry the load."""
    return run_virtual(_carry(load))


async def _carry(load: Load) -> Came:
    loop = asyncio.get_running_loop()
    fleet, heard, played = Fleet(engines_of(load, loop.time), load.gpus), Heard(), Played()
    aligner = ALIGNER_0_6B.name if load.with_word_times else ""
    end_s = load.spread_s + load.seconds
    speakers = [
        LiveCaller(
            *(fleet, heard, load.first_seed + number, load.asr.name),
            *(load.interval_ms, load.chunk_ms, aligner, load.speech_s),
        ).call(end_s, load.spread_s * number / load.live)
        for number in range(load.live)
    ]
    listeners = [
        Listener(fleet, played, load.first_seed + number, load.tts.name).call(
            end_s, load.spread_s * number / load.listeners
        )
        for number in range(load.listeners)
    ]
    await asyncio.gather(*speakers, *listeners)
    busy = [gpu.device.busy_s for gpu in fleet.gpus]
    return Came(
        heard=heard,
        played=played,
        lasted_s=fleet.now_s,
        busy_s=fleet.busy_s,
        held_s=fleet.held_s,
        speech_s=heard.stream_s,
        dropped_share=fleet.superseded / max(1, fleet.ended),
        least_busy_s=min(busy),
        most_busy_s=max(busy),
    )
