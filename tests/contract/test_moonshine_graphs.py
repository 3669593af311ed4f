"""Our lean graphs compute what the packaged graphs compute."""

import itertools
from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest

from benchmarks.offline_pass import PackagedGraphs
from speech_service.domain.audio import Samples
from speech_service.engines.formats.ort import read_ort_file
from speech_service.engines.moonshine import DECODER, ENCODER
from speech_service.engines.moonshine import network as moonshine_network
from speech_service.engines.moonshine.network import MoonshineNetwork
from speech_service.engines.moonshine.signed_weights import (
    signed,
    signed_products_are_exact,
)

from .moonshine import load_network, model_folder
from .test_recognizers import clip

LAYERS = 6


class Packaged:
    """The two graphs of the package, run without a cache."""

    def __init__(self) -> None:
        ort = pytest.importorskip("onnxruntime")
        self.folder = model_folder()
        self._encoder, self._decoder = (
            ort.InferenceSession(str(self.folder / name)) for name, _ in (ENCODER, DECODER)
        )

    def run(self, samples: Samples, tokens: Sequence[int]) -> tuple[Samples, list[Samples]]:
        """Logits after each token, and the keys and values of the audio."""
        mask = np.ones((1, len(samples)), np.int64)
        feed: dict[str, Any] = {"input_values": samples[np.newaxis], "attention_mask": mask}
        states = self._encoder.run(None, feed)[0]
        feed = {
            "encoder_attention_mask": mask,
            "encoder_hidden_states": states,
            "use_cache_branch": np.array([False]),
            "input_ids": np.array([tokens], np.int64),
        }
        empty = np.zeros((1, 8, 0, 36), np.float32)
        for name in _names("past_key_values", "decoder") + _names("past_key_values", "encoder"):
            feed[name] = empty
        logits, *heard = self._decoder.run(["logits", *_names("present", "encoder")], feed)
        return logits[0], heard


def _names(when: str, source: str) -> list[str]:
    parts = ("key", "value")
    return [f"{when}.{layer}.{source}.{part}" for layer in range(LAYERS) for part in parts]


@pytest.fixture(scope="module")
def packaged() -> Packaged:
    return Packaged()


@pytest.fixture(scope="module")
def network() -> MoonshineNetwork:
    return load_network()


def greedy(network: MoonshineNetwork, samples: Samples, count: int) -> list[int]:
    decoder = network.encode(samples)
    tokens = [1]
    for _ in range(count):
        tokens += decoder.run(tokens[-1:])
    return tokens


def test_the_yardstick_of_the_benchmarks_decodes_with_the_packaged_graphs(
    packaged: Packaged,
) -> None:
    samples = clip("beckett")[: 9 * 16_000]
    tokens = PackagedGraphs().tokens(samples)
    reference = packaged.run(samples, tokens[:-1])[0].argmax(axis=1)
    assert len(tokens) > 10
    assert tokens[-1] == 2, "it ended by itself"
    # Passes of one token and of many may round an int8 product differently.
    assert np.count_nonzero(reference != tokens[1:]) <= 1


def test_the_decoder_computes_what_the_packaged_one_does(
    packaged: Packaged, network: MoonshineNetwork
) -> None:
    samples = clip("two_cities")[: 4 * 16_000]
    tokens = greedy(network, samples, 10)
    logits, heard = packaged.run(samples, tokens)
    decoder = network.decoder(heard, quick=True)
    ours = decoder.logits(tokens)
    # The same products in another order: a value may round to the next int8 step, no more.
    assert np.abs(ours - logits[:, network.vocabulary]).mean() < 0.02
    decoder.truncate(0)
    assert decoder.run(tokens) == logits.argmax(axis=1).tolist()


@pytest.mark.parametrize(("name", "seconds"), [("beckett", 9), ("two_cities", 6)])
def test_the_encoder_hears_what_the_packaged_one_does(
    packaged: Packaged, network: MoonshineNetwork, name: str, seconds: int
) -> None:
    samples = clip(name)[: seconds * 16_000]
    for ours, theirs in zip(network.hear(samples), packaged.run(samples, [1])[1], strict=True):
        assert ours.shape == theirs.shape
        likeness = (ours * theirs).sum() / np.sqrt(np.square(ours).sum() * np.square(theirs).sum())
        assert likeness > 0.995


@pytest.mark.parametrize(("name", "seconds"), [("beckett", 9), ("two_cities", 6)])
def test_the_whole_makes_the_same_choices(
    packaged: Packaged, network: MoonshineNetwork, name: str, seconds: int
) -> None:
    samples = clip(name)[: seconds * 16_000]
    tokens = greedy(network, samples, 12)
    reference = packaged.run(samples, tokens[:-1])[0].argmax(axis=1)
    assert np.count_nonzero(reference != tokens[1:]) <= 1


def test_a_cached_pass_equals_an_uncached_one(network: MoonshineNetwork) -> None:
    samples = clip("two_cities")[: 2 * 16_000]
    tokens = greedy(network, samples, 6)
    heard = network.hear(samples)
    whole = network.decoder(heard, quick=True).logits(tokens)
    decoder = network.decoder(heard, quick=True)
    first, second = decoder.logits(tokens[:3]), decoder.logits(tokens[3:])
    # int8 scales are per pass, so values differ a little; the choices do not.
    cached = np.concatenate([first, second])
    assert (cached.argmax(axis=1) == whole.argmax(axis=1)).all()


def test_truncating_the_cache_takes_tokens_back(network: MoonshineNetwork) -> None:
    decoder = network.encode(clip("two_cities")[: 2 * 16_000])
    decoder.run([1])
    expected = decoder.logits([739])
    decoder.run([5, 6, 7])
    decoder.truncate(1)
    np.testing.assert_array_equal(decoder.logits([739]), expected)
    assert decoder.length == 2


@pytest.mark.skipif(not signed_products_are_exact(), reason="this processor clamps signed products")
def test_signed_weights_change_no_bit(
    network: MoonshineNetwork, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(moonshine_network, "signed_products_are_exact", lambda: False)
    unsigned = load_network()
    samples = clip("two_cities")[: 4 * 16_000]
    heard, expected = network.hear(samples), unsigned.hear(samples)
    for ours, theirs in zip(heard, expected, strict=True):
        np.testing.assert_array_equal(ours, theirs)
    tokens = greedy(unsigned, samples, 10)
    for several, quick in itertools.product((tokens[:1], tokens), (False, True)):
        ours, theirs = (one.decoder(heard, quick).logits(several) for one in (network, unsigned))
        np.testing.assert_array_equal(ours, theirs)


def test_weights_lowered_by_128_keep_their_distance_to_the_zero_point(packaged: Packaged) -> None:
    file = read_ort_file((packaged.folder / DECODER[0]).read_bytes())
    lowered = signed(file)
    bytes_of = [name for name, tensor in file.tensors.items() if tensor.element_type == 2]
    assert bytes_of
    for name in bytes_of:
        before = np.frombuffer(file.tensors[name].data, np.uint8).astype(np.int16)
        after = np.frombuffer(lowered.tensors[name].data, np.int8).astype(np.int16)
        assert ((before - after) == 128).all(), name
    floats = [name for name in file.tensors if name not in bytes_of]
    assert all(lowered.tensors[name] is file.tensors[name] for name in floats)
