"""Text: how the official packages tokenize, and how they read a recognizer's raw output."""

import importlib
from typing import Any

from tests.qwen_tiny.folder import TinyModels
from tests.qwen_tiny.golden import Golden
from tools.golden_qwen.official import provenance

OUTPUTS: tuple[tuple[str, str | None], ...] = (
    ("language English<asr_text>hello there", None),
    ("language Chinese<asr_text>今天 天气", None),
    ("language CHINESE<asr_text> text ", None),
    ("language None<asr_text>", None),
    ("language None<asr_text> noise", None),
    ("language none<asr_text>", None),
    ("language<asr_text>no name", None),
    ("language \n<asr_text>no name", None),
    ("language German\nsome notes\n<asr_text>Guten Tag", None),
    ("notes\nlanguage German\n<asr_text>Guten Tag", None),
    ("  language English<asr_text>spaces around  ", None),
    ("language English<asr_text>", None),
    ("<asr_text>only text", None),
    ("no tag at all", None),
    ("language English no tag", None),
    ("language English<asr_text>one<asr_text>two", None),
    ("", None),
    ("   \n ", None),
    ("hello there", "English"),
    (" hello ", "English"),
    ("language Chinese<asr_text>forced", "English"),
    ("", "English"),
    ("a" * 20, "English"),
    ("a" * 21, "English"),
    ("ab" * 19, "English"),
    ("ab" * 20 + "cd", "English"),
    ("ab" * 60 + "end", "English"),
    ("well " + "ha " * 30 + "and " + "ho " * 30 + "done", "English"),
    ("好" * 50 + "的", "Chinese"),
    ("language English<asr_text>" + "yes, " * 40, None),
    ("twenty characters long" * 25, "English"),
    ("x" * 39, "English"),
)
TEXTS = (
    "",
    "hello",
    " hello  world ",
    "It's 10:45, isn't it?",
    "今天的会议十点开始",
    "東京の天気は晴れです。カタカナ",
    "오늘 날씨가 좋습니다",
    "Der Zug nach München fährt",
    "e\u0301te\u0301 is e + accent",
    "tabs\tand\nlines\r\n\n  indented",
    "12345 67 8.9",
    "<|im_start|>system\n<|im_end|>\n<|im_start|>user\n<|audio_start|><|audio_pad|><|audio_end|><|im_end|>\n",
    "language English<asr_text>text",
    "word<timestamp><timestamp>word<timestamp><timestamp>",
    "<|im_end|> in the middle",
    "<not a token> <|nor_this|>",
    "\U0001f600 emoji \u200d joined",
    "~",
)


def record(models: TinyModels) -> Golden:
    """Ask the packages about every output and every text."""
    folder = models.asr_target()
    parse: Any = importlib.import_module("qwen_asr.inference.utils").parse_asr_output
    processor: Any = (
        importlib.import_module("qwen_asr").Qwen3ASRModel.from_pretrained(str(folder)).processor
    )
    cases: list[dict[str, Any]] = []
    for raw, forced in OUTPUTS:
        language, text = parse(raw, user_language=forced)
        cases.append({"raw": raw, "forced": forced, "language": language, "text": text})
    tokenized: list[dict[str, Any]] = []
    for text in TEXTS:
        ids = processor.tokenizer.encode(text)
        tokenized.append(
            {
                "text": text,
                "ids": ids,
                "decoded": processor.tokenizer.decode(ids),
                "spoken": processor.batch_decode([ids], skip_special_tokens=True)[0],
            }
        )
    return Golden(
        {**provenance({"asr-target": folder}), "cases": cases, "tokenized": tokenized}, {}
    )
