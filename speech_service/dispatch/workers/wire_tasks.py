"""What each kind of work asks and answers, as protobuf, both ways. One pair of functions per kind."""

import time

import numpy as np

from speech.internal.v1 import work_pb2 as pb
from speech.v1 import alignment_service_pb2, common_pb2, translation_service_pb2
from speech_service.domain.alignment import (
    AlignedUnit,
    Alignment,
    Granularity,
    UnalignedReason,
    UnalignedSpan,
)
from speech_service.domain.audio import Samples
from speech_service.domain.synthesis import LexiconEntry, SpeechFinish, SpokenWord, VoicePrompt
from speech_service.domain.transcript import Hypothesis, Repair, RepairKind
from speech_service.domain.translation import (
    FailedText,
    GlossaryEntry,
    LanguageGuess,
    LostTerm,
    Translation,
)
from speech_service.domain.work import (
    AlignWork,
    IdentifyWork,
    LanguagesFound,
    Outcome,
    RecognizeKind,
    RecognizeWork,
    SegmentKey,
    SpeechMade,
    SynthesizeWork,
    TranslateWork,
    Work,
    WorkClass,
)

CLASS_TO_WIRE = {
    WorkClass.STREAM_FINAL: pb.WORK_CLASS_STREAM_FINAL,
    WorkClass.STREAM_PARTIAL: pb.WORK_CLASS_STREAM_PARTIAL,
    WorkClass.UNARY: pb.WORK_CLASS_UNARY,
    WorkClass.BACKGROUND: pb.WORK_CLASS_BACKGROUND,
}
_CLASS_FROM_WIRE = {wire: work_class for work_class, wire in CLASS_TO_WIRE.items()}
_KIND_TO_WIRE = {
    RecognizeKind.PARTIAL: pb.RECOGNIZE_KIND_PARTIAL,
    RecognizeKind.FINAL: pb.RECOGNIZE_KIND_FINAL,
    RecognizeKind.CHECK: pb.RECOGNIZE_KIND_CHECK,
}
_KIND_FROM_WIRE = {wire: kind for kind, wire in _KIND_TO_WIRE.items()}
_GRANULARITY_TO_WIRE = {
    Granularity.WORD: alignment_service_pb2.ALIGNMENT_GRANULARITY_WORD,
    Granularity.PHONE: alignment_service_pb2.ALIGNMENT_GRANULARITY_PHONE,
    Granularity.CHARACTER: alignment_service_pb2.ALIGNMENT_GRANULARITY_CHARACTER,
}
_GRANULARITY_FROM_WIRE = {wire: value for value, wire in _GRANULARITY_TO_WIRE.items()}
_REASON_TO_WIRE = {
    UnalignedReason.TEXT_NOT_SPOKEN: alignment_service_pb2.UNALIGNED_REASON_TEXT_NOT_SPOKEN,
    UnalignedReason.AUDIO_NOT_IN_TEXT: alignment_service_pb2.UNALIGNED_REASON_AUDIO_NOT_IN_TEXT,
    UnalignedReason.NO_PRONUNCIATION: alignment_service_pb2.UNALIGNED_REASON_NO_PRONUNCIATION,
    UnalignedReason.NOT_SPEAKABLE: alignment_service_pb2.UNALIGNED_REASON_NOT_SPEAKABLE,
}
_REASON_FROM_WIRE = {wire: value for value, wire in _REASON_TO_WIRE.items()}


# --- tasks ---


def put_task(message: pb.SubmitWork, work: Work) -> None:
    """Fill in the task of ``work``; its audio goes ahead in messages of its own."""
    match work:
        case RecognizeWork():
            message.recognize.CopyFrom(_recognize(work))
        case SynthesizeWork():
            message.synthesize.CopyFrom(_synthesize(work))
        case AlignWork():
            message.align.CopyFrom(
                pb.AlignTask(
                    text=work.text,
                    language=work.language,
                    granularity=_GRANULARITY_TO_WIRE[work.granularity],
                    sample_count=len(work.samples),
                )
            )
        case TranslateWork():
            message.translate.CopyFrom(_translate(work))
        case IdentifyWork():
            message.identify.CopyFrom(pb.IdentifyTask(texts=work.texts))


def _recognize(work: RecognizeWork) -> pb.RecognizeTask:
    return pb.RecognizeTask(
        kind=_KIND_TO_WIRE[work.kind],
        language=work.language,
        draft_tokens=work.draft_tokens,
        sample_count=len(work.samples),
        context=common_pb2.ContextConfig(text=work.context) if work.context else None,
    )


def _synthesize(work: SynthesizeWork) -> pb.SynthesizeTask:
    return pb.SynthesizeTask(
        text=work.text,
        voice=work.voice,
        language=work.language,
        speaking_rate=work.speaking_rate,
        seed=work.seed,
        lexicon=[
            pb.Pronunciation(term=e.term, pronunciation=e.pronunciation, alphabet=e.alphabet)
            for e in work.lexicon
        ],
        instruct=work.instruct,
        voice_prompt=_voice_prompt(work.voice_prompt) if work.voice_prompt else None,
    )


def _voice_prompt(prompt: VoicePrompt) -> pb.VoicePrompt:
    samples = np.asarray(prompt.samples, dtype="<f4").tobytes()
    return pb.VoicePrompt(samples_f32le=samples, transcript=prompt.transcript)


def _take_voice_prompt(task: pb.SynthesizeTask) -> VoicePrompt | None:
    if not task.HasField("voice_prompt"):
        return None
    prompt = task.voice_prompt
    samples = np.frombuffer(prompt.samples_f32le, dtype="<f4").astype(np.float32)
    return VoicePrompt(samples, prompt.transcript)


def _translate(work: TranslateWork) -> pb.TranslateTask:
    return pb.TranslateTask(
        texts=work.texts,
        source_language=work.source_language,
        target_language=work.target_language,
        glossary=[
            translation_service_pb2.GlossaryEntry(
                source=e.source,
                target=e.target,
                target_language=e.target_language,
                do_not_translate=e.do_not_translate,
            )
            for e in work.glossary
        ],
        context=work.context,
    )


def sample_count(message: pb.SubmitWork) -> int | None:
    """Samples of the segment that the task reads; None: it reads no audio."""
    match message.WhichOneof("task"):
        case "recognize":
            return message.recognize.sample_count
        case "align":
            return message.align.sample_count
        case _:
            return None


def segment_key(message: pb.SegmentAudio | pb.SubmitWork | pb.ReleaseSegment) -> SegmentKey:
    """The segment that a message is about."""
    return SegmentKey(message.stream_id, message.channel, message.segment_id)


def take_task(message: pb.SubmitWork, work_id: str, samples: Samples | None) -> Work:
    """The work item of a submission, under the worker's own id and with the segment's audio.

    Raises:
        ValueError: the message has no task, or its audio is missing.
    """
    deadline_s = None
    if message.HasField("deadline_remaining_ms"):
        deadline_s = time.monotonic() + message.deadline_remaining_ms / 1000
    work_class, model = _CLASS_FROM_WIRE[message.work_class], message.model
    match message.WhichOneof("task"):
        case "recognize" if samples is not None:
            recognize = message.recognize
            return RecognizeWork(
                work_id=work_id,
                segment=segment_key(message),
                kind=_KIND_FROM_WIRE.get(recognize.kind, RecognizeKind.PARTIAL),
                work_class=work_class,
                samples=samples,
                model=model,
                language=recognize.language,
                context=recognize.context.text,
                draft_tokens=tuple(recognize.draft_tokens),
                deadline_s=deadline_s,
                traceparent=message.traceparent,
            )
        case "align" if samples is not None:
            return AlignWork(
                work_id=work_id,
                stream_id=message.stream_id,
                work_class=work_class,
                model=model,
                deadline_s=deadline_s,
                traceparent=message.traceparent,
                segment=segment_key(message),
                samples=samples,
                text=message.align.text,
                language=message.align.language,
                granularity=_GRANULARITY_FROM_WIRE[message.align.granularity],
            )
        case _:
            return _take_text_task(message, work_id, deadline_s)


def _take_text_task(message: pb.SubmitWork, work_id: str, deadline_s: float | None) -> Work:
    work_class = _CLASS_FROM_WIRE[message.work_class]
    match message.WhichOneof("task"):
        case "synthesize":
            task = message.synthesize
            return SynthesizeWork(
                work_id=work_id,
                stream_id=message.stream_id,
                work_class=work_class,
                model=message.model,
                deadline_s=deadline_s,
                traceparent=message.traceparent,
                text=task.text,
                voice=task.voice,
                language=task.language,
                speaking_rate=task.speaking_rate,
                seed=task.seed,
                lexicon=tuple(
                    LexiconEntry(e.term, e.pronunciation, e.alphabet) for e in task.lexicon
                ),
                instruct=task.instruct,
                voice_prompt=_take_voice_prompt(task),
            )
        case "translate":
            translate = message.translate
            return TranslateWork(
                work_id=work_id,
                stream_id=message.stream_id,
                work_class=work_class,
                model=message.model,
                deadline_s=deadline_s,
                traceparent=message.traceparent,
                texts=tuple(translate.texts),
                source_language=translate.source_language,
                target_language=translate.target_language,
                glossary=tuple(
                    GlossaryEntry(e.source, e.target, e.target_language, e.do_not_translate)
                    for e in translate.glossary
                ),
                context=translate.context,
            )
        case "identify":
            return IdentifyWork(
                work_id=work_id,
                stream_id=message.stream_id,
                work_class=work_class,
                model=message.model,
                deadline_s=deadline_s,
                traceparent=message.traceparent,
                texts=tuple(message.identify.texts),
            )
        case _:
            raise ValueError("the submission has no task, or its audio is missing")


# --- outcomes ---


def put_outcome(message: pb.WorkDone, outcome: Outcome) -> None:
    """Fill in the outcome."""
    match outcome:
        case Hypothesis():
            message.recognized.CopyFrom(_recognized(outcome))
        case SpeechMade(sample_rate_hz, words, unspoken, finish):
            made = pb.SpeechMade(
                sample_rate_hz=sample_rate_hz,
                words=map(_word, words),
                unspoken=unspoken,
                is_cut=finish is SpeechFinish.LENGTH_LIMIT,
            )
            message.speech_made.CopyFrom(made)
        case Alignment(units, unaligned):
            aligned = pb.Aligned(units=map(_unit, units), unaligned=map(_span, unaligned))
            message.aligned.CopyFrom(aligned)
        case Translation(texts, failed, lost_terms, changed):
            translated = pb.Translated(
                texts=texts,
                failed=[
                    pb.FailedText(text_index=f.text_index, reason=f.reason, message=f.message)
                    for f in failed
                ],
                lost_terms=[
                    pb.LostTerm(text_index=t.text_index, glossary_index=t.glossary_index)
                    for t in lost_terms
                ],
                changed=changed,
            )
            message.translated.CopyFrom(translated)
        case LanguagesFound(guesses):
            message.identified.CopyFrom(pb.Identified(texts=map(_guesses, guesses)))


def take_outcome(message: pb.WorkDone) -> Outcome:
    """The outcome of a finished work item.

    Raises:
        ValueError: there is none.
    """
    match message.WhichOneof("outcome"):
        case "recognized":
            return _take_recognized(message.recognized)
        case "speech_made":
            made = message.speech_made
            words = tuple(
                SpokenWord(w.text, w.char_start, w.char_end, w.start_sample, w.end_sample)
                for w in made.words
            )
            finish = SpeechFinish.LENGTH_LIMIT if made.is_cut else SpeechFinish.COMPLETE
            return SpeechMade(made.sample_rate_hz, words, tuple(made.unspoken), finish)
        case "aligned":
            units = tuple(map(_take_unit, message.aligned.units))
            return Alignment(units, tuple(map(_take_span, message.aligned.unaligned)))
        case "translated":
            done = message.translated
            failed = tuple(FailedText(f.text_index, f.reason, f.message) for f in done.failed)
            lost = tuple(LostTerm(t.text_index, t.glossary_index) for t in done.lost_terms)
            return Translation(tuple(done.texts), failed, lost, tuple(done.changed))
        case "identified":
            return LanguagesFound(tuple(map(_take_guesses, message.identified.texts)))
        case None:
            raise ValueError("finished work has an outcome")


def _recognized(said: Hypothesis) -> pb.Recognized:
    return pb.Recognized(
        text=said.text,
        tokens=said.tokens,
        language=said.language,
        confidence=said.confidence,
        is_cut_off=said.is_cut_off,
        certainty=said.certainty,
        repairs=[
            pb.Repair(kind=each.kind.value, start_ms=each.start_ms, end_ms=each.end_ms)
            for each in said.repairs
        ],
    )


def _take_recognized(said: pb.Recognized) -> Hypothesis:
    return Hypothesis(
        text=said.text,
        tokens=tuple(said.tokens),
        language=said.language,
        confidence=said.confidence if said.HasField("confidence") else None,
        is_cut_off=said.is_cut_off,
        certainty=said.certainty if said.HasField("certainty") else None,
        repairs=tuple(
            Repair(RepairKind(each.kind), each.start_ms, each.end_ms) for each in said.repairs
        ),
    )


def _word(word: SpokenWord) -> pb.SpokenWord:
    return pb.SpokenWord(
        text=word.text,
        char_start=word.char_start,
        char_end=word.char_end,
        start_sample=word.start_sample,
        end_sample=word.end_sample,
    )


def _unit(unit: AlignedUnit) -> alignment_service_pb2.AlignedUnit:
    return alignment_service_pb2.AlignedUnit(
        text=unit.text,
        granularity=_GRANULARITY_TO_WIRE[unit.granularity],
        char_start=unit.char_start,
        char_end=unit.char_end,
        start_ms=unit.start_ms,
        end_ms=unit.end_ms,
        monotonic=unit.monotonic,
        confidence=unit.confidence,
    )


def _take_unit(unit: alignment_service_pb2.AlignedUnit) -> AlignedUnit:
    return AlignedUnit(
        unit.text,
        _GRANULARITY_FROM_WIRE[unit.granularity],
        unit.char_start,
        unit.char_end,
        unit.start_ms,
        unit.end_ms,
        unit.monotonic,
        unit.confidence if unit.HasField("confidence") else None,
    )


def _span(span: UnalignedSpan) -> alignment_service_pb2.UnalignedSpan:
    return alignment_service_pb2.UnalignedSpan(
        char_start=span.char_start,
        char_end=span.char_end,
        start_ms=span.start_ms,
        end_ms=span.end_ms,
        reason=_REASON_TO_WIRE[span.reason],
    )


def _take_span(span: alignment_service_pb2.UnalignedSpan) -> UnalignedSpan:
    reason = _REASON_FROM_WIRE[span.reason]
    return UnalignedSpan(span.char_start, span.char_end, span.start_ms, span.end_ms, reason)


def _guesses(guesses: tuple[LanguageGuess, ...]) -> pb.Guesses:
    return pb.Guesses(
        guesses=[common_pb2.LanguageGuess(code=g.code, probability=g.probability) for g in guesses]
    )


def _take_guesses(message: pb.Guesses) -> tuple[LanguageGuess, ...]:
    return tuple(
        LanguageGuess(g.code, g.probability if g.HasField("probability") else None)
        for g in message.guesses
    )
