"""Streaming recognition: one session over one bidirectional stream."""

from google.protobuf.field_mask_pb2 import FieldMask

from speech.v1 import audio_pb2, common_pb2
from speech.v1.recognition_service_pb2 import (
    RecognitionConfig,
    StreamingRecognizeRequest,
    UpdateRecognitionConfig,
)
from speech_client.channel import CallOptions, RetryPolicy
from speech_client.options import duration
from speech_client.part import OpenCall
from speech_client.reconnect import NEVER, ReconnectPolicy
from speech_client.results import RecognizeEvent, event_from_proto
from speech_client.resume import RecognitionRecovery
from speech_client.session import PendingAck, Session


class RecognizeStream(Session[StreamingRecognizeRequest, RecognizeEvent]):
    """A recognition session; made by ``SpeechClient.stream_recognize``, used in ``async with``.

    Entering opens the session and waits for the server's ``session_started``, so a wrong configuration raises there.
    Iterating gives the events, ends after ``session_ended``, and raises ``SpeechApiError`` when the stream fails.
    Leaving before the end cancels the call.

    FINALs come in order of time. A REFINED, which adds words to its FINAL, may come after later FINALs: who prints
    words keeps the place of each segment, as ``speech-service recognize --words`` does.
    """

    def __init__(
        self,
        open_call: OpenCall,
        config: RecognitionConfig,
        call_options: CallOptions,
        retry: RetryPolicy,
        reconnect: ReconnectPolicy = NEVER,
    ) -> None:
        first = StreamingRecognizeRequest(config=config)
        recovery = RecognitionRecovery(config, reconnect)
        super().__init__(
            open_call, first, event_from_proto, call_options, retry, reconnect, recovery
        )

    async def cancel(self) -> None:
        """Give the session up: the call is cancelled unless it has ended, and nothing keeps running."""
        await self.close()

    async def send_audio(self, data: bytes) -> None:
        """Send audio in the declared format, at most 1 MiB; 20 to 200 ms a message is advised.

        Waits while the server does not take more. Raises SpeechApiError when the stream has failed.
        """
        await self.send(StreamingRecognizeRequest(audio=audio_pb2.AudioChunk(data=data)))

    async def send_silence(self, milliseconds: int) -> None:
        """Stand for silence that is not sent, so that times keep counting; at most 10 minutes a message."""
        silence = audio_pb2.SilenceChunk(duration=duration(milliseconds))
        await self.send(StreamingRecognizeRequest(silence=silence))

    async def keep_alive(self) -> None:
        """Restart the server's idle limit; not acknowledged."""
        await self.send(StreamingRecognizeRequest(keep_alive=common_pb2.KeepAlive()))

    async def finalize(self, control_id: str = "") -> PendingAck:
        """End the open segment now. Returns once sent; await the result for the ack, which follows the FINAL."""
        name = control_id or self.new_control_id()
        message = common_pb2.Finalize(control_id=name)
        return await self.send_control(name, StreamingRecognizeRequest(finalize=message))

    async def reset(self, *, keep_context: bool = False, control_id: str = "") -> PendingAck:
        """Drop the open segment without a result; times go on counting."""
        name = control_id or self.new_control_id()
        message = common_pb2.Reset(control_id=name, keep_context=keep_context)
        return await self.send_control(name, StreamingRecognizeRequest(reset=message))

    async def update_config(
        self, config: RecognitionConfig, *paths: str, control_id: str = ""
    ) -> PendingAck:
        """Change the configuration from the next segment on.

        Args:
            config: carries the new values.
            paths: what to take from it, such as ``"context.terms"``; at least one.
            control_id: repeated in the ack; empty: chosen here.
        """
        name = control_id or self.new_control_id()
        update = UpdateRecognitionConfig(
            config=config, update_mask=FieldMask(paths=paths), control_id=name
        )
        return await self.send_control(name, StreamingRecognizeRequest(update_config=update))

    async def end_audio(self) -> None:
        """Say that no more audio follows: the server transcribes what is left and ends. May be called twice."""
        await self.finish(StreamingRecognizeRequest(end_of_audio=common_pb2.EndOfInput()))
