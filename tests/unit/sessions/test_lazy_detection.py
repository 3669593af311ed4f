"""Audio waits for voice activity detection while nothing can happen in it: nobody can tell, and it saves calls."""

from collections.abc import Sequence

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from speech_service.domain.events import Cancel, Detect, Emit, Finish, Submit
from speech_service.domain.recognition import Endpointing, EndpointingMode, RecognitionOptions
from speech_service.domain.transcript import Hypothesis
from speech_service.domain.work import RecognizeWork, WorkDone, WorkTiming
from speech_service.sessions.recognition.events import RecognitionStep
from speech_service.sessions.recognition.segmenter import Segmenter
from speech_service.sessions.recognition.session import RecognitionSession, SessionIdentity

FRAME = 512
SCORES = (0.02, 0.4, 0.95)
"""Silence; speech only where speech goes on; speech."""
ENDPOINTINGS = st.builds(
    Endpointing,
    mode=st.sampled_from(EndpointingMode),
    min_speech_ms=st.sampled_from([32, 96, 250]),
    end_silence_ms=st.sampled_from([200, 600]),
    max_segment_ms=st.sampled_from([1_500, 4_000]),
    soft_segment_ms=st.sampled_from([900, 1_500]),
    padding_ms=st.sampled_from([0, 300]),
)
RUNS = st.lists(st.tuples(st.sampled_from(SCORES), st.integers(1, 40)), min_size=1, max_size=12)
"""Scores, and for how many frames each holds."""


class Client:
    """A session whose detection knows the score of each sample; every work item is answered with the next message."""

    def __init__(self, options: RecognitionOptions, channels: int, scores: Sequence[float]) -> None:
        self.position = 0
        identity = SessionIdentity("s")
        self.session = RecognitionSession(identity, options, lambda: self.position / 16e3)
        self.channels = channels
        self.scores = scores
        self.detections = 0
        self.told: list[object] = []
        self.open: dict[str, RecognizeWork] = {}

    def audio(self, samples: int, *, eager: bool) -> None:
        """A message of audio; an eager client has it heard at once."""
        block = np.arange(self.position, self.position + samples, dtype=np.float32)
        self.position += samples
        self.perform(self.session.audio(np.tile(block[:, None], (1, self.channels))))
        if eager:
            self.perform(self.session.catch_up())

    def control(self, kind: str) -> None:
        """Any other message."""
        self.perform(self.session.catch_up())
        match kind:
            case "finalize":
                self.perform(self.session.finalize("f"))
            case "reset":
                self.perform(self.session.reset("r", keep_context=True))
            case "silence":
                self.perform(self.session.silence(700))
            case _:
                self.perform(self.session.end_of_input())

    def answer(self) -> None:
        """The device is done with everything."""
        for work in list(self.open.values()):
            del self.open[work.work_id]
            text = " ".join(["word"] * (len(work.samples) // 4_000 + 1))
            done = WorkDone(work.work_id, Hypothesis(text), WorkTiming())
            self.perform(self.session.work_event(done))

    def perform(self, actions: Sequence[RecognitionStep]) -> None:
        for action in actions:
            match action:
                case Detect(channel, frames):
                    self.detections += 1
                    self.perform(self.session.probabilities(self._heard(channel, frames)))
                case Submit(work):
                    assert isinstance(work, RecognizeWork)
                    self.open[work.work_id] = work
                    self.told.append((work.work_id, work.kind, work.samples.tobytes()))
                case Cancel(work_id):
                    self.open.pop(work_id, None)
                    self.told.append(work_id)
                case Emit(event):
                    self.told.append(event)
                case Finish():
                    self.told.append(action)

    def _heard(self, channel: int, frames: np.ndarray) -> np.ndarray:
        places = [int(frame[-1]) // FRAME + 7 * channel for frame in frames]
        return np.array([self.scores[place % len(self.scores)] for place in places], np.float32)


@given(
    options=st.builds(
        RecognitionOptions,
        model=st.just("scripted"),
        endpointing=ENDPOINTINGS,
        partial_results=st.booleans(),
        partial_interval_ms=st.sampled_from([100, 500]),
    ),
    channels=st.integers(1, 2),
    runs=RUNS,
    chunk=st.sampled_from([160, 320, 1_600, 3_333]),
    controls=st.dictionaries(
        st.integers(0, 60), st.sampled_from(["finalize", "reset", "silence"]), max_size=3
    ),
    answer_every=st.integers(1, 5),
)
def test_waiting_audio_changes_nothing_that_a_client_or_the_device_sees(
    options: RecognitionOptions,
    channels: int,
    runs: list[tuple[float, int]],
    chunk: int,
    controls: dict[int, str],
    answer_every: int,
) -> None:
    scores = [score for score, frames in runs for _ in range(frames)]
    lazy, eager = (Client(options, channels, scores) for _ in range(2))
    for number in range(min(200, len(scores) * FRAME // chunk)):
        for client in (lazy, eager):
            if number in controls:
                client.control(controls[number])
            client.audio(chunk, eager=client is eager)
            if number % answer_every == 0:
                client.answer()
        assert lazy.told == eager.told, "at the same message"
    for client in (lazy, eager):
        client.control("end")
        client.answer()
    assert lazy.told == eager.told
    assert isinstance(lazy.told[-1], Finish)
    assert lazy.detections <= eager.detections


def test_speech_is_heard_as_often_as_something_may_come_of_it() -> None:
    options = RecognitionOptions("scripted")
    lazy, eager = (Client(options, 1, [0.95]) for _ in range(2))
    for _ in range(50):
        lazy.audio(1_600, eager=False)
        eager.audio(1_600, eager=True)
    assert eager.detections == 50
    assert lazy.detections <= 15, "twice a second for partials and pauses, and while it began"


def test_no_more_than_half_a_second_waits() -> None:
    endpointing = Endpointing(EndpointingMode.EXTERNAL, end_silence_ms=60_000)
    options = RecognitionOptions("scripted", endpointing=endpointing, partial_results=False)
    client = Client(options, 1, [0.95] * 30 + [0.02] * 970)
    for _ in range(150):
        before = client.detections
        for _ in range(6):
            client.audio(1_600, eager=False)
        assert client.detections > before, (
            "600 ms came, and in the pause nothing can happen for long"
        )


def test_silence_is_heard_at_once() -> None:
    client = Client(RecognitionOptions("scripted"), 1, [0.02])
    for _ in range(20):
        client.audio(1_600, eager=False)
    assert client.detections == 20, "speech may begin in any message of 100 ms"


@given(ENDPOINTINGS, RUNS, st.integers(0, 300))
def test_no_event_comes_before_the_segmenter_said_it_may(
    endpointing: Endpointing, runs: list[tuple[float, int]], asked_at: int
) -> None:
    segmenter = Segmenter(endpointing)
    scores = [score for score, frames in runs for _ in range(frames)]
    frame = np.zeros(FRAME, np.float32)
    for score in scores[:asked_at]:
        segmenter.push(frame, score)
    quiet = segmenter.uneventful_samples
    for number, score in enumerate(scores[asked_at:], start=1):
        if number * FRAME >= quiet:
            break
        assert segmenter.push(frame, score) == []
