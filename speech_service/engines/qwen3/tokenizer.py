"""Byte-level BPE text tokenizer of the Qwen models, on the ``tokenizers`` library.

Text is always encoded as text: a client that writes ``<|im_end|>`` gets the characters, not the control token.
Control tokens are asked for by name and put in by id.
"""

# tokenizers declares its types in part only.
# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false, reportUnknownArgumentType=false

import codecs
import json
from collections.abc import Callable, Iterable, Mapping
from typing import Any, cast

from tokenizers import Regex, Tokenizer, decoders, models, normalizers, pre_tokenizers

from speech_service.engines.qwen_release.files import CheckpointFiles

_WORDS = (
    r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*"
    r"|\s*[\r\n]+|\s+(?!\S)|\s+"
)
"""Where text is cut before merging: the published pattern of the Qwen2 tokenizer."""


class QwenTokenizer:
    """Text to ids and back.

    Raises:
        CheckpointError: from the constructor, where a file is missing or not what it should be.
    """

    def __init__(self, files: CheckpointFiles) -> None:
        self._files = files
        stored = files.folder / "tokenizer.json"
        description = _stored(files) if stored.is_file() else _assembled(files)
        try:
            added = cast(list[dict[str, Any]], description.pop("added_tokens", None) or [])
            self._added = {str(token["content"]): int(token["id"]) for token in added}
            hidden = {int(token["id"]) for token in added if token.get("special")}
        except (AttributeError, LookupError, TypeError, ValueError) as error:
            raise files.error("the tokenizer's added tokens lack content or id") from error
        try:
            self._text = Tokenizer.from_str(json.dumps(description | {"added_tokens": []}))
        except Exception as error:
            raise files.error(f"the tokenizer's files cannot be used: {error}") from error
        self._bytes = _byte_table(self._text.get_vocab(), self._added, hidden)

    @property
    def size(self) -> int:
        """One more than the highest id."""
        return len(self._bytes)

    def equals(self, other: "QwenTokenizer") -> bool:
        """Whether both give every text the same ids."""
        same_text = self._text.to_str() == other._text.to_str()
        return same_text and self._added == other._added

    def token(self, name: str, expected: int | None = None) -> int:
        """Id of a control token.

        Args:
            name: as it is written ("<|im_end|>").
            expected: the id that config.json gives; None: it gives none.

        Raises:
            CheckpointError: there is no such token, or the two disagree.
        """
        found = self._added.get(name)
        if found is None:
            raise self._files.error(f"the tokenizer has no token {name}")
        if expected is not None and found != expected:
            raise self._files.error(
                f"config.json says that token {name} is {expected}, the tokenizer says {found}"
            )
        return found

    def encode(self, text: str) -> list[int]:
        """Ids of ``text``, which holds no control tokens whatever it says."""
        return self._text.encode(text, add_special_tokens=False).ids

    def decode(self, ids: Iterable[int]) -> str:
        """Text of ``ids`` without special tokens; tags such as ``<asr_text>`` are text.

        An id that the vocabulary lacks has no text. A character that is cut off at the end is U+FFFD.
        """
        return b"".join(map(self._bytes_of, ids)).decode("utf-8", "replace")

    def decoder(self) -> "StreamDecoder":
        """Decode tokens as they come."""
        return StreamDecoder(self._bytes_of)

    def _bytes_of(self, token: int) -> bytes:
        return self._bytes[token] if 0 <= token < len(self._bytes) else b""


class StreamDecoder:
    """Text of tokens that come one by one. A character leaves when its last byte is there."""

    def __init__(self, bytes_of: Callable[[int], bytes]) -> None:
        self._bytes_of = bytes_of
        self._decoder = codecs.getincrementaldecoder("utf-8")("replace")

    def push(self, ids: Iterable[int]) -> str:
        """Text that is complete with ``ids`` and was not before."""
        return self._decoder.decode(b"".join(map(self._bytes_of, ids)))

    def finish(self) -> str:
        """What is left: U+FFFD where a character was cut off."""
        return self._decoder.decode(b"", final=True)


def _stored(files: CheckpointFiles) -> dict[str, Any]:
    description = dict(files.json("tokenizer.json") or {})
    if not isinstance(description.get("model"), dict):
        raise files.error("tokenizer.json has no model")
    return description


def _assembled(files: CheckpointFiles) -> dict[str, Any]:
    """The same description from vocab.json, merges.txt and tokenizer_config.json."""
    vocabulary, settings = files.json("vocab.json"), files.json("tokenizer_config.json")
    merges_file = files.folder / "merges.txt"
    missing = [
        name
        for name, is_there in (
            ("vocab.json", vocabulary is not None),
            ("merges.txt", merges_file.is_file()),
            ("tokenizer_config.json", settings is not None),
        )
        if not is_there
    ]
    if missing:
        raise files.error(f"the tokenizer needs tokenizer.json, or else {', '.join(missing)}")
    try:
        lines = merges_file.read_text("utf-8").splitlines()
        merges = [
            tuple(line.split(" ")) for line in lines if line and not line.startswith("#version")
        ]
        tokenizer = Tokenizer(models.BPE(vocab=dict(vocabulary or {}), merges=cast(Any, merges)))
    except Exception as error:
        raise files.error(f"vocab.json and merges.txt cannot be used: {error}") from error
    tokenizer.normalizer = normalizers.NFC()
    split = pre_tokenizers.Split(Regex(_WORDS), "isolated")
    raw = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence([split, raw])
    tokenizer.decoder = decoders.ByteLevel()
    added: Mapping[str, Any] = (settings or {}).get("added_tokens_decoder") or {}
    description: dict[str, Any] = json.loads(tokenizer.to_str())
    description["added_tokens"] = [{**token, "id": id_} for id_, token in added.items()]
    return description


def _byte_table(
    vocabulary: Mapping[str, int], added: Mapping[str, int], hidden: set[int]
) -> list[bytes]:
    """Bytes that each id stands for; none for special tokens and for ids that nothing has."""
    table = [b""] * (max((*vocabulary.values(), *added.values()), default=-1) + 1)
    byte_of = _byte_of_char()
    for token, id_ in vocabulary.items():
        known = all(char in byte_of for char in token)
        table[id_] = bytes(byte_of[char] for char in token) if known else token.encode()
    for token, id_ in added.items():
        table[id_] = b"" if id_ in hidden else token.encode()
    return table


def _byte_of_char() -> dict[str, int]:
    """The characters that byte-level BPE writes bytes as (GPT-2): printable ones stand for themselves."""
    own = [*range(33, 127), *range(161, 173), *range(174, 256)]
    others = [byte for byte in range(256) if byte not in own]
    return {chr(byte): byte for byte in own} | {
        chr(256 + place): byte for place, byte in enumerate(others)
    }
