"""The tokenizer: the ids of the ``tokenizers`` library, text that stays text, and characters that stay whole."""

import json
import shutil
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tokenizers import Tokenizer

from speech_service.engines.qwen3.checkpoint.reading import CheckpointError, open_checkpoint
from speech_service.engines.qwen3.tokenizer import QwenTokenizer
from tests.qwen_tiny.folder import TinyModels

TEXTS = (
    "one two three, don't\n\n  stop 3.14",
    "今天的会议十点开始。東京の天気",
    "오늘 날씨가 좋습니다",
    "e\u0301te\u0301 \u212b \uff21",
    "\U0001f468\u200d\U0001f469\u200d\U0001f467 a\tb  ",
    "",
)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return TinyModels(tmp_path_factory.mktemp("tokenizer")).asr_target()


@pytest.fixture(scope="module")
def library(folder: Path) -> Tokenizer:
    return Tokenizer.from_file(str(folder / "tokenizer.json"))


@pytest.fixture(scope="module")
def tokenizer(folder: Path) -> QwenTokenizer:
    return loaded(folder)


@pytest.fixture
def parts(folder: Path, tmp_path: Path) -> Path:
    """The same model with vocabulary and merges in files of their own, as the releases have it."""
    copy = Path(shutil.copytree(folder, tmp_path / "parts"))
    (copy / "tokenizer.json").unlink()
    return copy


def loaded(folder: Path) -> QwenTokenizer:
    return QwenTokenizer(open_checkpoint(str(folder), "qwen3_asr").files)


@pytest.mark.parametrize("text", TEXTS)
def test_ids_are_the_librarys(tokenizer: QwenTokenizer, library: Tokenizer, text: str) -> None:
    ids = library.encode(text).ids
    assert tokenizer.encode(text) == ids
    assert tokenizer.decode(ids) == library.decode(ids)


def test_both_forms_of_the_files_give_the_same(tokenizer: QwenTokenizer, parts: Path) -> None:
    other = loaded(parts)
    assert other.size == tokenizer.size
    for text in TEXTS:
        assert other.encode(text) == tokenizer.encode(text)
    every = range(tokenizer.size)
    assert [other.decode([id_]) for id_ in every] == [tokenizer.decode([id_]) for id_ in every]
    assert other.token("<timestamp>") == tokenizer.token("<timestamp>")


@pytest.mark.parametrize("name", ["<|im_end|>", "<|audio_pad|>", "<asr_text>", "<timestamp>"])
def test_text_that_names_a_control_token_stays_text(tokenizer: QwenTokenizer, name: str) -> None:
    ids = tokenizer.encode(f"a{name}b")
    assert tokenizer.token(name) not in ids
    assert tokenizer.decode(ids) == f"a{name}b"


def test_special_tokens_have_no_text_and_tags_have(tokenizer: QwenTokenizer) -> None:
    ids = [tokenizer.token(name) for name in ("<|im_start|>", "<asr_text>", "<|im_end|>")]
    assert tokenizer.decode([*tokenizer.encode("a"), *ids]) == "a<asr_text>"


@given(ids=st.lists(st.integers(0, 511), max_size=12))
def test_any_ids_decode_as_the_library_does(
    tokenizer: QwenTokenizer, library: Tokenizer, ids: list[int]
) -> None:
    assert tokenizer.decode(ids) == library.decode(ids)
    stream = tokenizer.decoder()
    pieces = [stream.push([id_]) for id_ in ids]
    assert "".join(pieces) + stream.finish() == tokenizer.decode(ids)


def test_a_character_leaves_with_its_last_byte(tokenizer: QwenTokenizer) -> None:
    ids = tokenizer.encode("\U0001f389")
    assert len(ids) == 4
    for count in range(1, 4):
        assert tokenizer.decode(ids[:count]) == "\ufffd"
    stream = tokenizer.decoder()
    assert [stream.push([id_]) for id_ in ids] == ["", "", "", "\U0001f389"]
    assert stream.push(ids[:2]) == ""
    assert stream.finish() == "\ufffd"


def test_ids_that_the_vocabulary_lacks_have_no_text(tokenizer: QwenTokenizer) -> None:
    assert tokenizer.decode([tokenizer.size, -1, 10**9]) == ""


def test_a_token_that_is_missing_or_disagrees_is_named(tokenizer: QwenTokenizer) -> None:
    found = tokenizer.token("<|audio_pad|>")
    assert tokenizer.token("<|audio_pad|>", found) == found
    with pytest.raises(CheckpointError, match=r"says that token <\|audio_pad\|> is 7, the tokeni"):
        tokenizer.token("<|audio_pad|>", 7)
    with pytest.raises(CheckpointError, match="has no token <nothing>"):
        tokenizer.token("<nothing>")


@pytest.mark.parametrize("missing", ["vocab.json", "merges.txt", "tokenizer_config.json"])
def test_a_missing_file_is_named(parts: Path, missing: str) -> None:
    (parts / missing).unlink()
    with pytest.raises(CheckpointError, match=f"needs tokenizer.json, or else {missing}"):
        loaded(parts)


@pytest.mark.parametrize(
    ("file", "content", "said"),
    [
        ("tokenizer.json", "{", "tokenizer.json is not valid JSON"),
        ("tokenizer.json", "{}", "tokenizer.json has no model"),
        ("tokenizer.json", '{"model": {"type": "Odd"}}', "the tokenizer's files cannot be used"),
        ("merges.txt", "not a merge at all", "cannot be used"),
        ("vocab.json", '{"a": "b"}', "cannot be used"),
    ],
)
def test_an_odd_file_is_refused(parts: Path, file: str, content: str, said: str) -> None:
    (parts / file).write_text(content)
    with pytest.raises(CheckpointError, match=said):
        loaded(parts)


def test_odd_added_tokens_are_refused(folder: Path, tmp_path: Path) -> None:
    copy = Path(shutil.copytree(folder, tmp_path / "odd"))
    content: dict[str, Any] = json.loads((copy / "tokenizer.json").read_text("utf-8"))
    content["added_tokens"] = [{"content": "<x>"}]
    (copy / "tokenizer.json").write_text(json.dumps(content), "utf-8")
    with pytest.raises(CheckpointError, match="added tokens"):
        loaded(copy)
