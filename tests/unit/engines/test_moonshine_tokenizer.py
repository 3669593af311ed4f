"""Moonshine's tokenizer file: two-byte lengths, spaces, raw bytes."""

import pytest

from speech_service.engines.moonshine.tokenizer import MoonshineTokenizer


def _file(*pieces: bytes) -> bytes:
    out = b""
    for piece in pieces:
        n = len(piece)
        out += (bytes([n]) if n < 128 else bytes([0x80 | (n & 0x7F), n >> 7])) + piece
    return out


MARKS = [b"<unk>", b"<s>", b"</s>"]
BYTES = [b"<0x%02X>" % i for i in range(256)]


def test_pieces_join_and_spaces_come_back() -> None:
    long = b"x" * 300
    data = _file(*MARKS, *BYTES, "\u2581Hello".encode(), b",", "\u2581world".encode(), long)
    tokenizer = MoonshineTokenizer(data)
    assert tokenizer.size == 3 + 256 + 4
    assert tokenizer.text([1, 259, 260, 261, 2]) == "Hello, world"
    assert tokenizer.text([262]) == "x" * 300


def test_raw_bytes_make_characters_and_a_cut_one_is_left_out() -> None:
    tokenizer = MoonshineTokenizer(_file(*MARKS, *BYTES))
    ids = [3 + byte for byte in "é".encode()]
    assert tokenizer.text(ids) == "é"
    assert tokenizer.text(ids[:1]) == ""


def test_a_piece_has_its_token_and_not_that_of_a_raw_byte() -> None:
    tokenizer = MoonshineTokenizer(_file(*MARKS, *BYTES, b"a", b"."))
    assert tokenizer.token(".") == 260
    with pytest.raises(ValueError, match="not in list"):
        tokenizer.token("b")


@pytest.mark.parametrize("cut", [1, 100])
def test_a_truncated_file_is_refused(cut: int) -> None:
    with pytest.raises(ValueError, match="truncated"):
        MoonshineTokenizer(_file(*MARKS, *BYTES, b"y" * 200)[:-cut])
