"""How each public function of text is called with one text, and the texts that are hardest for it."""

from collections.abc import Callable

from speech_service.domain.alignment import AlignedUnit, Granularity, UnalignedReason, UnalignedSpan
from speech_service.domain.synthesis import Segmentation
from speech_service.domain.transcript import ResultKind, TranscriptResult
from speech_service.domain.translation import GlossaryEntry, SubtitleCue
from speech_service.engines.aligners import spoken_forms
from speech_service.engines.aligners.spoken import spoken_units
from speech_service.engines.aligners.spoken_numbers import number_readings
from speech_service.engines.qwen3.aligner.words import korean_words, spaced_words
from speech_service.engines.translators import short_text
from speech_service.engines.translators.fake import translate
from speech_service.sessions.stability import StablePrefix
from speech_service.text import (
    bcp47,
    clean,
    cue_text,
    display,
    normal_form,
    normalize,
    number_words,
    numbered,
    pieces,
    protected,
    repetition,
    rules,
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
    typography,
)
from speech_service.text.subtitle_file import FileKind
from speech_service.text.subtitle_rules import SubtitleRules

Call = Callable[[str], object]

ALL_PARTS = (
    "a", " ", ".", "-", "<", ">", "1", ",", "_", "*", "'", '"', "\\", "[", "(", "#", "/", "&", "|", "=", "$", "@",
    "<a", "a.", "a@", "a b ", ". ", "! ", ", ", "aa. ", "Dr. ", "1.", "1,111", "1,", "v1.", "a-", "--", "`", "```",
    "~~", "**", "__", "[a](", "](", "<v.", "<b>", "</b>", "<v a>", "{\\", "{\\a}", '{"1":', '"1":"', "<think>",
    "http://", "http://.", "www.", "a.a@", "+1 ", "1-", "$1-", "€", "1 €", "1:", "1/", "US$", "km", "-->", "--> 1",
    "00:00:01,000 --> ", "1\n", "\n", " \n", "\r", "\r\n", "\t", "\ufeff", "\u2028", "\u266a", "\u266a ", "\u266a#",
    "\u4e16", "\u4e16\u3002", "\u3002", "\uff0c", "\u0e01", "\uac00", "\U0001f600", "\U0001f600 ", "\u200d",
    "\u0301", "\u0315\u0300", "e\u0301", "\u05b0", "\xb2", "\xad", "XQ1Z", "XQ1Z ", "7437 ", "\0", "\x01", "\u2603 a ",
    "{ {} ", "&#", "%(", "a/", "12 ", "\u2014", " \u2014", "a_", "--a ", "1.a", "\xf1 ", "aa.a", "{{", "(a", "A-1.",
    "St. ", "1/2", "$1 ", "A-", "v1", "a=", "1:1 ", "%d", "[[a", "No. ", "1\u2013",
)  # fmt: skip
"""Made to slow readers down, again and again."""


TERMS = protected.terms_for(
    [GlossaryEntry("a b", target="c"), GlossaryEntry("世", target="d")], "pt"
)
RULES = SubtitleRules()


KNOWN = frozenset("abc .1")
"""Characters that a model has pieces for."""


def in_splitter(mode: Segmentation, step: int) -> Call:
    """As it comes, so many characters at a time; 0: at once."""

    def run(text: str) -> None:
        splitter = sentences.SentenceSplitter(mode)
        for at in range(0, len(text), step or len(text)):
            splitter.push(text[at : at + (step or len(text))])
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


def in_words(text: str) -> list[AlignedUnit]:
    """Every other character, placed."""
    return [
        AlignedUnit(text[at], Granularity.WORD, at, at + 1, 10 * at, 10 * at + 10)
        for at in range(0, len(text), 2)
    ]


def in_transcript(text: str) -> None:
    result = TranscriptResult(1, 0, 1, ResultKind.FINAL, text, len(text), 0, 60_000)
    for accurate in (False, True):
        subtitles.cues_of_transcript([result] * 2, RULES, accurate=accurate)


def in_alignment(text: str) -> None:
    spans = [
        UnalignedSpan(at, at + 1, 0, 0, UnalignedReason.TEXT_NOT_SPOKEN)
        for at in range(0, len(text), 7)
    ]
    subtitles.cues_of_alignment(text, in_words(text), spans, RULES)


def in_marks(text: str) -> None:
    written = typography.write_plainly(text)
    typography.put_back(written.text, written)


CALLS: dict[str, Call] = {
    **{f"sentences.SentenceSplitter {mode.name}": in_splitter(mode, 0) for mode in Segmentation},
    "sentences.SentenceSplitter character by character": in_splitter(Segmentation.CLAUSE, 1),
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
    "normal_form.normal_form": lambda text: normal_form.normal_form("NFKC", text),
    "normalize.normalize": normalize.normalize,
    "numbered.question": lambda text: numbered.question([text]),
    "numbered.answers": lambda text: numbered.answers(text, 20),
    "numbered.single": lambda text: numbered.single(text, text),
    "numbered.plausible": lambda text: numbered.plausible(text, text),
    "pieces.cut": lambda text: [pieces.cut(text, size) for size in (1, 250)],
    "pieces.chunks": lambda text: [pieces.chunks(text, size) for size in (1, 3000)],
    "protected.protected, mask, unmask, without_marks": in_masks,
    "protected.terms_for": lambda text: protected.terms_for([GlossaryEntry(text[:200], text)], "pt"),
    "protected.occurring": lambda text: protected.occurring(text, TERMS),
    "protected.is_kept": lambda text: protected.is_kept(TERMS[0], text, text),
    "protected.fragments": lambda text: protected.fragments(text, protected.protected(text, TERMS, [])),
    "repetition.collapse_repetitions": repetition.collapse_repetitions,
    "script.scripts": script.scripts,
    "script.letter_count": script.letter_count,
    "script.guess_by_script": script.guess_by_script,
    "sentence_rules.has_word": sentence_rules.has_word,
    "srt_translate.SubtitleTranslation, subtitle_file.parse": in_subtitles,
    "subtitle_layout.group, line_break, joined, subtitle_atoms.atoms_of_segments": in_layout,
    "subtitle_share.share_out": in_shares,
    "subtitles.cues_from_segments, write_srt, write_vtt": in_files,
    "clean.has_words": clean.has_words,
    "normalize.spoken": normalize.spoken,
    "pieces.cut_around": lambda text: pieces.cut_around(text, signs.tells(text), 250),
    "protected.without_terms": lambda text: protected.without_terms(text, TERMS, is_source=True),
    "protected.widened": lambda text: protected.widened(text, [], signs.loose(text)),
    "rules.any_of, rule": lambda text: rules.rule(rules.any_of(text.split()[:99]), ""),
    "signs.tells": lambda text: signs.tells(text, KNOWN),
    "signs.loose": signs.loose,
    "signs.kept": lambda text: signs.kept(text, text),
    "signs.comes_through": lambda text: signs.comes_through(text, text),
    "signs.verbatim": signs.verbatim,
    "signs.numbers": signs.numbers,
    "signs.with_apostrophes": signs.with_apostrophes,
    "subtitles.cues_of_transcript": in_transcript,
    "subtitles.cues_of_alignment, cues_from_units": in_alignment,
    "subtitle_atoms.atoms_of_units": lambda text: subtitle_atoms.atoms_of_units(text, in_words(text), 42),
    "typography.write_plainly, put_back": in_marks,
    "typography.strict_spans": typography.strict_spans,
    "number_words.plural": number_words.plural,
    "number_words.spelled": number_words.spelled,
    "aligners.form_readings": lambda text: spoken_forms.form_readings(text, spoken_forms.Around()),
    "aligners.is_roman": spoken_forms.is_roman,
    "translators.is_short": short_text.is_short,
    "translators.likeness": lambda text: short_text.likeness(text, text),
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
    "number_words.digits": "digits of one number: rules take 30 at most",
    "number_words.number": "as digits",
    "number_words.fraction": "two numbers",
    "spoken_dates.say_year": "four digits",
    "units.unit_words": "a unit that is in the table",
    "units.singular": "a unit that is in the table",
}
"""Public functions that are given no text of any length, and why."""
WORST: dict[str, tuple[str, ...]] = {}
