"""Captured passes of the Qwen engines give what packed ones do, replayed on an acted device (``tests/fake_cuda``).

The engines are composed as they are for a GPU: by ``compose``, on a stream of their own, with the shipped ``Graphs``.
"""

import gc
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from speech_service.domain.errors import DeviceLostError
from speech_service.domain.synthesis import VoicePrompt
from speech_service.domain.work import WorkAudio, WorkDone
from speech_service.engines.qwen3.asr import compose as recognizer
from speech_service.engines.qwen3.asr import slots
from speech_service.engines.qwen3.asr.engine import AsrEngine
from speech_service.engines.qwen3.asr.options import Qwen3AsrOptions, describe
from speech_service.engines.qwen3.codec import streams
from speech_service.engines.qwen3.encoder import torch as encoder
from speech_service.engines.qwen3.nn.captured import PassSize
from speech_service.engines.qwen3.tts import compose as synthesizer
from speech_service.engines.qwen3.tts import generator as generating
from speech_service.engines.qwen3.tts import options as tts_options
from speech_service.engines.qwen3.tts.generator import Ended, FrameGenerator
from speech_service.engines.qwen3.tts.prompt import Utterance
from speech_service.engines.qwen3.tts.sampling_rules import GREEDY, Sampling
from speech_service.engines.qwen3.tts.voices import ClonedVoice
from speech_service.engines.runtimes import torch as devices
from speech_service.engines.runtimes.placement import PlacedEngine
from speech_service.engines.runtimes.torch import Body, Cuda, Graphs
from speech_service.engines.shared import SharedModels
from tests.fake_cuda import FakeCuda, FakeGraph
from tests.fake_streams import StreamOrder
from tests.qwen_tiny.folder import TinyModels
from tests.unit.engines.qwen3.asr.engines import clips, greedy, limit, make_work, run, tokens_of
from tests.unit.engines.qwen3.tts.speaking import Loaded, Rig, cloned, sound
from tests.unit.engines.qwen3.tts.speaking import run as speak
from tests.unit.engines.qwen3.tts.speaking import work as text_work

HERE = torch.device("cpu")
PROMPTS = (PassSize(16, 2), PassSize(64, 2))


@pytest.fixture
def cuda(monkeypatch: pytest.MonkeyPatch) -> Iterator[FakeCuda]:
    """Give an acted device."""
    torch.set_num_threads(1)
    monkeypatch.setattr(devices, "_STREAMS", devices._Streams())
    # Fewer graphs to capture.
    monkeypatch.setattr(encoder, "MOST_WINDOWS", 2)
    monkeypatch.setattr(streams, "RECORDING_FRAMES", (8,))
    yield FakeCuda().install(monkeypatch)
    gc.collect()


@contextmanager
def on_cuda() -> Iterator[None]:
    """Inside, what is composed is for the acted device."""
    with pytest.MonkeyPatch.context() as patch:
        for module in (recognizer, synthesizer):
            patch.setattr(module, "open_device", lambda name: Cuda(HERE))
        for module in (
            slots,
            generating,
        ):  # for GPUs with 16-bit numbers alone; here there is no other call either
            patch.setattr(module, "prompt_sizes", lambda cache: PROMPTS)
        for kind in (Qwen3AsrOptions, tts_options.Qwen3TtsOptions):
            patch.setattr(kind, "_check_device", lambda self: None)
        patch.setattr(synthesizer, "_capture", lambda options, device: device.graphs())
        yield


def asr(model: Path, draft: Path | None = None, **more: Any) -> PlacedEngine:
    """Compose a recognizer with graphs."""
    chosen: dict[str, Any] = {
        "max_batch": 2,
        "kept_segments": 1,
        "max_audio_ms": 9000,
        "max_context_tokens": 64,
        "tokens_per_s": 4.0,
        **more,
    }
    with on_cuda():
        options = Qwen3AsrOptions(
            str(model), draft=str(draft or ""), dtype="float32", graphs=True, **chosen
        )
        engine = recognizer.compose(options, describe(options), SharedModels())
    assert isinstance(engine, PlacedEngine)
    limit(inner(engine), 24)
    return engine


def inner(engine: PlacedEngine) -> AsrEngine:
    """Give the engine that is placed."""
    placed = engine._engine
    assert isinstance(placed, AsrEngine)
    return placed


@pytest.mark.parametrize("decoding", ["greedy", "previous+draft"])
def test_tokens_of_replayed_passes_are_those_of_packed_ones(
    cuda: FakeCuda, tiny_models: TinyModels, decoding: str
) -> None:
    target, draft = tiny_models.asr_target(), tiny_models.asr_draft()
    engine = asr(
        target, draft if "draft" in decoding else None, decoding=decoding, warm_up_ms=(1000,)
    )
    sounds = clips(5, seed=1, longest_s=1.5)
    works = [make_work(samples) for samples in sounds]
    events = run(engine, works)  # pyright: ignore[reportArgumentType] - an engine like any other
    found = [tokens_of(events[work.work_id]) for work in works]
    assert found == greedy(target, [make_work(samples) for samples in sounds], 24)
    assert [what for what, _, _ in cuda.journal].count("replay") > 20
    assert cuda.streams("replay") == cuda.streams("capture")
    assert len(cuda.streams("capture")) == 1, "one stream for all of an engine"
    assert not cuda.streams("wait for device")


SAMPLINGS = (
    GREEDY,
    Sampling(),
    Sampling(top_p=0.8, top_k=0, predictor_top_p=0.9, predictor_top_k=7),
    Sampling(temperature=0.0, predictor_temperature=1.2),
)


def spoken(generator: FrameGenerator, model: Any) -> dict[int, list[list[int]]]:
    """Codes of streams that join and leave."""
    texts = ("she said that she would be here by noon", "one two three", "the quick brown fox")
    codes: dict[int, list[list[int]]] = {}
    slots: dict[int, int] = {}
    for step in range(24):
        if step in (0, 1, 4, 9):
            number = len(codes)
            prompt = model.prompter.prompt(
                Utterance(texts[number % 3], "english", "ryan", whole_text=number % 2 == 0)
            )
            sampling = SAMPLINGS[number % len(SAMPLINGS)]
            slots[generator.open(prompt, sampling, seed=7 + number)] = number
            codes[number] = []
        for slot, outcome in generator.step().items():
            if isinstance(outcome, Ended):
                generator.close(slot)
                del slots[slot]
            else:
                codes[slots[slot]].append(outcome.tolist())
        if step == 14:
            slot = min(slots)
            generator.close(slot)
            del slots[slot]
    return codes


def test_codes_of_replayed_frames_are_those_of_packed_ones(
    cuda: FakeCuda, tiny_models: TinyModels
) -> None:
    model = Loaded(tiny_models)()
    device = Cuda(HERE)
    with torch.inference_mode(), device.stream():
        with on_cuda():
            captured = FrameGenerator(model, 4, 200, device.graphs(), device)
        assert spoken(captured, model) == spoken(FrameGenerator(model, 4, 200), model)
    assert [what for what, _, _ in cuda.journal].count("replay") >= 24


def test_a_synthesizer_is_built_and_speaks_on_its_own_stream(
    cuda: FakeCuda, tiny_models: TinyModels, monkeypatch: pytest.MonkeyPatch
) -> None:
    made: list[int] = []
    zeros = torch.zeros

    def noted(*size: Any, **more: Any) -> Tensor:
        made.append(torch.cuda.current_stream().cuda_stream)
        return zeros(*size, **more)

    options = tts_options.Qwen3TtsOptions(
        model=str(tiny_models.tts("custom_voice")),
        dtype="float32",
        max_batch=2,
        max_seconds=0.4,
        max_prompt_tokens=64,
        warm_up_tokens=(16,),
        temperature=0.0,
        predictor_temperature=0.0,
    )
    shared = SharedModels()
    capabilities = tts_options.describe(options)
    plain = speak(synthesizer.compose(options, capabilities, shared), text_work())["w"]
    monkeypatch.setattr(torch, "zeros", noted)
    with on_cuda():
        engine = synthesizer.compose(options, capabilities, shared)
    assert 0 not in made, "a cache or a table is filled on a stream that no other waits for"
    assert made
    events = speak(engine, text_work())["w"]
    assert isinstance(events[-1], WorkDone)
    assert abs(sound(events) - sound(plain)).max() < 1e-4
    assert not cuda.streams("wait for device")


def test_speech_of_two_streams_of_the_device_is_that_of_packed_passes(
    cuda: FakeCuda, tiny_models: TinyModels
) -> None:
    """Streams join and leave, one is aborted while the codec has frames of it, and no two streams race."""
    options = tts_options.Qwen3TtsOptions(
        model=str(tiny_models.tts("base")),
        dtype="float32",
        max_batch=2,
        max_seconds=0.8,
        max_prompt_tokens=64,
        warm_up_tokens=(16,),
        ramp=(1, 1, 3),
    )
    capabilities = tts_options.describe(options)
    works = [cloned(f"w{n}", text="a b c d"[: 2 * n + 1], seed=n) for n in range(4)]
    plain = synthesizer.compose(options, capabilities, SharedModels())
    expected = {work.work_id: sound(speak(plain, work)[work.work_id]) for work in works}
    with StreamOrder(cuda) as order:
        with on_cuda():
            engine = synthesizer.compose(options, capabilities, SharedModels())
        captures = [what for what, _, _ in cuda.journal].count("capture")
        engine.admit(cloned("gone", seed=9))
        assert [type(event) for event in engine.step()] == [WorkAudio]
        assert engine.step() == [], "its second chunk is with the codec"
        engine.abort("gone")
        events = speak(engine, *works)
        order.look_for_lost()
    for work_id, samples in expected.items():
        heard = sound(events[work_id])
        assert heard.shape == samples.shape
        assert abs(heard - samples).max() < 1e-4
    assert [what for what, _, _ in cuda.journal].count("capture") == captures
    assert len(cuda.streams("replay")) == 2, "the talker's and the codec's"
    assert order.crossings
    assert not cuda.streams("wait for device")


# --- the largest first -----------------------------------------------------------------------------


def test_the_largest_pass_is_captured_first(
    cuda: FakeCuda, tiny_models: TinyModels, monkeypatch: pytest.MonkeyPatch
) -> None:
    sizes: list[tuple[str, int]] = []
    capture = Graphs.__call__

    def noted(self: Graphs, body: Body, examples: Sequence[Tensor]) -> Body:
        kind = {3: "encoder", 2: "prompts", 1: "step"}[len(examples)]
        sizes.append((kind, examples[0].numel()))
        return capture(self, body, examples)

    monkeypatch.setattr(Graphs, "__call__", noted)
    asr(tiny_models.asr_target())
    model = Loaded(tiny_models)()
    device = Cuda(HERE)
    for kind in ("encoder", "prompts", "step"):
        own = [size for each, size in sizes if each == kind]
        assert len(own) >= 2
        assert own[0] == max(own)
        assert own[-1] == min(own)
    sizes.clear()
    with torch.inference_mode(), device.stream():
        FrameGenerator(model, 6, 200, device.graphs(), device)
    own = [size for _, size in sizes]
    assert own == sorted(own, reverse=True)
    assert len(own) == 4


# --- a device that is lost -------------------------------------------------------------------------


def test_nobody_looks_for_the_item_at_fault_where_the_device_is_lost(
    cuda: FakeCuda, tiny_models: TinyModels, monkeypatch: pytest.MonkeyPatch
) -> None:
    engine = asr(tiny_models.asr_target())
    for samples in clips(2, seed=3, longest_s=0.6):
        engine.admit(make_work(samples))
    tries: list[RuntimeError] = []

    def failing(graph: FakeGraph) -> None:
        error = RuntimeError("CUBLAS_STATUS_EXECUTION_FAILED")
        tries.append(error)
        raise error

    monkeypatch.setattr(FakeGraph, "replay", failing)
    cuda.error = torch.AcceleratorError("CUDA error: an illegal memory access was encountered")
    with pytest.raises(DeviceLostError, match="illegal memory access"):
        engine.step()
    assert len(tries) == 1


def test_a_synthesizer_blames_no_text_where_the_device_is_lost(
    cuda: FakeCuda, tiny_models: TinyModels
) -> None:
    rig = Rig(Loaded(tiny_models)("base"))
    cuda.error = torch.AcceleratorError("CUDA error: device-side assert triggered")

    def failing(prompt: VoicePrompt) -> ClonedVoice:
        raise torch.AcceleratorError("CUDA error: device-side assert triggered")

    rig.voices.voice = failing
    rig.engine.admit(cloned())
    with pytest.raises(DeviceLostError, match="device-side assert"):
        rig.engine.step()
