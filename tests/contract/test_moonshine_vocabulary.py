"""Tokens that training never touched are left out of the output layer, and nobody misses them."""

import re
from pathlib import Path

import numpy as np
import pytest

from benchmarks import corpus
from speech_service.domain.audio import Samples
from speech_service.engines.formats.ort import OrtFile, read_ort_file
from speech_service.engines.moonshine import DECODER, TOKENIZER
from speech_service.engines.moonshine import network as moonshine_network
from speech_service.engines.moonshine.network import MoonshineNetwork
from speech_service.engines.moonshine.signed_weights import signed
from speech_service.engines.moonshine.tokenizer import END_TOKEN, MoonshineTokenizer
from speech_service.engines.moonshine.vocabulary import (
    LOGITS,
    VOCABULARY,
    output_layer,
    trained_tokens,
)

from .moonshine import load_network, model_folder
from .test_recognizers import clip

WORDS = re.findall(
    r"\S+",
    """the of and it was best worst times age wisdom foolishness epoch belief season light darkness spring hope
winter despair Joseph Thursday Wednesday February Hollywood Australia seventeen thousand percent dollars doctor Mr Mrs
www YouTube iPhone NASA okay um uh ah hmm yeah é ñ ü 0 1 2 9 10 2020""",
)


FIRST_TEXT = 259
"""Tokens before it are marks and raw bytes, of which characters are made that have no token."""


@pytest.fixture(scope="module")
def folder() -> Path:
    return model_folder()


@pytest.fixture(scope="module")
def decoder(folder: Path) -> OrtFile:
    return read_ort_file((folder / DECODER[0]).read_bytes())


@pytest.fixture(scope="module")
def tokenizer(folder: Path) -> MoonshineTokenizer:
    return MoonshineTokenizer((folder / TOKENIZER[0]).read_bytes())


def test_what_is_left_out_is_no_english(decoder: OrtFile, tokenizer: MoonshineTokenizer) -> None:
    kept = set(trained_tokens(decoder).tolist())
    assert 26_000 < len(kept) < 27_000
    assert END_TOKEN in kept
    texts = range(FIRST_TEXT, VOCABULARY)
    left_out = {tokenizer.piece(token) for token in texts if token not in kept}
    # As a whole token of its own, at the start of a word or inside one.
    assert not left_out & {mark + word for word in WORDS for mark in ("", " ")}
    assert not left_out & {*".,?!'-:;%$&\"", " I", " a", "'s", "n't", "ing", "ed", "ly"}
    assert {" });", " hoofd", "getInstance", " Frankreich"} <= left_out


def test_signs_of_bytes_do_not_change_the_choice(decoder: OrtFile) -> None:
    assert np.array_equal(trained_tokens(decoder), trained_tokens(signed(decoder)))


def test_the_output_layer_holds_the_packaged_columns(decoder: OrtFile) -> None:
    kept = trained_tokens(decoder)
    weights = decoder.tensors[decoder.wiring[LOGITS][1]]
    packaged = np.frombuffer(weights.data, np.uint8).reshape(weights.shape)
    ours = output_layer(decoder, kept)
    assert np.array_equal(
        np.frombuffer(bytes(ours.data), np.uint8).reshape(ours.shape), packaged[:, kept]
    )


@pytest.fixture(scope="module")
def network() -> MoonshineNetwork:
    return load_network()


@pytest.fixture(scope="module")
def whole(network: MoonshineNetwork) -> MoonshineNetwork:
    """The network that chooses among all tokens."""
    del network  # loaded first, with its own tokens
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(moonshine_network, "trained_tokens", lambda _: np.arange(VOCABULARY))
        return load_network()


def greedy(network: MoonshineNetwork, samples: Samples) -> list[int]:
    run, tokens = network.encode(np.pad(samples, 4_800)), [1]
    while tokens[-1] != END_TOKEN and len(tokens) < 120:
        tokens += run.run(tokens[-1:])
    return tokens


def test_bundled_speech_gives_the_same_tokens(
    network: MoonshineNetwork, whole: MoonshineNetwork
) -> None:
    assert len(network.vocabulary) < len(whole.vocabulary) == VOCABULARY
    speech = clip("two_cities")
    for start in range(0, 24, 8):
        piece = speech[start * 16_000 :][: 8 * 16_000]
        tokens = greedy(network, piece)
        assert len(tokens) > 10
        assert tokens == greedy(whole, piece)


@pytest.mark.parametrize("group", ["en-read", "en-noisy", "telephone", "long"])
def test_recordings_give_the_same_tokens(
    network: MoonshineNetwork, whole: MoonshineNetwork, speech_data: Path, group: str
) -> None:
    for recording in corpus.load(group, speech_data, limit=2):
        samples = np.frombuffer(recording.pcm, "<i2") * np.float32(1 / 32768)
        piece = samples[: 12 * 16_000]
        assert greedy(network, piece) == greedy(whole, piece), recording.name


def test_speech_is_far_from_what_was_left_out(network: MoonshineNetwork, decoder: OrtFile) -> None:
    tokens = greedy(network, clip("two_cities")[: 9 * 16_000])
    _, name, _, zero_point, *_ = decoder.wiring[LOGITS]
    weights = decoder.tensors[name]
    rows = np.frombuffer(weights.data, np.uint8).reshape(weights.shape).T.astype(np.float32)
    rows -= np.frombuffer(decoder.tensors[zero_point].data, np.uint8).astype(np.float32)
    distances = np.linalg.norm(rows - rows.mean(axis=0), axis=1)
    assert len(tokens) > 20
    assert distances[tokens[1:]].min() > 0.75 * np.median(distances)
