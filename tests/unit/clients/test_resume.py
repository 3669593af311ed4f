"""What a client keeps, and how it goes on: whatever is cut where, the caller sees each FINAL once and in order."""

import itertools
from dataclasses import dataclass, field
from typing import Any

import pytest
from google.protobuf.duration_pb2 import Duration
from google.protobuf.field_mask_pb2 import FieldMask
from hypothesis import given
from hypothesis import strategies as st

from speech.v1 import audio_pb2, common_pb2
from speech.v1 import recognition_service_pb2 as pb
from speech_client import (
    EndCause,
    Progress,
    RecognitionResult,
    ReconnectPolicy,
    ResultKind,
    ServiceWarning,
    SpeechEvent,
    SpeechEventKind,
)
from speech_client.events import ControlAck, ControlKind
from speech_client.reconnect import CannotResumeError
from speech_client.resume import RecognitionRecovery
from speech_client.sent_log import PacketLength, RawLength

RATE = 8_000
BYTE_MS = 8
"""mu-law: a byte is a sample, and eight are a millisecond."""


def config(**fields: Any) -> pb.RecognitionConfig:
    raw = audio_pb2.RawAudio(
        encoding=audio_pb2.AUDIO_ENCODING_MULAW,
        sample_rate_hz=RATE,
        channel_count=fields.pop("channels", 1),
    )
    return pb.RecognitionConfig(audio=audio_pb2.AudioFormat(raw=raw), **fields)


def audio(data: bytes) -> pb.StreamingRecognizeRequest:
    return pb.StreamingRecognizeRequest(audio=audio_pb2.AudioChunk(data=data))


def silence(ms: int) -> pb.StreamingRecognizeRequest:
    duration = Duration()
    duration.FromMilliseconds(ms)
    return pb.StreamingRecognizeRequest(silence=audio_pb2.SilenceChunk(duration=duration))


def finalize(name: str) -> pb.StreamingRecognizeRequest:
    return pb.StreamingRecognizeRequest(finalize=common_pb2.Finalize(control_id=name))


def reset(name: str, *, keep: bool = True) -> pb.StreamingRecognizeRequest:
    return pb.StreamingRecognizeRequest(reset=common_pb2.Reset(control_id=name, keep_context=keep))


def final(segment_id: int, start_ms: int, end_ms: int, text: str = "words") -> RecognitionResult:
    kind, cause = ResultKind.FINAL, EndCause.ENDPOINT
    return RecognitionResult(
        segment_id, 0, 1, kind, text, len(text), start_ms, end_ms, end_cause=cause
    )


def ack(name: str, kind: ControlKind = ControlKind.FINALIZE) -> ControlAck:
    return ControlAck(name, kind, None)


def recovery(policy: ReconnectPolicy | None = None, **fields: Any) -> RecognitionRecovery:
    return RecognitionRecovery(config(**fields), policy or ReconnectPolicy())


def again(kept: RecognitionRecovery) -> tuple[common_pb2.Resume, list[Any]]:
    """Go on in another call; gives where, and all that is sent again."""
    resume = kept.first("token").config.resume
    kept.resumed()
    return resume, list(iter(kept.next, None))


# --- a server, as far as it matters ---------------------------------------------------------------------


@dataclass
class Ear:
    """Cuts a segment after every ``length_ms`` of audio and at each finalize; its text is what it heard, in full."""

    length_ms: int
    segment: int = 1
    at_byte: int = 0
    heard: bytearray = field(default_factory=bytearray)

    def hears(self, message: pb.StreamingRecognizeRequest) -> list[Any]:
        told: list[Any] = []
        match message.WhichOneof("payload"):
            case "audio":
                self.heard += message.audio.data
            case "silence":
                self.heard += bytes(message.silence.duration.ToMilliseconds() * BYTE_MS)
            case "finalize":
                told += self.cut(len(self.heard)) if self.heard else []
                told.append(ack(message.finalize.control_id))
            case _:
                told += self.cut(len(self.heard)) if self.heard else []
        while len(self.heard) >= self.length_ms * BYTE_MS:
            told += self.cut(self.length_ms * BYTE_MS)
        return told

    def cut(self, count: int) -> list[Any]:
        data, self.heard = bytes(self.heard[:count]), self.heard[count:]
        start, self.at_byte = self.at_byte, self.at_byte + count
        event = final(self.segment, start // BYTE_MS, self.at_byte // BYTE_MS, data.hex())
        partial = RecognitionResult(self.segment, 0, 1, ResultKind.PARTIAL, "", 0, 0, 0)
        self.segment += 1
        return [partial, event]


@dataclass
class Line:
    """A client's side of a stream whose calls break; answers are under way when they do."""

    kept: RecognitionRecovery
    ear: Ear
    under_way: list[Any] = field(default_factory=list[Any])
    told: list[Any] = field(default_factory=list[Any])

    def send(self, message: pb.StreamingRecognizeRequest) -> None:
        self.kept.sent(message, live=True)
        self.under_way += self.ear.hears(message)

    def receive(self, count: int) -> None:
        for event in self.under_way[:count]:
            self.told += self.kept.taken(event)
        del self.under_way[:count]

    def breaks(self) -> None:
        self.under_way.clear()
        resume, messages = again(self.kept)
        assert (resume.audio_from_ms if resume.HasField("audio_from_ms") else None) is None
        self.ear = Ear(self.ear.length_ms, resume.last_segment_id + 1, resume.from_ms * BYTE_MS)
        for message in messages:
            self.under_way += self.ear.hears(message)


MESSAGES = st.one_of(
    st.integers(1, 40).map(lambda ms: ("audio", ms)),
    st.integers(1, 60).map(lambda ms: ("silence", ms)),
    st.just(("finalize", 0)),
)
STEPS = st.lists(
    st.one_of(
        MESSAGES,
        st.integers(1, 4).map(lambda count: ("receive", count)),
        st.just(("break", 0)),
    ),
    max_size=60,
)


@given(STEPS, st.integers(20, 90))
def test_each_final_comes_once_and_all_audio_is_heard(
    steps: list[tuple[str, int]], length_ms: int
) -> None:
    line = Line(recovery(), Ear(length_ms))
    spoken, numbers = bytearray(), itertools.count(1)
    controls: list[str] = []
    for kind, count in steps:
        match kind:
            case "audio":
                data = bytes((len(spoken) + n) % 251 + 1 for n in range(count * BYTE_MS))
                spoken += data
                line.send(audio(data))
            case "silence":
                spoken += bytes(count * BYTE_MS)
                line.send(silence(count))
            case "finalize":
                controls.append(f"c{next(numbers)}")
                line.send(finalize(controls[-1]))
            case "receive":
                line.receive(count)
            case _:
                line.breaks()
    line.send(pb.StreamingRecognizeRequest(end_of_audio=common_pb2.EndOfInput()))
    line.receive(len(line.under_way))
    finals = [e for e in line.told if isinstance(e, RecognitionResult) and e.is_final]
    assert [each.segment_id for each in finals] == list(range(1, len(finals) + 1))
    assert b"".join(bytes.fromhex(each.text) for each in finals) == bytes(spoken)
    assert [each.end_ms for each in finals[:-1]] == [each.start_ms for each in finals[1:]]
    assert [e.control_id for e in line.told if isinstance(e, ControlAck)] == controls


@given(st.lists(st.integers(1, 500), min_size=1, max_size=12), st.integers(0, 3_000))
def test_what_is_sent_again_is_the_audio_since_the_final(pieces: list[int], end_ms: int) -> None:
    kept, spoken = recovery(), bytearray()
    for ms in pieces:
        data = bytes((len(spoken) + n) % 256 for n in range(ms * BYTE_MS))
        spoken += data
        kept.sent(audio(data), live=True)
    end_ms = min(end_ms, sum(pieces))
    kept.taken(final(1, 0, end_ms))
    resume, messages = again(kept)
    assert resume == common_pb2.Resume(token="token", last_segment_id=1, from_ms=end_ms)
    sent = b"".join(message.audio.data for message in messages)
    assert sent == bytes(spoken[end_ms * BYTE_MS :])


# --- what is kept ----------------------------------------------------------------------------------------


def test_nothing_final_means_from_the_beginning() -> None:
    kept = recovery()
    kept.sent(audio(b"1" * 800), live=True)
    resume, messages = again(kept)
    assert resume == common_pb2.Resume(token="token")
    assert [len(m.audio.data) for m in messages] == [800]


def test_progress_lets_silence_go() -> None:
    kept = recovery()
    for _ in range(100):
        kept.sent(silence(1_000), live=True)
    kept.taken(Progress(100_000, 100_000, 99_500, 0))
    resume, messages = again(kept)
    assert resume.from_ms == 99_500
    assert [m.silence.duration.ToMilliseconds() for m in messages] == [500]


def test_more_than_is_kept_cannot_be_resumed_until_finals_catch_up() -> None:
    kept = recovery(ReconnectPolicy(keep_s=2.0))
    for _ in range(30):
        kept.sent(audio(b"1" * 800), live=True)
    with pytest.raises(CannotResumeError, match=r"3\.0 s of audio"):
        kept.first("token")
    kept.taken(final(1, 0, 1_500))
    assert kept.first("token").config.resume.from_ms == 1_500


def test_a_server_without_tokens_is_not_resumed() -> None:
    with pytest.raises(CannotResumeError, match="token"):
        recovery().first("")


def test_a_reset_that_was_acknowledged_needs_nothing_before_it() -> None:
    kept = recovery(context={"text": "before"})
    kept.sent(audio(b"1" * 800), live=True)
    kept.sent(reset("r", keep=False), live=True)
    kept.sent(audio(b"2" * 800), live=True)
    assert kept.taken(ack("r", ControlKind.RESET))
    first = kept.first("token").config
    assert first.resume.from_ms == 100
    assert not first.HasField("context")
    kept.resumed()
    assert [m.audio.data for m in iter(kept.next, None)] == [b"2" * 800]


def test_a_reset_whose_answer_is_lost_is_sent_again_in_its_place() -> None:
    kept = recovery()
    kept.sent(audio(b"1" * 800), live=True)
    kept.sent(reset("r"), live=True)
    kept.sent(audio(b"2" * 800), live=True)
    _, messages = again(kept)
    kinds = [m.WhichOneof("payload") for m in messages]
    assert kinds == ["audio", "reset", "audio"]
    assert kept.taken(ack("r", ControlKind.RESET)), "its one answer comes to the caller"


def update(name: str, threshold: float) -> pb.StreamingRecognizeRequest:
    change = pb.UpdateRecognitionConfig(
        config=pb.RecognitionConfig(endpointing=common_pb2.EndpointingConfig(threshold=threshold)),
        update_mask=FieldMask(paths=["endpointing.threshold"]),
        control_id=name,
    )
    return pb.StreamingRecognizeRequest(update_config=change)


def test_an_update_is_in_the_configuration_once_all_before_it_is_done() -> None:
    kept = recovery()
    kept.sent(audio(b"1" * 800), live=True)
    kept.sent(update("u", 0.25), live=True)
    kept.sent(audio(b"2" * 800), live=True)
    assert kept.taken(ack("u", ControlKind.UPDATE_CONFIG))
    assert not kept.first("token").config.HasField("endpointing")
    _, messages = again(kept)
    assert [m.WhichOneof("payload") for m in messages] == ["audio", "update_config", "audio"]
    assert not kept.taken(ack("u", ControlKind.UPDATE_CONFIG)), "the caller has its answer"
    kept.taken(final(1, 0, 150))
    assert kept.first("token").config.endpointing.threshold == 0.25
    assert [m.WhichOneof("payload") for m in again(kept)[1]] == ["audio"]


def test_a_container_is_sent_again_whole() -> None:
    detect = audio_pb2.AudioFormat(auto_detect=audio_pb2.AutoDetect())
    kept = RecognitionRecovery(pb.RecognitionConfig(audio=detect), ReconnectPolicy())
    kept.sent(silence(700), live=True)
    for piece in (b"head", b"more", b"rest"):
        kept.sent(audio(piece), live=True)
    kept.taken(final(1, 800, 5_000))
    resume, messages = again(kept)
    assert (resume.from_ms, resume.audio_from_ms) == (5_000, 700)
    kinds = [m.WhichOneof("payload") for m in messages]
    assert kinds == ["silence", "audio", "audio", "audio"]


def test_a_container_longer_than_is_kept_is_not() -> None:
    detect = audio_pb2.AudioFormat(auto_detect=audio_pb2.AutoDetect())
    policy = ReconnectPolicy(keep_bytes=1_000)
    kept = RecognitionRecovery(pb.RecognitionConfig(audio=detect), policy)
    kept.sent(audio(b"x" * 1_001), live=True)
    kept.taken(final(1, 0, 5_000))
    with pytest.raises(CannotResumeError, match="container"):
        kept.first("token")


def test_opus_packets_begin_with_the_one_that_holds_the_place() -> None:
    packets = audio_pb2.AudioFormat(opus_packets=audio_pb2.OpusPackets())
    kept = RecognitionRecovery(pb.RecognitionConfig(audio=packets), ReconnectPolicy())
    for number in range(10):
        kept.sent(audio(bytes([0x08, number])), live=True)  # SILK, 20 ms
    kept.taken(final(1, 0, 70))
    resume, messages = again(kept)
    assert (resume.from_ms, resume.audio_from_ms) == (70, 60)
    assert [m.audio.data[1] for m in messages] == list(range(3, 10))


@pytest.mark.parametrize(
    ("packet", "ms"),
    [(b"\x08", 20), (b"\x09", 40), (b"\x1b\x03", 180), (b"\xe0", 2.5), (b"\x78", 20), (b"", 0)],
    ids=["silk", "two", "three", "celt", "hybrid", "empty"],
)
def test_the_length_of_a_packet(packet: bytes, ms: float) -> None:
    assert PacketLength().ms(packet) == ms


def test_raw_audio_is_cut_at_frames() -> None:
    length = RawLength(44_100, 4)
    data = bytes(range(256)) * 8
    assert length.after(data, 1.0) == data[44 * 4 :]
    assert length.ms(b"\0" * 44_100 * 4) == 1_000


def test_channels_go_on_each_at_its_own_place() -> None:
    kept = recovery(channels=2, separate_channels=True)
    kept.sent(audio(b"1" * 1_600 * 2), live=True)
    kept.taken(final(1, 0, 50))
    other = RecognitionResult(
        2, 1, 1, ResultKind.FINAL, "x", 1, 0, 120, end_cause=EndCause.ENDPOINT
    )
    kept.taken(other)
    resume, messages = again(kept)
    assert list(resume.channel_from_ms) == [50, 120]
    assert (resume.from_ms, resume.last_segment_id) == (50, 2)
    assert len(messages[0].audio.data) == (200 - 50) * BYTE_MS * 2


# --- what the caller is told -------------------------------------------------------------------------------


def test_speech_that_is_heard_again_does_not_begin_again() -> None:
    kept = recovery()
    begin = SpeechEvent(SpeechEventKind.BEGIN, 100, 0)
    end = SpeechEvent(SpeechEventKind.END, 900, 0)
    assert kept.taken(begin)
    again(kept)
    assert not kept.taken(begin)
    assert kept.taken(end)
    again(kept)
    assert not kept.taken(begin)
    assert not kept.taken(end)
    assert kept.taken(SpeechEvent(SpeechEventKind.BEGIN, 1_500, 0))


def cut_off(segment_id: int) -> RecognitionResult:
    kind, cause = ResultKind.FINAL, EndCause.END_OF_STREAM
    return RecognitionResult(segment_id, 0, 1, kind, "wor", 3, 0, 100, end_cause=cause)


def test_a_final_that_the_server_cut_off_is_recognized_again() -> None:
    kept = recovery()
    kept.sent(audio(b"1" * 1_600), live=True)
    assert not kept.taken(cut_off(1))
    resume, messages = again(kept)
    assert not resume.HasField("last_segment_id")
    assert len(messages[0].audio.data) == 1_600
    assert kept.taken(final(1, 0, 150))


def test_it_is_told_where_nothing_else_comes() -> None:
    kept = recovery()
    kept.sent(audio(b"1" * 1_600), live=True)
    assert not kept.taken(cut_off(1))
    assert [event.segment_id for event in kept.given_up()] == [1]


def test_the_last_final_of_a_stream_that_its_caller_ended_is_told() -> None:
    kept = recovery()
    kept.sent(audio(b"1" * 1_600), live=True)
    kept.sent(pb.StreamingRecognizeRequest(end_of_audio=common_pb2.EndOfInput()), live=True)
    assert kept.taken(cut_off(1))


def test_what_follows_a_final_that_was_held_back_waits_with_it() -> None:
    kept = recovery()
    kept.sent(audio(b"1" * 1_600), live=True)
    progress = Progress(200, 200, 200, 0)
    assert not [*kept.taken(cut_off(1)), *kept.taken(progress)]
    assert kept.given_up()[1] == progress


def test_word_times_that_were_under_way_are_told_as_lost() -> None:
    kept = recovery(word_times=True)
    kept.sent(audio(b"1" * 8_000), live=True)
    first, second = final(1, 0, 100), final(2, 200, 400)
    for event in (first, second):
        kept.taken(event)
    refined = RecognitionResult(1, 0, 2, ResultKind.REFINED, "words", 5, 0, 100)
    kept.taken(refined)
    warning = kept.resumed()[0]
    assert isinstance(warning, ServiceWarning)
    assert (warning.reason, warning.start_ms) == ("WORD_TIMES_UNAVAILABLE", 200)
    assert not kept.resumed(), "told once"


def test_what_is_sent_during_the_replay_follows_it() -> None:
    kept = recovery()
    kept.sent(audio(b"1" * 80), live=True)
    kept.first("token")
    kept.resumed()
    assert kept.next() == audio(b"1" * 80)
    kept.sent(audio(b"2" * 80), live=False)
    assert kept.next() == audio(b"2" * 80)
    assert kept.next() is None


def test_numbers_of_chunks_count_anew() -> None:
    kept = recovery()
    chunk = audio_pb2.AudioChunk(data=b"1" * 80, sequence=7)
    kept.sent(pb.StreamingRecognizeRequest(audio=chunk), live=True)
    assert not again(kept)[1][0].audio.HasField("sequence")
