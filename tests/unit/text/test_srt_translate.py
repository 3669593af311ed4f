"""Translated files have the cues and the time lines that they had, whatever the backend answers."""

import json
import random
import re
from collections.abc import Callable, Mapping, Sequence

import pytest
import srt
import webvtt

from speech_service.domain.errors import UnavailableError
from speech_service.text import llm_answers as numbered
from speech_service.text.subtitles.file import SubtitleFormat, parse
from speech_service.text.subtitles.translate import (
    Batch,
    BatchRules,
    ProblemKind,
    SubtitleTranslation,
    TranslatedFile,
)

Answer = Mapping[int, str] | Sequence[str | None]
Backend = Callable[[Batch], Answer]
FILES = 150
WORDS = (
    "the", "quick", "brown", "fox", "jumps", "over", "a", "lazy", "dog", "while", "rivers", "flow", "42", "7"
)  # fmt: skip
_ARROW = re.compile(r"^.*-->.*$", re.MULTILINE)


def marked(text: str) -> str:
    return re.sub(r"(?<!<)(?<!</)\b[^\W\d_]+\b(?![^<]*>)", lambda m: m.group() + "x", text)


def perfect(batch: Batch) -> Answer:
    return {number: marked(text) for number, text in batch.texts.items()}


def translate(
    text: str,
    backend: Backend,
    kind: SubtitleFormat = SubtitleFormat.SRT,
    rules: BatchRules | None = None,
) -> TranslatedFile:
    translation = SubtitleTranslation(parse(text, kind), rules or BatchRules())
    while not translation.is_done:
        batch = translation.next_batch()
        assert batch is not None
        assert not any("-->" in words for words in batch.texts.values())
        translation.answer(batch.batch_id, backend(batch))
    return translation.result()


# --- what comes out for what goes in ---


def test_only_the_words_change() -> None:
    source = (
        "\ufeff1\r\n00:00:01,000 --> 00:00:02,500  X1:1 X2:2\r\nHello there\r\n\r\n"
        "7\r\n00:00:02,000 --> 0:00:03.9\r\n<i>Two\r\nlines</i>\r\n\r\n\r\n"
        "8\r\n00:00:04,000 --> 00:00:03,000\r\n\r\n"
        "00:00:05,000 --> 00:00:06,000\r\n- Who?\r\n- Me & you.\r\n\r\n"
        "10\r\n00:00:07,000 --> 00:00:08,000\r\n♪ 1234 ♪"
    )
    expected = (
        source.replace("Hello there", "Hellox therex")
        .replace("Two\r\nlines", "Twox\r\nlinesx")
        .replace("Who?", "Whox?")
        .replace("Me & you.", "Mex & youx.")
    )
    result = translate(source, perfect)
    assert result.text == expected
    assert (result.cue_count, result.translated_count, result.problems) == (5, 3, ())


def test_webvtt_keeps_everything_else() -> None:
    source = (
        "WEBVTT - a title\n\nSTYLE\n::cue { color: red }\n\nNOTE not this\nor this\n\n"
        "intro\n00:01.000 --> 00:02.000 align:start\n<v Bob>Fish &amp; chips\n\n"
        "01:00:02.000 --> 01:00:03.000\nOne <b>bold</b> word\n"
    )
    expected = source.replace("Fish &amp; chips", "Fishx &amp; chipsx").replace(
        "One <b>bold</b> word", "Onex <b>boldx</b> wordx"
    )
    result = translate(source, perfect, SubtitleFormat.WEBVTT)
    assert result.text == expected
    assert len(webvtt.from_string(result.text)) == 2


def test_karaoke_times_never_reach_the_model() -> None:
    source = "WEBVTT\n\n00:01.000 --> 00:02.000\n<00:01.200>One <00:01.500>two\n"
    asked: list[str] = []

    def noting(batch: Batch) -> Answer:
        asked.extend(batch.texts.values())
        return perfect(batch)

    result = translate(source, noting, SubtitleFormat.WEBVTT)
    assert asked == ["One two"]
    assert result.text == source.replace("One", "Onex").replace("two", "twox")


@pytest.mark.parametrize(
    ("words", "translation", "expected"),
    [
        ("<00:01.000>a <00:02.000>b", "c d", "<00:01.000>c <00:02.000>d"),
        ("a <00:02.000>b", "c", "<00:02.000>c"),
        ("one <00:02.000>two three", "uns dois tres", "uns <00:02.000>dois tres"),
        ("one two <00:02.000>three four", "um", "<00:02.000>um"),
        ("<00:01.000>a<00:02.000>", "cc dd", "<00:01.000>cc dd<00:02.000>"),
        (
            "a <00:01.000>b <00:01.500>c <00:02.000>d",
            "ee ff",
            "<00:01.000>ee <00:01.500><00:02.000>ff",
        ),
        (
            "<c.x>a</c> <00:02.000><c.y>b</c>",
            "<c.x>c</c> <c.y>d</c>",
            "<c.x>c</c> <00:02.000><c.y>d</c>",
        ),
        ("<b>a <00:02.000>b</b>", "c d", "<b>c <00:02.000>d</b>"),
        ("<v Bob>a <00:02.000>b", "c d", "<v Bob>c <00:02.000>d"),
        ("a &amp; <00:02.000>b", "c & d", "c &amp; <00:02.000>d"),
        ("Tom &#38; <00:02.000>Jerry", "Tom &#38; Jerry", "Tom &#38; <00:02.000>Jerry"),
    ],
)
def test_times_inside_a_cue_stay_near_their_words(
    words: str, translation: str, expected: str
) -> None:
    head = "WEBVTT\n\n00:00.500 --> 00:03.000\n"
    result = translate(
        head + words, lambda b: dict.fromkeys(b.texts, translation), SubtitleFormat.WEBVTT
    )
    found = re.findall(r"<\d[^>]*>", result.text)
    assert found == re.findall(r"<\d[^>]*>", words), "each once, in order"
    assert result.text.removeprefix(head).strip() == expected


def test_what_a_translation_does_not_keep_is_told_by_cue() -> None:
    source = (
        "1\n00:00:01,000 --> 00:00:02,000\nIt costs 5.\n\n2\n00:00:03,000 --> 00:00:04,000\nHi.\n"
    )
    translation = SubtitleTranslation(parse(source, SubtitleFormat.SRT))
    batch = translation.next_batch()
    assert batch is not None
    translation.answer(batch.batch_id, ["Custa.", "Oi."], changed=(0,))
    assert [(p.cue, p.kind) for p in translation.result().problems] == [
        (0, ProblemKind.CONTENT_CHANGED)
    ]


def test_tags_that_the_answer_loses_are_left_out_and_told() -> None:
    source = "1\n00:00:01,000 --> 00:00:02,000\nA <i>red</i> house\n"
    result = translate(source, lambda batch: dict.fromkeys(batch.texts, "Uma casa <i>vermelha"))
    assert result.text == "1\n00:00:01,000 --> 00:00:02,000\nUma casa vermelha\n"
    assert [(p.cue, p.kind) for p in result.problems] == [(0, ProblemKind.TAGS_DROPPED)]


def test_answers_that_look_like_structure_are_made_harmless() -> None:
    evil = "ok\n\n2\n00:00:09,000 --> 00:00:10,000\nextra\n\n99"
    source = "1\n00:00:01,000 --> 00:00:02,000\nHello\n\n00:00:03,000 --> 00:00:04,000\nBye\n"
    result = translate(source, lambda batch: dict.fromkeys(batch.texts, evil))
    assert _ARROW.findall(result.text) == _ARROW.findall(source)
    assert len(list(srt.parse(result.text))) == 2
    digits = translate(source, lambda batch: dict.fromkeys(batch.texts, "42"))
    assert digits.text.startswith(
        "1\n00:00:01,000 --> 00:00:02,000\nHello\n"
    )  # 42 would be a number
    assert digits.text.endswith("--> 00:00:04,000\n42\n")


def test_long_lines_are_broken_and_chinese_by_character() -> None:
    source = "1\n00:00:01,000 --> 00:00:02,000\nHello\n"
    long = "Uma frase bastante comprida que não cabe de modo algum numa linha só"
    lines = translate(source, lambda b: dict.fromkeys(b.texts, long)).text.split("\n")[2:-1]
    assert " ".join(lines) == long
    assert len(lines) == 2
    chinese = "这是一个很长的句子" * 4
    lines = translate(source, lambda b: dict.fromkeys(b.texts, chinese)).text.split("\n")[2:-1]
    assert "".join(lines) == chinese
    assert len(lines) == 2


def test_a_cue_without_a_translation_keeps_its_words_and_is_told() -> None:
    source = "".join(
        f"{i}\n00:00:0{i},000 --> 00:00:0{i},900\n- Cue {'abcdef'[i]}\n- Second line\n\n"
        for i in range(1, 5)
    )

    def backend(batch: Batch) -> Answer:
        return {n: marked(text) for n, text in batch.texts.items() if "Cue c" not in text}

    result = translate(source, backend)
    assert [(p.cue, p.kind) for p in result.problems] == [(1, ProblemKind.NOT_TRANSLATED)]
    assert "- Cue c\n- Second line" in result.text  # the whole cue, not half of it
    assert result.translated_count == 3


def test_failures_count_and_are_kept() -> None:
    translation = SubtitleTranslation(parse(generated(random.Random(1), 30), SubtitleFormat.SRT))
    error = UnavailableError("down")
    asked = 0
    while batch := translation.next_batch():
        translation.fail(batch.batch_id, error)
        asked += 1
    assert translation.is_done
    assert asked <= BatchRules().max_useless_answers
    assert translation.error is error
    assert translation.result().translated_count == 0


def test_batches_may_be_answered_in_any_order() -> None:
    source = generated(random.Random(2), 200)
    translation = SubtitleTranslation(parse(source, SubtitleFormat.SRT))
    batches: list[Batch] = []
    while batch := translation.next_batch():
        batches.append(batch)
    assert len(batches) > 3
    assert batches[1].context
    for batch in reversed(batches):
        translation.answer(batch.batch_id, perfect(batch))
    translation.answer(99, {})
    assert translation.is_done
    assert translation.result().text == translate(source, perfect).text


def test_two_thousand_cues() -> None:
    source = generated(random.Random(3), 2_000)
    result = translate(source, perfect)
    assert result.cue_count == 2_000
    assert _ARROW.findall(result.text) == _ARROW.findall(source)


# --- many files and backends that do their worst ---


def generated(rng: random.Random, cues: int) -> str:
    """A file with overlaps, empty cues, tags, dialogue, digits, missing numbers, and any line ends."""
    eol = rng.choice(["\n", "\r\n"])
    parts = [rng.choice(["", "\ufeff"])]
    at_ms = 0
    for index in range(1, cues + 1):
        at_ms += rng.randint(-500, 4000)
        begin_ms = max(0, at_ms)
        end_ms = begin_ms + rng.randint(0, 5000)
        number = rng.choice([str(index), str(index), str(index), "0", ""])
        lines = [] if rng.random() < 0.05 else [_line(rng) for _ in range(rng.randint(1, 3))]
        extra = rng.choice(["", "", " X1:10 Y1:20", " "])
        times = f"{_stamp(begin_ms)} --> {_stamp(end_ms)}{extra}"
        blank = [""] * rng.choice([1, 1, 1, 2])
        parts.append(eol.join([*([number] if number else []), times, *lines, *blank, ""]))
    return "".join(parts)


def _line(rng: random.Random) -> str:
    words = " ".join(rng.choices(WORDS, k=rng.randint(1, 8)))
    form = rng.choice(
        ["{}", "{}", "{}", "<i>{}</i>", "- {}", "{{\\an8}}{}", "♪ {} ♪", "<b>{}", "{}...", "42"]
    )
    return form.format(words)


def _stamp(ms: int) -> str:
    seconds, ms = divmod(ms, 1000)
    minutes, seconds = divmod(seconds, 60)
    return f"{minutes // 60:02}:{minutes % 60:02}:{seconds:02},{ms:03}"


def model_says(batch: Batch, rng: random.Random) -> str:
    """The raw words of a language model that was asked for a numbered JSON object."""
    pairs = {str(n): marked(t) for n, t in enumerate(batch.texts.values(), start=1)}
    content = json.dumps(pairs, ensure_ascii=False)
    items = list(pairs.items())
    rng.shuffle(items)
    cues = "1\n00:00:01,000 --> 00:00:02,000\nHello\n\n2\n00:00:03,000 --> 00:00:04,000\nBye"
    return rng.choice(
        [
            content,
            json.dumps(dict(items)),
            content[: rng.randrange(len(content))],
            f"```json\n{content}\n```",
            json.dumps(dict(items[: rng.randrange(len(items))])),
            json.dumps({**pairs, "998": "more", "0": "00:00:01,000 --> 00:00:02,000"}),
            "",
            f"Sure!\n{content}\nAnything else?",
            "\n".join(f"{n}. {text}" for n, text in items),
            json.dumps([*(text for _, text in items), "one more"]),
            cues,
            json.dumps({n: f"a\n\n{cues}\n\n7" for n in pairs}),
        ]
    )


def through_a_model(rng: random.Random) -> Backend:
    def backend(batch: Batch) -> Answer:
        found = numbered.answers(model_says(batch, rng), len(batch.texts))
        return [found.get(n) for n in range(1, len(batch.texts) + 1)]

    return backend


def list_backend(rng: random.Random) -> Backend:
    def backend(batch: Batch) -> Answer:
        texts: list[str | None] = [marked(text) for text in batch.texts.values()]
        pick = rng.randrange(6)
        if pick == 0:
            return texts[: rng.randrange(len(texts) + 1)]
        if pick == 1:
            return [*texts, "more"]
        if pick == 2:
            return []
        if pick == 3:
            return ["" if rng.random() < 0.5 else text for text in texts]
        if pick == 4:
            return {n: "x --> y" for n in [*batch.texts, 12345]}
        return texts

    return backend


def dead(rng: random.Random) -> Backend:
    del rng
    return lambda batch: []


@pytest.mark.parametrize("make", [through_a_model, list_backend, dead])
def test_many_files_keep_their_cues_and_time_lines(
    make: Callable[[random.Random], Backend],
) -> None:
    for seed in range(FILES):
        rng = random.Random(seed)
        source = generated(rng, rng.randint(1, 25))
        before = parse(source, SubtitleFormat.SRT)
        result = translate(source, make(rng))
        after = parse(result.text, SubtitleFormat.SRT)
        assert after.cue_count == before.cue_count == result.cue_count, seed
        times = [[file.raw[at] for at in file.time_lines] for file in (before, after)]
        assert times[0] == times[1], seed
        assert _ARROW.findall(result.text) == _ARROW.findall(source), seed
        assert numbers(result.text, after.time_lines) == numbers(source, before.time_lines), seed
        assert len(list(srt.parse(result.text))) == len(list(srt.parse(source))), seed
        kept = {p.cue for p in result.problems if p.kind is ProblemKind.NOT_TRANSLATED}
        words = {block.cue: [] for block in before.blocks}
        for block in before.blocks:
            words[block.cue] += block.lines
        for block in after.blocks:
            if block.cue in kept:
                assert set(block.lines) <= set(words[block.cue]), seed


def numbers(text: str, time_lines: Sequence[int]) -> list[str]:
    """The line before each time line, where it is a number."""
    lines = re.split(r"\r?\n", text)
    return [
        lines[at - 1].strip("\ufeff")
        for at in time_lines
        if at and lines[at - 1].strip("\ufeff").isdigit()
    ]
