"""The Qwen aligner through the whole service: Align, word times, subtitles; and a start without its weights.

The model is one that counts (``tests/qwen_tiny/counting.py``), so that every time is known.
"""

from pathlib import Path

import pytest
import srt
from grpc import aio

from speech.v1 import alignment_service_pb2 as align_pb
from speech.v1 import common_pb2
from speech_service.config.tree import ModelConfig
from tests.integration.harness import FAKE, pb, raw_config, recognition_stub, recognize, running
from tests.integration.processes import FAKE_TOML, run_serve, serving
from tests.integration.sound import speech
from tests.integration.test_alignment import align, sound, stream, stub, units, words
from tests.integration.test_alignment import config as align_config
from tests.qwen_tiny.counting import write_counting_aligner

REFINED = 3
TOML = """
[[models]]
kind = "aligner/qwen3"
[models.options]
model = "{model}"
dtype = "float32"
"""


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_counting_aligner(tmp_path_factory.mktemp("counting"))


@pytest.fixture(scope="module")
def aligner(folder: Path) -> ModelConfig:
    return ModelConfig(kind="aligner/qwen3", options={"model": str(folder), "dtype": "float32"})


def counted(word: int) -> tuple[int, int]:
    """When the model that counts hears a word, in milliseconds."""
    return 80 * (2 * word + 1), 80 * (2 * word + 2)


async def test_align_gives_the_models_times(aligner: ModelConfig) -> None:
    async with running(models=(FAKE, aligner)) as server:
        text = "One, two — three 今天!"
        reply = await align(server, text, speech(2_000))
        assert [u.text for u in reply.units] == ["One", "two", "three", "今", "天"]
        assert [text[u.char_start : u.char_end] for u in reply.units] == [
            u.text for u in reply.units
        ]
        assert [(u.start_ms, u.end_ms) for u in reply.units] == [counted(at) for at in range(5)]
        assert reply.model == "qwen3-forced-aligner"
        assert not reply.unaligned_spans


async def test_streamed_text_and_audio_are_aligned(aligner: ModelConfig) -> None:
    async with running(models=(FAKE, aligner)) as server:
        events = await stream(server, [*words("one two ", "three"), *sound(speech(2_000))])
        assert [unit.text for unit in units(events)] == ["one", "two", "three"]


async def test_a_refined_result_has_the_models_times(aligner: ModelConfig) -> None:
    async with running(models=(FAKE, aligner)) as server:
        talk = await recognize(server, speech(2_000, 1_500, 1_000), raw_config(word_times=True))
        refined = talk.results(REFINED)
        assert [r.segment_id for r in refined] == [r.segment_id for r in talk.finals] == [1, 2]
        for result in refined:
            assert " ".join(word.text for word in result.words) == result.text
            times = [
                (w.start_ms - result.start_ms, w.end_ms - result.start_ms) for w in result.words
            ]
            assert times == [counted(at) for at in range(len(result.words))]
        assert not [e for e in talk.events if e.HasField("warning")]


async def test_accurate_subtitles_use_the_models_times(aligner: ModelConfig) -> None:
    async with running(models=(FAKE, aligner)) as server:
        subtitles = common_pb2.SubtitleConfig(
            format=common_pb2.SUBTITLE_FORMAT_SRT, mode=common_pb2.SUBTITLE_MODE_ACCURATE
        )
        request = pb.RecognizeRequest(config=raw_config(subtitles=subtitles), audio=speech(2_000))
        reply = await server.recognition.Recognize(request, timeout=60)
        (cue,) = srt.parse(reply.subtitles.text)
        assert cue.content == reply.results[0].text
        start_ms = reply.results[0].start_ms + counted(0)[0]
        assert round(cue.start.total_seconds() * 1000) == start_ms


async def test_a_worker_process_serves_it(folder: Path, tmp_path: Path) -> None:
    path = tmp_path / "service.toml"
    path.write_text(FAKE_TOML.format(step_ms=0) + TOML.format(model=folder))
    async with (
        serving(f"--config={path}", "--set=worker.idle_timeout_s=0") as server,
        aio.insecure_channel(server.target) as channel,
    ):
        request = align_pb.AlignRequest(config=align_config(), text="one two", audio=speech(1_000))
        reply = await stub(channel).Align(request, timeout=60)
        assert [(u.start_ms, u.end_ms) for u in reply.units] == [counted(0), counted(1)]
        config = raw_config(word_times=True)
        recognized = await recognition_stub(channel).Recognize(
            pb.RecognizeRequest(config=config, audio=speech(1_500)), timeout=60
        )
        assert [w.text for w in recognized.results[0].words] == ["zero", "one", "two"]


@pytest.mark.parametrize(
    ("model", "said"),
    [
        ("Qwen/Qwen3-ForcedAligner-0.6B", "could not be downloaded"),
        ("{empty}", "config.json is missing"),
    ],
)
async def test_a_start_without_weights_fails_with_one_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, model: str, said: str
) -> None:
    monkeypatch.setenv("HF_HUB_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("HF_ENDPOINT", "http://127.0.0.1:9")  # nobody listens there
    (tmp_path / "empty").mkdir()
    path = tmp_path / "service.toml"
    path.write_text(TOML.format(model=model.format(empty=tmp_path / "empty")))
    code, out = await run_serve(f"--config={path}")
    assert code != 0
    assert said in out
    assert len(out.strip().splitlines()) == 1
    assert "models[0].options: checkpoint" in out
