"""How each public function of text is called with one text, and the texts that are hardest for it."""

from collections.abc import Callable

from speech_service.domain.alignment import AlignedUnit, Granularity, UnalignedReason, UnalignedSpan
from speech_service.domain.synthesis import Segmentation
from speech_service.domain.transcript import ResultKind, TranscriptResult
from speech_service.domain.translation import GlossaryEntry, SubtitleCue
from speech_service.engines.fake.translator import translate
from speech_service.engines.marian import short_text
from speech_service.engines.qwen3.aligner.words import korean_words, spaced_words
from speech_service.sessions.recognition.stability import StablePrefix
from speech_service.text import (
    bcp47,
    clean,
    noise_words,
    normal_form,
    reading_units,
    repetition,
    script,
    signs,
    typography,
)
from speech_service.text import llm_answers as numbered
from speech_service.text import placeholders as protected
from speech_service.text.english import normalize, number_words, rules
from speech_service.text.sentences import cutter as sentences
from speech_service.text.sentences import pieces
from speech_service.text.sentences import rules as sentence_rules
from speech_service.text.spoken import forms as spoken_forms
from speech_service.text.spoken.numbers import number_readings
from speech_service.text.spoken.reading import spoken_units
from speech_service.text.subtitles import atoms as subtitle_atoms
from speech_service.text.subtitles import cue_text, display
from speech_service.text.subtitles import file as subtitle_file
from speech_service.text.subtitles import layout as subtitle_layout
from speech_service.text.subtitles import share as subtitle_share
from speech_service.text.subtitles import translate as srt_translate
from speech_service.text.subtitles import writing as subtitles
from speech_service.text.subtitles.file import SubtitleFormat
from speech_service.text.subtitles.rules import SubtitleRules

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
        ("1\n00:00:01,000 --> 00:00:02,000\n", SubtitleFormat.SRT),
        ("WEBVTT\n\n00:01.000 --> 00:02.000\n", SubtitleFormat.WEBVTT),
        ("", SubtitleFormat.SRT),
    ):
        translation = srt_translate.SubtitleTranslation(subtitle_file.parse(head + text, kind))
        while batch := translation.next_batch():
            translation.answer(batch.batch_id, batch.texts)
        translation.result()


def in_cues(text: str) -> None:
    for unit in cue_text.undress([text, text], SubtitleFormat.WEBVTT):
        cue_text.keeps_tags(unit, text)
        cue_text.dress(unit, text, SubtitleFormat.WEBVTT)


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
    "bcp47.serves": lambda text: bcp47.serves("en", text),
    "bcp47.best_match": lambda text: bcp47.best_match(text, ["en", "pt"]),
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
    "sentence_rules.sentence_rest": lambda text: sentence_rules.sentence_rest(
        text, max(0, len(text) - 1), language="en"
    ),
    "sentence_rules.late_rest": lambda text: sentence_rules.late_rest(
        text, max(0, len(text) - 1), language="en"
    ),
    "sentence_rules.clause_rest": lambda text: sentence_rules.clause_rest(
        text, max(0, len(text) - 1)
    ),
    "noise_words.says_only": lambda text: noise_words.says_only(text, ["You", "Thank you."]),
    "reading_units.units": reading_units.units,
    "reading_units.ends_character": lambda text: reading_units.ends_character(text, len(text) // 2),
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
    "signs.is_filled": lambda text: signs.is_filled(text, text),
    "signs.verbatim": signs.verbatim,
    "signs.numbers": signs.numbers,
    "signs.with_apostrophes": signs.with_apostrophes,
    "signs.with_entities": lambda text: signs.with_entities(text, text),
    "subtitles.cues_of_transcript": in_transcript,
    "subtitles.cues_of_alignment, cues_from_units": in_alignment,
    "subtitle_atoms.atoms_of_units": lambda text: subtitle_atoms.atoms_of_units(text, in_words(text), 42),
    "typography.write_plainly, put_back": in_marks,
    "typography.strict_spans": typography.strict_spans,
    "number_words.plural": number_words.plural,
    "number_words.spelled": number_words.spelled,
    "aligners.form_readings": lambda text: spoken_forms.form_readings(text, spoken_forms.Around()),
    "forms.with_signs": lambda text: spoken_forms.with_signs(
        text, [("one",)], spoken_forms.Around(text, text)
    ),
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
    "number_words.cardinal_with_and": "one number",
    "numbers.amounts": "digits of one written form, which has few characters",
    "numbers.digit_readings": "as amounts",
    "numbers.years": "as amounts",
    "numbers.ordinal": "one reading",
    "number_words.fraction": "two numbers",
    "fractions.part_of": "two numbers",
    "spoken_dates.say_year": "four digits",
    "times.clock": "numbers of one time",
    "units.unit_words": "a unit that is in the table",
    "units.one_of": "a unit that is in the table, or none",
    "units.compound_words": "a unit of 36 characters at most",
    "units.singular": "a unit that is in the table",
    "rules.full_stop": "eight characters behind one match",
}
"""Public functions that are given no text of any length, and why."""
WORST: dict[str, tuple[str, ...]] = {
    'sentences.SentenceSplitter SENTENCE': ('No. ', '1\n', '\u4e16\u3002', ',', '\ufeff', '\u4e16'),
    'sentences.SentenceSplitter CLAUSE': ('1\n', ',', 'No. ', '\u4e16\u3002', '<', 'a/'),
    "sentences.SentenceSplitter IMMEDIATE": ("{ {} ", "\u05b0", "\u4e16\u3002", "`", "[a]("),
    "sentences.SentenceSplitter MANUAL": ("\u4e16\u3002", "No. ", "aa. ", "a."),
    'sentences.SentenceSplitter character by character': ('\u3002', '1\n', ',', 'No. ', '\uff0c', 'a b '),
    'bcp47.normalize': ('$1-', '\u2028', ' ', '-'),
    'bcp47.serves': ('-', '\u2028', '\u266a', 'e\u0301'),
    "bcp47.best_match": ("a", "$1-", " ", "-"),
    'bcp47.english_name': ('\u2028', '@', '<a', '1,'),
    'clean.clean': ('\u200d', '\u20ac', '\u2014', '\xb2', '\x00', '\u05b0'),
    "clean.is_speakable": ("\uff0c", "\U0001f600", "\u0301", "-->", " \u2014"),
    "clean.check_speakable": ("&#", "\u0315\u0300", ">", "*"),
    "cue_text.undress, dress, keeps_tags": (">", "<", "&", "<a", "www.", "*"),
    "cue_text.wrap": ("\u4e16", "a b ", ". ", "! ", "a/", "\xf1 "),
    "cue_text.display_width": ("<", "<a", "<v.", "aa.a", "a=", "v1"),
    'display.width': ('\t', '\r\n', '\r', ' \n'),
    'display.is_unspaced': ('\ufeff', '\uac00', '\U0001f600', '\u200d', 'aa. ', 'http://.'),
    'display.pieces': ('\u4e16', '\u4e16\u3002', '\uac00', '\ufeff', ' \n', '00:00:01,000 --> '),
    'display.fit': ('1\n', ' \n', '\u20ac', '\u4e16', '. ', 'aa. '),
    'normal_form.normal_form': ('\u0315\u0300', '\u0301', '\u200d', '\u4e16', '\u2603 a ', '\xf1 '),
    "normalize.normalize": ("http://.", "www.", "a.a@", "7437 ", "\u2603 a ", "a b "),
    "numbered.question": ("aa.a", "1,111", "`", "No. "),
    'numbered.answers': ('`', '```', '"1":"', '\t'),
    "numbered.single": ("aa. ", "%d", "XQ1Z ", "a.a@", "v1", "1"),
    'numbered.plausible': ('a.a@', 'US$', '\u4e16\u3002', '\xf1 ', '~~', "'"),
    "pieces.cut": ("Dr. ", ". ", "](", "[a](", ", "),
    'pieces.chunks': ('Dr. ', 'http://.', '{\\a}', '__', '1', 'XQ1Z'),
    'protected.terms_for': ('\u266a ', 'http://.', '1\n', '\U0001f600 '),
    "protected.occurring": ("=", "&#", "**", "&"),
    'protected.is_kept': ('a b ', '\r', '```', '\u0315\u0300'),
    "protected.fragments": ("\u4e16", "\u4e16\u3002", "a b ", "1/", "! "),
    "repetition.collapse_repetitions": ("\u266a ", "\U0001f600 ", "a b ", ". ", "7437 ", ", "),
    'script.scripts': ('\u05b0', '\u0e01', '\ufeff', 'St. ', '](', '+1 '),
    'script.letter_count': ('.', '1', '\u200d', ','),
    'script.guess_by_script': ('\uac00', '\u0e01', '\ufeff', '\u05b0', 'A-', '1.a'),
    'sentence_rules.has_word': ('\u2014', ' \u2014', '\x00', '{{', '='),
    'srt_translate.SubtitleTranslation, subtitle_file.parse': ('1\n', '<', '&', '1:1 ', '</b>'),
    "protected.protected, mask, unmask, without_marks": ("\u4e16", "\u2603 a ", "\u266a#", "\u4e16\u3002", "XQ1Z", "="),
    "subtitle_layout.group, line_break, joined, subtitle_atoms.atoms_of_segments": ("\u4e16", "a b ", ". ", ", "),
    "subtitle_share.share_out": ("\u4e16", "--> 1", "00:00:01,000 --> ", "\u266a ", "US$", "1\u2013"),
    'subtitles.cues_from_segments, write_srt, write_vtt': ('\u4e16', '1\n', '\u266a ', 'a b ', 'www.', 'Dr. '),
    "clean.has_words": ("\u0301", "1 \u20ac", "`", "--"),
    'normalize.spoken': ('7437 ', '1:1 ', '★☆', '1.1 a/', 'from 1/5 ', 'a.a=', 'http://', 'http://.', '[a](', '{\\a}'),
    'pieces.cut_around': ('\u4e16\u3002', '1\n', ' \n', '\u266a#', '{\\a}', '\u266a '),
    "protected.without_terms": ("~~", "**", "`", "--"),
    'protected.widened': ('1\n', '{"1":', '\u266a ', '\u2603 a ', '! '),
    "rules.any_of, rule": ("\u0301", "{{", "\xb2", "a"),
    "signs.tells": ("v1", "\u266a ", "1:", "1/", "--a ", "\u0301"),
    'signs.loose': ('\u266a ', '\U0001f600 ', '\u2603 a ', '1\n', '\u0301', ', '),
    'signs.kept': ('\u0315\u0300', '1/', '1\n', '1:', '__'),
    "signs.comes_through": ("\u0315\u0300", "\u266a ", "\U0001f600 ", "\u266a#", "<v a>"),
    "signs.is_filled": ("<a>", "<a>b", "[a]", "{{#a}}", "<a/b", "<a "),
    "signs.verbatim": ("\u266a#", "\u266a ", "\U0001f600 ", "! ", "\uff0c", " "),
    "signs.numbers": ("12 ", "1:1 ", "1-", "1:", "A-1."),
    "signs.with_entities": ("a&#39;", "a'", "&#39;", "'a", "a&"),
    'signs.with_apostrophes': ('\xad', '--', '! ', '\uac00'),
    "subtitles.cues_of_transcript": ("\u4e16", "a b ", "! ", ", ", "](", "7437 "),
    'subtitles.cues_of_alignment, cues_from_units': ('\u4e16', '\u2603 a ', '. ', '\xf1 ', '\u05b0', '\u200d'),
    "subtitle_atoms.atoms_of_units": ("\xf1 ", "\u4e16", "St. ", ". ", "*"),
    'typography.write_plainly, put_back': ('1\u2013', ' \u2014', '\u266a', '\u2028', 'e\u0301'),
    'typography.strict_spans': ('1\u2013', ' \u2014', '\r', '. '),
    "number_words.plural": ("-", "a", "\U0001f600", "\xb2"),
    "number_words.spelled": (" \u2014", "\u2014", "\U0001f600", "\u4e16"),
    "aligners.form_readings": ("-", "1.a", "1:", "+1 "),
    'aligners.is_roman': ('\x00', '\xf1 ', '{{', 'aa. '),
    'translators.is_short': ('US$', '1/', '1\n', '1-', '1:'),
    "translators.likeness": ("\uac00", "\xb2", "XQ1Z ", "XQ1Z", ", ", "aa.a"),
    "aligners.spoken_units": ("\u2603 a ", "1 \u20ac", "+1 ", "1\u2013", "aa. ", "a@"),
    "aligners.number_readings": ("1", "1,111", "1,", "7437 ", "%d", ">"),
    "aligners.spaced_words": ("\u4e16", "\xf1 ", "```", "__", "](", "["),
    "aligners.korean_words": ("1:1 ", "\xf1 ", "\U0001f600 ", "a b ", "1:", "\U0001f600"),
    "translators.fake": ("\u2603 a ", "\u266a#", "\u266a ", "--> 1", ">", "="),
    'sessions.StablePrefix': (', ', '\U0001f600 ', '1\n', '! '),
}  # fmt: skip
"""The texts that took the most time, and grew the most, of all those above; found by trying all of them."""
