"""A small byte-level BPE tokenizer with the special tokens, files and chat template of the releases."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tokenizers import AddedToken, Regex, Tokenizer, decoders, models, normalizers
from tokenizers.pre_tokenizers import ByteLevel, Sequence, Split
from tokenizers.trainers import BpeTrainer

SIZE = 480  # bytes and merges; the added tokens follow
ROUNDED_TO = 64  # the models' vocabulary is larger than the tokenizer's, as in the releases

# In the order of their ids. Decoding leaves out the special ones; `<asr_text>` and `<timestamp>` stay.
SPECIAL = (
    *("<|endoftext|>", "<|im_start|>", "<|im_end|>", "<|object_ref_start|>", "<|object_ref_end|>"),
    *("<|box_start|>", "<|box_end|>", "<|quad_start|>", "<|quad_end|>", "<|vision_start|>"),
    *("<|vision_end|>", "<|vision_pad|>", "<|image_pad|>", "<|video_pad|>"),
)
PLAIN = (
    *("<tool_call>", "</tool_call>", "<|fim_prefix|>", "<|fim_middle|>", "<|fim_suffix|>"),
    *("<|fim_pad|>", "<|repo_name|>", "<|file_sep|>", "<tool_response>", "</tool_response>"),
    *("<think>", "</think>"),
)
AUDIO = ("<|audio_start|>", "<|audio_end|>", "<tts_pad>", "<tts_text_bos>", "<tts_text_eod>")
LAST_SPECIAL = ("<tts_text_bos_single>", "<|audio_pad|>")
LAST_PLAIN = ("<asr_text>", "<timestamp>")
ADDED = (
    *((name, True) for name in SPECIAL),
    *((name, False) for name in PLAIN),
    *((name, True) for name in AUDIO + LAST_SPECIAL),
    *((name, False) for name in LAST_PLAIN),
)

AUDIO_ROLES = {
    "audio_token": "<|audio_pad|>",
    "audio_bos_token": "<|audio_start|>",
    "audio_eos_token": "<|audio_end|>",
}

# How Qwen's tokenizers cut text before byte pairs are merged: a fact of the format.
WORDS = (
    r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*"
    r"|\s*[\r\n]+|\s+(?!\S)|\s+"
)
CORPUS = (
    *("system\n", "user\n", "assistant\n", "language English", "language Chinese"),
    *("language None", "language German", "language Japanese", "language Korean"),
    "a small boat went down the river while the children on the bank were counting the birds",
    "please read the numbers one two three four five six seven eight nine zero in a clear voice",
    "the meeting starts at ten, and there will be time for questions after the second talk",
    "今天的会议十点开始,请大家准时到。语音识别和语音合成的模型",
    "東京の天気は晴れです。音声を文字にします",
    "오늘 날씨가 좋습니다. 음성을 글자로 바꿉니다",
    "Der Zug nach München fährt um zehn Uhr. Le train est déjà parti. El niño canta.",
)
CHAT_TEMPLATE = (
    "<|im_start|>system\n"
    "{% for m in messages if m.role == 'system' %}{{ m.content }}{% endfor %}<|im_end|>\n"
    "<|im_start|>user\n"
    "{% for m in messages if m.role == 'user' %}{% for part in m.content %}"
    "{% if part.type == 'audio' %}<|audio_start|><|audio_pad|><|audio_end|>"
    "{% else %}{{ part.text }}{% endif %}"
    "{% endfor %}{% endfor %}<|im_end|>\n"
    "{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
)
# The native layout's aligner has a template of its own: each word and its two time stamps.
ALIGNER_CHAT_TEMPLATE = (
    "{% for m in messages %}{% for part in m.content %}"
    "{% if part.type == 'audio' %}<|audio_start|><|audio_pad|><|audio_end|>"
    "{% else %}{{ part.text }}<timestamp><timestamp>{% endif %}"
    "{% endfor %}{% endfor %}"
)


@dataclass(frozen=True)
class Vocabulary:
    """A tokenizer, the ids of its added tokens, and how many rows an embedding for it has."""

    tokenizer: Tokenizer
    added: dict[str, int]
    rows: int

    @property
    def used(self) -> int:
        """How many of the rows belong to a token."""
        return self.tokenizer.get_vocab_size()


def build_vocabulary() -> Vocabulary:
    """Train the tokenizer; the same at every call."""
    tokenizer = Tokenizer(models.BPE())
    tokenizer.normalizer = normalizers.NFC()
    words = Split(Regex(WORDS), "isolated")
    tokenizer.pre_tokenizer = Sequence([words, ByteLevel(add_prefix_space=False, use_regex=False)])
    tokenizer.decoder = decoders.ByteLevel()
    trainer = BpeTrainer(
        vocab_size=SIZE, initial_alphabet=ByteLevel.alphabet(), show_progress=False
    )
    tokenizer.train_from_iterator(CORPUS * 2, trainer)
    if tokenizer.get_vocab_size() != SIZE:
        raise ValueError(f"the corpus gives {tokenizer.get_vocab_size()} tokens, wanted {SIZE}")
    for name, special in ADDED:
        token = AddedToken(name, special=special, normalized=False)
        (tokenizer.add_special_tokens if special else tokenizer.add_tokens)([token])
    added = {name: SIZE + index for index, (name, _) in enumerate(ADDED)}
    if any(tokenizer.token_to_id(name) != index for name, index in added.items()):
        raise ValueError("the added tokens do not follow the trained ones in their order")
    rows = -(-tokenizer.get_vocab_size() // ROUNDED_TO) * ROUNDED_TO
    return Vocabulary(tokenizer, added, rows)


def write_vocabulary(vocabulary: Vocabulary, folder: Path, *, one_file: bool = True) -> None:
    """Write the tokenizer's files: ``vocab.json`` and ``merges.txt``, and ``tokenizer.json`` if ``one_file``."""
    content = json.loads(vocabulary.tokenizer.to_str())
    if one_file:
        _write_json(folder / "tokenizer.json", content)
    _write_json(folder / "vocab.json", content["model"]["vocab"])
    merges = [" ".join(pair) for pair in content["model"]["merges"]]
    (folder / "merges.txt").write_text("#version: 0.2\n" + "\n".join(merges) + "\n", "utf-8")
    _write_json(folder / "tokenizer_config.json", _tokenizer_config(vocabulary))
    _write_json(folder / "chat_template.json", {"chat_template": CHAT_TEMPLATE})


def write_native_vocabulary(vocabulary: Vocabulary, folder: Path, chat_template: str) -> None:
    """Write the tokenizer's files as transformers 5 does: all in ``tokenizer.json``, and a template file."""
    _write_json(folder / "tokenizer.json", json.loads(vocabulary.tokenizer.to_str()))
    config = _tokenizer_config(vocabulary)
    for key in ("added_tokens_decoder", "chat_template", "extra_special_tokens"):
        del config[key]
    config["model_specific_special_tokens"] = AUDIO_ROLES
    _write_json(folder / "tokenizer_config.json", config)
    (folder / "chat_template.jinja").write_text(chat_template, "utf-8")


def _tokenizer_config(vocabulary: Vocabulary) -> dict[str, Any]:
    shape = {"lstrip": False, "rstrip": False, "normalized": False, "single_word": False}
    return {
        "tokenizer_class": "Qwen2Tokenizer",
        "added_tokens_decoder": {
            str(vocabulary.added[name]): {"content": name, "special": special, **shape}
            for name, special in ADDED
        },
        "add_bos_token": False,
        "add_prefix_space": False,
        "bos_token": None,
        "clean_up_tokenization_spaces": False,
        "eos_token": "<|im_end|>",
        "errors": "replace",
        "extra_special_tokens": AUDIO_ROLES,
        "model_max_length": 131_072,
        "pad_token": "<|endoftext|>",
        "split_special_tokens": False,
        "unk_token": None,
        "chat_template": CHAT_TEMPLATE,
        **AUDIO_ROLES,
    }


def _write_json(path: Path, content: object) -> None:
    path.write_text(json.dumps(content, ensure_ascii=False, indent=1), "utf-8")
