"""Every public function of text takes time in proportion to it, whatever it holds.

Each is given text made to slow readers down, and the same four times as long, which may take four times the time.
The functions are found, not listed: a new one of ``speech_service.text`` fails here until it says how it is called.
CPU time is measured, the least of several runs, and only of what takes long enough to be measured at all.
"""

import contextlib
import importlib
import inspect
import pkgutil
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest

import speech_service.text
from speech_service.domain.errors import SpeechError
from speech_service.domain.synthesis import Segmentation
from speech_service.domain.translation import GlossaryEntry, SubtitleCue
from speech_service.engines.aligners.spoken import spoken_units
from speech_service.engines.aligners.spoken_numbers import number_readings
from speech_service.engines.qwen3.aligner.words import korean_words, spaced_words
from speech_service.engines.translators.fake import translate
from speech_service.sessions.stability import StablePrefix
from speech_service.text import (
    bcp47,
    clean,
    cue_text,
    display,
    noise_words,
    normal_form,
    normalize,
    numbered,
    pieces,
    protected,
    reading_units,
    repetition,
    script,
    sentence_rules,
    sentences,
    signs,
    srt_translate,
    subtitle_atoms,
    subtitle_file,
    subtitle_layout,
    subtitle_share,
    subtitles,
)
from speech_service.text.subtitle_file import FileKind
from speech_service.text.subtitle_rules import SubtitleRules

SIZES = (3_000, 12_000)
"""Characters."""
LEAST_S = 0.06
"""What takes less CPU time at full size cannot be measured against half of it, and harms nobody."""
MOST_RATIO = 9.0
"""Four times the text takes four times the time, or sixteen times with its square."""
PARTS = (
    "a", " ", ".", "-", "<", ">", "1", ",", "_", "*", "'", '"', "\\", "[", "(", "#", "/", "&", "|", "=", "$", "@",
    "<a", "a.", "a@", "a b ", ". ", "! ", ", ", "aa. ", "Dr. ", "1.", "1,111", "1,", "v1.", "a-", "--", "`", "```",
    "~~", "**", "__", "[a](", "](", "<v.", "<b>", "</b>", "<v a>", "{\\", "{\\a}", '{"1":', '"1":"', "<think>",
    "http://", "http://.", "www.", "a.a@", "+1 ", "1-", "$1-", "€", "1 €", "1:", "1/", "US$", "km", "-->", "--> 1",
    "00:00:01,000 --> ", "1\n", "\n", " \n", "\r", "\r\n", "\t", "\ufeff", "\u2028", "\u266a", "\u266a ", "\u266a#",
    "\u4e16", "\u4e16\u3002", "\u3002", "\uff0c", "\u0e01", "\uac00", "\U0001f600", "\U0001f600 ", "\u200d",
    "\u0301", "\u0315\u0300", "e\u0301", "\u05b0", "\xb2", "\xad", "XQ1Z", "XQ1Z ", "7437 ", "\0", "\x01", "\u2603 a ",
)  # fmt: skip
SHAPES: tuple[Callable[[str, int], str], ...] = (
    lambda part, size: part * (size // len(part)) + "x",
    lambda part, size: "x" + part * (size // len(part)),
)
TERMS = protected.terms_for(
    [GlossaryEntry("a b", target="c"), GlossaryEntry("世", target="d")], "pt"
)
RULES = SubtitleRules()


def in_splitter(mode: Segmentation, step: int) -> Callable[[str], object]:
    def run(text: str) -> None:
        splitter = sentences.SentenceSplitter(mode)
        for at in range(0, len(text), step):
            splitter.push(text[at : at + step])
        splitter.flush()

    return run


def in_subtitles(text: str) -> None:
    for head, kind in (
        ("1\n00:00:01,000 --> 00:00:02,000\n", FileKind.SRT),
        ("WEBVTT\n\n00:01.000 --> 00:02.000\n", FileKind.WEBVTT),
        ("", FileKind.SRT),
    ):
        translation = srt_translate.SubtitleTranslation(subtitle_file.parse(head + text, kind))
        while batch := translation.next_batch():
            translation.answer(batch.batch_id, batch.texts)
        translation.result()


def in_cues(text: str) -> None:
    for unit in cue_text.undress([text, text], FileKind.WEBVTT):
        cue_text.keeps_tags(unit, text)
        cue_text.dress(unit, text, FileKind.WEBVTT)


def in_masks(text: str) -> None:
    for form in protected.FORMS:
        spans = protected.protected(text, TERMS, signs.tells(text))
        masked, marks = protected.mask(text, spans, form)
        protected.without_marks(masked, marks)
        protected.unmask(masked, marks)


def in_layout(text: str) -> None:
    atoms = subtitle_atoms.atoms_of_segments([subtitle_atoms.TimedText(text, 0, 60_000)], 42)
    subtitle_layout.joined(atoms)
    for cue in subtitle_layout.group(atoms, RULES):
        subtitle_layout.line_break(cue, RULES)


def in_shares(text: str) -> None:
    cues = [SubtitleCue(number, number, number + 1, "a b") for number in range(len(text) // 100)]
    subtitle_share.share_out(cues, [("a b" * len(cues), text)], RULES)


def in_files(text: str) -> None:
    cues = subtitles.cues_from_segments([subtitle_atoms.TimedText(text, 0, 60_000)], RULES)
    subtitles.write_srt(cues)
    subtitles.write_vtt(cues)


def in_stability(text: str) -> None:
    prefix = StablePrefix(2)
    prefix.update(text)
    prefix.update(text + " ")


CALLS: dict[str, Callable[[str], object]] = {
    **{f"sentences.SentenceSplitter {mode.name} {step}": in_splitter(mode, step)
       for mode in Segmentation for step in {SIZES[-1], 1 if mode is Segmentation.CLAUSE else SIZES[-1]}},
    "bcp47.normalize": bcp47.normalize,
    "bcp47.is_tag": bcp47.is_tag,
    "bcp47.serves": lambda text: bcp47.serves("en", text),
    "bcp47.best_match": lambda text: bcp47.best_match(text, ["en", "pt"]),
    "bcp47.language_of": bcp47.language_of,
    "bcp47.english_name": bcp47.english_name,
    "clean.clean": clean.clean,
    "clean.is_speakable": clean.is_speakable,
    "clean.check_speakable": clean.check_speakable,
    "cue_text.undress, dress, keeps_tags": in_cues,
    "cue_text.wrap": lambda text: cue_text.wrap(text, 10),
    "cue_text.display_width": cue_text.display_width,
    "display.width": display.width,
    "display.is_unspaced": lambda text: [display.is_unspaced(char) for char in text],
    "display.pieces": display.pieces,
    "display.fit": lambda text: display.fit(text, 42),
    "noise_words.says_only": lambda text: noise_words.says_only(text, ("you",)),
    "normal_form.normal_form": lambda text: normal_form.normal_form("NFKC", text),
    "normalize.normalize": normalize.normalize,
    "numbered.question": lambda text: numbered.question([text]),
    "numbered.answers": lambda text: numbered.answers(text, 20),
    "numbered.single": lambda text: numbered.single(text, text),
    "numbered.plausible": lambda text: numbered.plausible(text, text),
    "pieces.cut": lambda text: [pieces.cut(text, size) for size in (1, 250)],
    "pieces.chunks": lambda text: [pieces.chunks(text, size) for size in (1, 3000)],
    "protected.mask, unmask, without_marks": in_masks,
    "protected.terms_for": lambda text: protected.terms_for([GlossaryEntry(text[:200], text)], "pt"),
    "protected.occurring": lambda text: protected.occurring(text, TERMS),
    "protected.is_kept": lambda text: protected.is_kept(TERMS[0], text, text),
    "protected.fragments": lambda text: protected.fragments(text, protected.protected(text, TERMS, [])),
    "bcp47.is_unspaced": bcp47.is_unspaced,
    "repetition.collapse_repetitions": repetition.collapse_repetitions,
    "reading_units.units": reading_units.units,
    "reading_units.ends_character": lambda text: reading_units.ends_character(text, len(text) // 2),
    "script.scripts": script.scripts,
    "script.letter_count": script.letter_count,
    "script.guess_by_script": script.guess_by_script,
    "sentence_rules.has_word": sentence_rules.has_word,
    "srt_translate.SubtitleTranslation, subtitle_file.parse": in_subtitles,
    "subtitle_atoms.atoms_of_segments, subtitle_layout.group, line_break, joined": in_layout,
    "subtitle_share.share_out": in_shares,
    "subtitles.cues_from_segments, write_srt, write_vtt": in_files,
    "aligners.spoken_units": spoken_units,
    "aligners.number_readings": lambda text: number_readings(text),
    "aligners.spaced_words": spaced_words,
    "aligners.korean_words": lambda text: korean_words(text, frozenset()),
    "translators.fake": lambda text: translate(text, "pt"),
    "sessions.StablePrefix": in_stability,
}  # fmt: skip
NOT_OF_A_TEXT = {
    "sentence_rules.is_wide": "one character",
    "sentence_rules.sentence_cut": "one place, and 64 characters behind it; called by the splitter",
    "sentence_rules.clause_cut": "as sentence_cut",
    "sentence_rules.best_cut": "one piece; called by the splitter",
    "sentence_rules.sentence_rest": "what is pending, a piece and 64 characters; called by the splitter",
    "sentence_rules.clause_rest": "as sentence_rest",
    "reading_units.is_unspaced": "one unit",
    "subtitle_atoms.atoms_of_units": "the words that an aligner placed; cut as atoms_of_segments cuts",
    "subtitles.cues_from_units": "as atoms_of_units",
}
"""Public functions that are given no text of any length, and why."""


def public_functions() -> Iterator[str]:
    """Functions and classes with methods of the package, by module and name."""
    for module in pkgutil.iter_modules(speech_service.text.__path__):
        members: dict[str, Any] = vars(
            importlib.import_module(f"speech_service.text.{module.name}")
        )
        for name, member in members.items():
            is_own = getattr(member, "__module__", "") == f"speech_service.text.{module.name}"
            if is_own and not name.startswith("_") and inspect.isfunction(member):
                yield f"{module.name}.{name}"


@pytest.mark.parametrize("name", [*public_functions()])
def test_every_function_of_text_is_measured(name: str) -> None:
    module, _, function = name.partition(".")
    said = [call for call in CALLS if module in call]
    assert name in NOT_OF_A_TEXT or any(function in call for call in said)


def cpu_s(call: Callable[[str], object], text: str, runs: int = 1) -> float:
    """The least CPU time of some runs."""
    times: list[float] = []
    for _ in range(runs):
        begin_s = time.process_time()
        with contextlib.suppress(SpeechError):  # refused: it took what it took
            call(text)
        times.append(time.process_time() - begin_s)
    return min(times)


def grows_too_fast(call: Callable[[str], object], make: Callable[[int], str]) -> str:
    """Empty, or how the time grows. It must be too fast in every of several tries: the machine may be busy."""
    short, long = (make(size) for size in SIZES)
    short_s = cpu_s(call, short)
    if short_s * (SIZES[1] / SIZES[0]) ** 2 < LEAST_S:
        return ""
    for runs in (1, 2, 4):
        short_s, long_s = max(short_s, cpu_s(call, short, runs)), cpu_s(call, long, runs)
        if long_s < LEAST_S or long_s < MOST_RATIO * short_s:
            return ""
    return f"{short_s:.3f} s for {SIZES[0]} characters, {long_s:.3f} s for {SIZES[1]}"


@pytest.mark.parametrize("name", CALLS)
def test_time_grows_with_the_text(name: str) -> None:
    call = CALLS[name]
    cpu_s(call, "warm up")
    for part in PARTS:
        for number, shape in enumerate(SHAPES):
            slow = grows_too_fast(call, lambda size, s=shape, p=part: s(p, size))
            assert not slow, f"{part!r}, shape {number}: {slow}"
