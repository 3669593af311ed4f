"""Moonshine's tokenizer, from token ids to text.

``tokenizer.bin`` holds one record per id: its length in bytes (one byte below 128, else two: the low seven bits with
the top bit set, then the rest), then the bytes. U+2581 stands for a space. Ids 3 to 258 are raw bytes, of which
characters outside the vocabulary are made.
"""

from collections.abc import Sequence

START_TOKEN = 1
END_TOKEN = 2
_FIRST_BYTE_ID, _LAST_BYTE_ID = 3, 258
_SPACE = "\u2581".encode()


class MoonshineTokenizer:
    """Decodes token ids; encoding is never needed."""

    def __init__(self, data: bytes) -> None:
        """Parse ``tokenizer.bin``.

        Raises:
            ValueError: the records do not fill the file exactly.
        """
        self._pieces: list[bytes] = []
        at = 0
        while at < len(data):
            length = data[at]
            at += 1
            if length >= 0x80:
                if at >= len(data):
                    raise ValueError("truncated tokenizer file")
                length = (length & 0x7F) | (data[at] << 7)
                at += 1
            if at + length > len(data):
                raise ValueError("truncated tokenizer file")
            self._pieces.append(data[at : at + length].replace(_SPACE, b" "))
            at += length
        for byte in range(_LAST_BYTE_ID - _FIRST_BYTE_ID + 1):
            self._pieces[_FIRST_BYTE_ID + byte] = bytes([byte])

    @property
    def size(self) -> int:
        """Number of token ids."""
        return len(self._pieces)

    def piece(self, token: int) -> str:
        """What ``token`` stands for; bytes that are no text by themselves as a replacement character."""
        return self._pieces[token].decode(errors="replace")

    def token(self, piece: str) -> int:
        """The token that stands for ``piece`` (no space in it).

        Raises:
            ValueError: there is none.
        """
        return self._pieces.index(piece.encode(), _LAST_BYTE_ID + 1)

    def text(self, tokens: Sequence[int]) -> str:
        """Text of ``tokens`` without marks; a character that is cut off at the end is left out."""
        pieces = (self._pieces[t] for t in tokens if t > END_TOKEN)
        return b"".join(pieces).decode(errors="ignore").strip()
