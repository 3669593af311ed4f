"""Tokens that training never touched are left out of the output layer, and nobody misses them."""

import re
from pathlib import Path

import numpy as np
import pytest

from speech_service.engines.model_files import package_folder
from speech_service.engines.recognizers.moonshine import DECODER, ENCODER, TOKENIZER
from speech_service.engines.recognizers.moonshine.network import MoonshineNetwork
from speech_service.engines.recognizers.moonshine.ort_file import OrtFile, read_ort_file
from speech_service.engines.recognizers.moonshine.signed_weights import signed
from speech_service.engines.recognizers.moonshine.tokenizer import END_TOKEN, MoonshineTokenizer
from speech_service.engines.recognizers.moonshine.vocabulary import (
    LOGITS,
    VOCABULARY,
    output_layer,
    trained_tokens,
)

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
    package = package_folder("moonshine_voice")
    if package is None:
        pytest.skip("moonshine-voice is not installed")
    return package / "assets" / "tiny-en"


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


def test_speech_is_far_from_what_was_left_out(folder: Path, decoder: OrtFile) -> None:
    pytest.importorskip("onnxruntime")
    network = MoonshineNetwork(folder / ENCODER[0], folder / DECODER[0], threads=1)
    run, tokens = network.encode(clip("two_cities")[: 9 * 16_000]), [1]
    while tokens[-1] != END_TOKEN and len(tokens) < 80:
        tokens += run.run(tokens[-1:])
    _, name, _, zero_point, *_ = decoder.wiring[LOGITS]
    weights = decoder.tensors[name]
    rows = np.frombuffer(weights.data, np.uint8).reshape(weights.shape).T.astype(np.float32)
    rows -= np.frombuffer(decoder.tensors[zero_point].data, np.uint8).astype(np.float32)
    distances = np.linalg.norm(rows - rows.mean(axis=0), axis=1)
    assert len(tokens) > 20
    assert distances[tokens[1:]].min() > 0.75 * np.median(distances)
