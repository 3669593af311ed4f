"""``synthesizer/qwen3``: what it says of itself, what it refuses to start with, and that its options act."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from safetensors import safe_open

from speech_service.config.tree import ConfigError, ModelConfig
from speech_service.domain.models import Capability, ModelCapabilities
from speech_service.domain.work import SynthesizeWork
from speech_service.engines import registry
from speech_service.engines.qwen3.codec.streams import CodecStreams
from speech_service.engines.qwen3.tts.engine import TtsEngine
from speech_service.engines.qwen3.tts.frame_pass import PackedFrames
from speech_service.engines.qwen3.tts.options import Qwen3TtsOptions
from speech_service.engines.qwen3.tts.sampling_rules import Sampling
from speech_service.worker.heartbeat import probe
from tests.qwen_tiny.folder import TinyModels
from tests.qwen_tiny.tts import LANGUAGE_IDS, SPEAKER_IDS, Kind, Size
from tests.unit.engines.qwen3.tts.speaking import FRAME, cloned, run, sound, work


def config(folder: Path, **options: Any) -> ModelConfig:
    fixed = {"model": str(folder), "dtype": "float32", "max_seconds": 0.4, "threads": 1}
    return ModelConfig(kind="synthesizer/qwen3", options={**fixed, **options})


def described(tiny: TinyModels, kind: Kind, size: Size = "1b7") -> ModelCapabilities:
    return registry.describe(config(tiny.tts(kind, size)))


@pytest.mark.parametrize(
    ("kind", "size", "can"),
    [
        ("custom_voice", "1b7", {Capability.SEED, Capability.STYLE_INSTRUCTION}),
        ("custom_voice", "0b6", {Capability.SEED}),
        ("base", "1b7", {Capability.SEED, Capability.VOICE_CLONING}),
        (
            "voice_design",
            "1b7",
            {Capability.SEED, Capability.STYLE_INSTRUCTION, Capability.VOICE_DESIGN},
        ),
    ],
)
def test_describes_itself_without_reading_weights(
    tiny_tts: TinyModels,
    monkeypatch: pytest.MonkeyPatch,
    kind: Kind,
    size: Size,
    can: set[Capability],
) -> None:
    folder = tiny_tts.tts(kind, size)

    def refuse(*_: object, **__: object) -> None:
        raise AssertionError("weights were opened")

    monkeypatch.setattr("speech_service.engines.qwen3.checkpoint.reading.safe_open", refuse)
    capabilities = registry.describe(config(folder))
    assert capabilities.capabilities == can
    assert capabilities.name == f"qwen3-tts-{kind.replace('_', '-')}"
    assert len(capabilities.languages) == len(LANGUAGE_IDS)
    voices = [voice.voice_id for voice in capabilities.voices]
    assert voices == (sorted(SPEAKER_IDS) if kind == "custom_voice" else [])
    assert safe_open is not None


@pytest.mark.parametrize(
    ("options", "names"),
    [
        ({"model": ""}, "model"),
        ({"ramp": []}, "ramp"),
        ({"ramp": [1, 0]}, "ramp"),
        ({"max_batch": 0}, "max_batch"),
        ({"max_seconds": 0}, "max_seconds"),
        ({"max_prompt_tokens": 0}, "max_prompt_tokens"),
        ({"max_voices": 0}, "max_voices"),
        ({"temperature": 9.0}, "temperature"),
        ({"top_p": 0.0}, "top_p"),
        ({"predictor_top_k": -1}, "predictor_top_k"),
        ({"dtype": "int4"}, "dtype"),
        ({"quantize": "int4"}, "quantize"),
        ({"speed": 1}, "speed"),
        ({"graphs": True}, 'graphs: .* need device = "cuda"'),
        ({"kv_mib": -1}, "kv_mib"),
        ({"warm_up_tokens": [8, 2000]}, "warm_up_tokens: 2000"),
        ({"codec": "onnx"}, "codec_file: .* export-codec"),
        ({"codec_file": "x.onnx"}, "codec_file: .* uses none"),
        ({"codec": "tensorrt", "codec_file": "x.onnx"}, 'codec: .* needs device = "cuda"'),
    ],
    ids=str,
)
def test_wrong_options_are_refused_by_name(
    tiny_tts: TinyModels, options: dict[str, Any], names: str
) -> None:
    with pytest.raises(ConfigError, match=names):
        registry.describe(config(tiny_tts.tts("base"), **options))


@pytest.mark.parametrize(
    ("change", "problem"),
    [
        ({"model_type": "qwen3_asr"}, "qwen3_asr"),
        ({"tokenizer_type": "qwen3_tts_tokenizer_25hz"}, "25hz"),
        ({"tts_model_type": "singing"}, "singing"),
        ({"talker_config": None}, "talker_config"),
        ({"tts_bos_token_id": "x"}, "x"),
        ({"talker_config": {"code_predictor_config": {}, "hidden_act": "relu"}}, "hidden_act"),
    ],
)
def test_another_checkpoint_is_refused_with_what_is_wrong(
    tiny_tts: TinyModels, tmp_path: Path, change: dict[str, Any], problem: str
) -> None:
    source = tiny_tts.tts("base")
    for file in source.iterdir():
        if file.is_file():
            (tmp_path / file.name).write_bytes(file.read_bytes())
    content = json.loads((source / "config.json").read_text())
    (tmp_path / "config.json").write_text(json.dumps(content | change))
    with pytest.raises(ConfigError, match=problem):
        registry.describe(config(tmp_path))


def test_a_memory_budget_bounds_the_streams(tiny_tts: TinyModels) -> None:
    def slots(**options: Any) -> int:
        engine = registry.build_engine(config(tiny_tts.tts("base"), **options))
        assert isinstance(engine, TtsEngine)
        run(engine, *(cloned(str(i)) for i in range(4)))
        parts = engine._parts
        cache, codec = parts.generator.cache, parts.codec
        assert cache.slots == codec.free_slots - 1
        mib = (cache.nbytes + codec.nbytes) / 2**20
        assert mib <= options.get("kv_mib", mib)
        return cache.slots

    assert slots(max_batch=3) == slots(max_batch=3, kv_mib=1_000) == 3
    large: dict[str, Any] = {"max_batch": 64, "max_prompt_tokens": 4_000}
    assert 1 <= slots(**large, kv_mib=16) < slots(**large, kv_mib=32) < 64
    with pytest.raises(ConfigError, match=r"kv_mib: 1 MiB hold no stream; one takes \d+ MiB"):
        registry.build_engine(config(tiny_tts.tts("base"), max_prompt_tokens=40_000, kv_mib=1))


def test_a_warm_up_runs_prompts_and_chunks_of_each_length_and_changes_nothing(
    tiny_tts: TinyModels, monkeypatch: pytest.MonkeyPatch
) -> None:
    fed: list[int] = []
    decoded: list[int] = []
    run_packed, begin = PackedFrames.run, CodecStreams.begin

    def counting_run(self: PackedFrames, streams: Any, drawing: Any) -> Any:
        fed.append(len(streams[0].pending))
        return run_packed(self, streams, drawing)

    def counting_begin(self: CodecStreams, chunks: Any, urgent: Any = ()) -> Any:
        decoded.extend(map(len, chunks.values()))
        return begin(self, chunks, urgent)

    monkeypatch.setattr(PackedFrames, "run", counting_run)
    monkeypatch.setattr(CodecStreams, "begin", counting_begin)
    fixed: dict[str, Any] = {"ramp": [1, 3, 3]}
    folder = tiny_tts.tts("custom_voice")
    cold = registry.build_engine(config(folder, **fixed, warm_up_tokens=[]))
    assert not fed + decoded
    warm = registry.build_engine(config(folder, **fixed, warm_up_tokens=[8, 20]))
    assert (fed, decoded) == ([8, 1, 20, 1], [1, 3])
    assert np.array_equal(sound(run(cold, work())["w"]), sound(run(warm, work())["w"]))


@pytest.mark.parametrize("options", [{"device": "cuda:99"}, {"quantize": "fp8"}], ids=str)
def test_what_the_machine_cannot_do_is_told_at_the_start(
    tiny_tts: TinyModels, options: dict[str, str]
) -> None:
    with pytest.raises(ConfigError, match=next(iter(options))):
        registry.build_engine(config(tiny_tts.tts("base"), **options))


def test_a_missing_codec_is_told_at_the_start(tiny_tts: TinyModels, tmp_path: Path) -> None:
    for file in tiny_tts.tts("base").iterdir():
        if file.is_file():
            (tmp_path / file.name).write_bytes(file.read_bytes())
    with pytest.raises(ConfigError, match="speech_tokenizer"):
        registry.build_engine(config(tmp_path))


def test_rules_come_from_the_checkpoint_unless_they_are_set(tiny_tts: TinyModels) -> None:
    recommended = Sampling(temperature=0.9, top_k=50, predictor_top_k=40)
    own = Qwen3TtsOptions("m", temperature=0.0, top_k=0, predictor_top_p=0.5)
    assert Qwen3TtsOptions("m").sampling(recommended) == recommended
    assert own.sampling(recommended) == Sampling(
        temperature=0.0, top_k=0, predictor_top_k=40, predictor_top_p=0.5
    )


@pytest.mark.parametrize("kind", ["custom_voice", "voice_design", "base"])
def test_every_kind_answers_a_heartbeat(tiny_tts: TinyModels, kind: Kind) -> None:
    engine = registry.build_engine(config(tiny_tts.tts(kind)))
    work = probe(engine.capabilities, "beat", np.zeros(1600, np.float32))
    assert isinstance(work, SynthesizeWork)
    assert len(sound(run(engine, work)["beat"])) > 0


@pytest.mark.parametrize("kind", ["custom_voice", "voice_design", "base"])
def test_every_kind_speaks(tiny_tts: TinyModels, tmp_path: Path, kind: Kind) -> None:
    folder = tmp_path / "voices"
    engine = registry.build_engine(
        config(tiny_tts.tts(kind), ramp=[2, 3], voices_folder=str(folder))
    )
    assert isinstance(engine, TtsEngine)
    spoken = {
        "custom_voice": work(instruct="calmly"),
        "voice_design": work(voice="", instruct="a calm voice"),
        "base": cloned(),
    }[kind]
    events = run(engine, spoken)["w"]
    assert len(sound(events)) == 5 * FRAME
    lengths = [len(event.samples) // FRAME for event in events[:-1]]  # pyright: ignore[reportAttributeAccessIssue] - audio
    assert lengths[0] == 2
    assert folder.exists() == (kind == "base")


@pytest.mark.parametrize(
    "numbers", [{"dtype": "bfloat16"}, {"quantize": "int8"}, {"quantize": "int8-weights"}], ids=str
)
def test_other_numbers_speak(tiny_tts: TinyModels, numbers: dict[str, str]) -> None:
    engine = registry.build_engine(config(tiny_tts.tts("base"), **numbers))
    assert len(sound(run(engine, cloned())["w"])) == 5 * FRAME
