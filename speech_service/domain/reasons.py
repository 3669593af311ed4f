"""Every reason of an error that a client may be given, with what it means and what to do.

Raising sites name a reason as a literal; a test demands that this table has it, and has none that nobody names.
``docs/reference/errors.md`` is made of it and of ``warning_reasons``.
"""

from speech_service.domain import errors
from speech_service.domain.access_reasons import ACCESS_ERRORS
from speech_service.domain.error_reason import ErrorReason

_ALIGN = "Align, StreamingAlign"
_RECOGNIZE = "Recognize, StreamingRecognize"
_SYNTHESIZE = "Synthesize, SynthesizeChunked, StreamingSynthesize"
_TRANSLATE = "TranslateText, StreamingTranslate"
_RESUMED = "StreamingRecognize, StreamingAlign, StreamingTranslate: `config.resume`"
_STREAMS = "every bidirectional stream"
_AUDIO_IN = "every RPC that takes audio"
_WORK = "every RPC that asks a model for work"
_LIVE = (
    "streams that are fed or heard live: StreamingRecognize, StreamingAlign and StreamingTranslate with audio, "
    "`PACING_REALTIME`; StreamingSynthesize, SynthesizeChunked"
)
_BACKENDS = "RPCs whose model is a server of its own (`docs/backends.md`)"
_LOOK_AT_LOG = "Ask the operator: the server's log says why."

REQUEST_ERRORS = (
    ErrorReason(
        "INVALID_FIELD",
        errors.InvalidFieldError,
        "every RPC",
        "A field is missing, malformed, out of range, or contradicts another one.",
        "Correct the field that `BadRequest` names; its description says what is allowed.",
    ),
    ErrorReason(
        "INVALID_RESUME_TOKEN",
        errors.InvalidOptionError,
        _RESUMED,
        "The token is missing, damaged, of another RPC, or none of this service.",
        "Give the newest `resume_token` of SessionStarted or GoingAway as it came; without one, start a new session.",
    ),
    ErrorReason(
        "LIMIT_EXCEEDED",
        errors.LimitExceededError,
        "every RPC",
        "A field, or the whole message, holds more than the server takes. `ErrorInfo.metadata` has the limit, with its "
        "unit in the key.",
        "Send less at once, or ask the operator to raise the setting of that name.",
    ),
    ErrorReason(
        "UNSUPPORTED_OPTION",
        errors.UnsupportedOptionError,
        "every RPC with a `config`, and `CreateVoice`",
        "The chosen model lacks this language, voice or option. `supported` in the metadata lists what there is.",
        "Choose a value or model from the list, or let the server leave the option out (`OPTION_HANDLING_LENIENT`).",
    ),
    ErrorReason(
        "CONFIG_EXPECTED",
        errors.InvalidFieldError,
        _STREAMS,
        "The first message of a stream is not `config`.",
        "Send `config` first.",
    ),
    ErrorReason(
        "CONFIG_REPEATED",
        errors.InvalidFieldError,
        _STREAMS,
        "The stream got `config` a second time.",
        "Send `update_config` where the service has it, or open a new stream.",
    ),
    ErrorReason(
        "IMMUTABLE_FIELD",
        errors.PreconditionError,
        "`update_config` of StreamingRecognize and StreamingSynthesize",
        "The field cannot change while a stream runs. The acknowledgement says so, and nothing changes.",
        "Open a new stream with the new value.",
    ),
    ErrorReason(
        "OUT_OF_ORDER",
        errors.InvalidFieldError,
        _STREAMS,
        "A message came after the one that says that nothing more will come.",
        "Send everything before `end_of_audio`, `end_of_text` or `end_of_input`.",
    ),
    ErrorReason(
        "SEQUENCE_GAP",
        errors.InvalidFieldError,
        "`audio.sequence` of StreamingRecognize, StreamingAlign and StreamingTranslate",
        "A numbered piece of audio is missing or came twice.",
        "Number the pieces without gaps, or leave the numbers out; then send the audio on a new stream.",
    ),
    ErrorReason(
        "EMPTY_AUDIO",
        errors.InvalidFieldError,
        "Recognize, Align, TranslateSpeech, CreateVoice",
        "The request holds no audio.",
        "Send at least one frame of audio.",
    ),
    ErrorReason(
        "EMPTY_TEXT",
        errors.InvalidFieldError,
        "Align",
        "The text to align is blank.",
        "Send the words that are spoken.",
    ),
    ErrorReason(
        "INVALID_TEXT",
        errors.InvalidFieldError,
        _TRANSLATE,
        "The text holds NUL characters, or other characters that no text has.",
        "Remove them.",
    ),
    ErrorReason(
        "INVALID_SUBTITLES",
        errors.InvalidFieldError,
        "TranslateText, `subtitles.text`",
        "The subtitle file is not well formed; the description names the line.",
        "Correct that line, or set the format that the file really has.",
    ),
    ErrorReason(
        "NOTHING_TO_SPEAK",
        errors.InvalidFieldError,
        _SYNTHESIZE,
        "The text has no letter or digit, or nothing of it can be said by the voice.",
        "Send words in a language of the voice.",
    ),
    ErrorReason(
        "TEXT_NOT_READABLE",
        errors.InvalidFieldError,
        _SYNTHESIZE,
        "The embedded voice cannot turn the text into sounds.",
        "Send the text in words, or give pronunciations in `config.lexicon`.",
    ),
    ErrorReason(
        "UNTRANSLATABLE_TEXT",
        errors.InvalidFieldError,
        _TRANSLATE,
        "The translator gives nothing usable for a piece of the text.",
        "Divide the text with spaces and punctuation, or choose another model.",
    ),
    ErrorReason(
        "SOURCE_LANGUAGE_UNKNOWN",
        errors.InvalidFieldError,
        _TRANSLATE,
        "The source language is not given, and the text does not tell it.",
        "Set `config.source_language`.",
    ),
    ErrorReason(
        "REPLY_TOO_LARGE",
        errors.ReplyTooLargeError,
        "Recognize, Align, Synthesize, TranslateText, TranslateSpeech",
        "The unary reply would exceed `server.max_unary_reply_bytes` (4 MiB, which stock clients accept).",
        "Use the streaming RPC that `use` in the metadata names, or send less at once.",
    ),
)
AUDIO_ERRORS = (
    ErrorReason(
        "INVALID_AUDIO",
        errors.InvalidAudioError,
        _AUDIO_IN,
        "The audio is corrupt, cut off, in a format that is not accepted, or not what `config.audio` says.",
        "Send the audio as the description allows. Cut or damaged files are taken unless `decoder.strict` is set.",
    ),
    ErrorReason(
        "AUDIO_LIMIT_EXCEEDED",
        errors.AudioLimitError,
        _AUDIO_IN,
        "Decoding a container met a limit of bytes, memory or CPU time, which `ErrorInfo.metadata` names.",
        "Send raw audio or a smaller file, or ask the operator to raise the setting below `decoder`.",
    ),
    ErrorReason(
        "DECODER_LOST",
        errors.UnavailableError,
        _AUDIO_IN,
        "The process that decodes containers ended unexpectedly.",
        "Send the audio again.",
    ),
    ErrorReason(
        "ENCODER_LOST",
        errors.UnavailableError,
        "every RPC that gives encoded audio",
        "The process that encodes audio ended unexpectedly.",
        "Ask again.",
    ),
    ErrorReason(
        "TOO_MANY_DECODERS",
        errors.OverloadedError,
        _AUDIO_IN,
        "As many containers are decoded as `decoder.max_processes` allows.",
        "Try again later, or send raw audio.",
    ),
    ErrorReason(
        "TOO_MANY_ENCODERS",
        errors.OverloadedError,
        "every RPC that gives encoded audio",
        "As many streams are encoded as the server allows.",
        "Try again later, or ask for PCM.",
    ),
)
RESOURCE_ERRORS = (
    ErrorReason(
        "MODEL_NOT_FOUND",
        errors.ResourceNotFoundError,
        "every RPC that names a model",
        "The server has no model of this name, or none of the kind that the RPC needs.",
        "Choose a name from ListModels, or leave it empty for the server's default.",
    ),
    ErrorReason(
        "VOICE_NOT_FOUND",
        errors.ResourceNotFoundError,
        "RPCs that name a voice",
        "No voice has this id or alias.",
        "Choose an id from ListVoices.",
    ),
    ErrorReason(
        "SESSION_NOT_FOUND",
        errors.ResourceNotFoundError,
        _RESUMED,
        "The token is of a session that somebody else began.",
        "Start a new session without `resume`, or use the credentials with which it was begun.",
    ),
    ErrorReason(
        "RESOURCE_EXISTS",
        errors.ResourceExistsError,
        "CreateVoice",
        "A voice of this id exists already.",
        "Choose another id, or delete that voice first.",
    ),
    ErrorReason(
        "NO_ALIGNER",
        errors.PreconditionError,
        _ALIGN,
        "The server has no aligner.",
        "Ask the operator to configure one in `models`.",
    ),
    ErrorReason(
        "NO_VOICE",
        errors.PreconditionError,
        _SYNTHESIZE,
        "The model has no voice of its own.",
        "Give a voice prompt, or choose another model.",
    ),
    ErrorReason(
        "NO_MODEL_FOR_VOICE",
        errors.PreconditionError,
        f"{_SYNTHESIZE}, CreateVoice",
        "No loaded model can clone or design voices.",
        "Ask the operator for a model that can; the message names the family.",
    ),
    ErrorReason(
        "NO_TRANSLATOR_FOR_PAIR",
        errors.PreconditionError,
        _TRANSLATE,
        "No model translates between these two languages.",
        "Choose a pair that the message lists. Name `source_language` where it was guessed wrongly.",
    ),
    ErrorReason(
        "VOICE_BUILT_IN",
        errors.PreconditionError,
        "DeleteVoice",
        "The voice is part of a model and cannot be deleted.",
        "Delete only voices that CreateVoice made.",
    ),
    ErrorReason(
        "PROMPT_LENGTH",
        errors.InvalidFieldError,
        "CreateVoice, and `config.inline_prompt`",
        "The recording of a voice prompt is too short or too long.",
        "Record as long as the description allows.",
    ),
    ErrorReason(
        "PROMPT_SILENT",
        errors.InvalidAudioError,
        "CreateVoice, and `config.inline_prompt`",
        "The recording of a voice prompt holds no sound.",
        "Send a recording of speech.",
    ),
    ErrorReason(
        "TOO_MANY_VOICES",
        errors.OverloadedError,
        "CreateVoice",
        "The server keeps as many voices as `synthesis.max_voices` allows.",
        "Delete a voice first.",
    ),
    ErrorReason(
        "VOICE_STORE_UNAVAILABLE",
        errors.UnavailableError,
        "CreateVoice, DeleteVoice",
        "The server's folder of voices cannot be written.",
        "Try again later. The operator should look at the disk and the folder of `synthesis.voices_folder`.",
    ),
)
SERVER_ERRORS = (
    ErrorReason(
        "TOO_MANY_CALLS",
        errors.OverloadedError,
        "every RPC of `speech.v1`",
        "As many streams or unary calls are open as `server.max_streams` or `server.max_unary` allows.",
        "Try again later, or on another server.",
    ),
    ErrorReason(
        "OVER_CAPACITY",
        errors.OverloadedError,
        _LIVE,
        "Open live streams ask for all that the devices can do, by `server.live_headroom`.",
        "Try again later, or on another server; send with `PACING_FILE` or `x-speech-priority: batch` where nobody "
        "listens live, which waits instead.",
    ),
    ErrorReason(
        "LIVE_RESULTS_LATE",
        errors.OverloadedError,
        _LIVE,
        "FINALs of open live streams come later than `server.max_live_lag_ms`.",
        "Try again later, or on another server.",
    ),
    ErrorReason(
        "OVERLOADED",
        errors.OverloadedError,
        _WORK,
        "The queue in front of the device is full (`scheduler.max_queued`, `scheduler.max_queued_ms`).",
        "Try again later; work that can wait is not refused when it is sent with `x-speech-priority: batch`.",
    ),
    ErrorReason(
        "LAG_TOO_LARGE",
        errors.OverloadedError,
        "StreamingRecognize, StreamingTranslate with audio; `PACING_REALTIME` only",
        "Recognition lagged behind the audio by more than `stream.max_lag_s` for that long.",
        "Send on a new stream later, with `PACING_FILE` where nobody listens live.",
    ),
    ErrorReason(
        "DRAINING",
        errors.UnavailableError,
        "every RPC of `speech.v1`",
        "The server is about to stop. An open stream has the results of what was received before it.",
        "Go on with a new call, on another server where there is one.",
    ),
    ErrorReason(
        "SHUTTING_DOWN",
        errors.UnavailableError,
        _WORK,
        "The server stopped before the work was done.",
        "Ask again on a new call, on another server where there is one.",
    ),
    ErrorReason(
        "UNAVAILABLE",
        errors.UnavailableError,
        _WORK,
        "A part of the server cannot be started at the moment.",
        f"Try again later. {_LOOK_AT_LOG}",
    ),
    ErrorReason(
        "WORKER_LOST",
        errors.UnavailableError,
        _WORK,
        "The worker process cannot be started, or cannot be kept running.",
        f"Try again later. {_LOOK_AT_LOG}",
    ),
    ErrorReason(
        "WORK_LOST",
        errors.UnavailableError,
        f"{_RECOGNIZE}, {_ALIGN}",
        "Work that the session cannot do without was given up.",
        "Send the audio again on a new call.",
    ),
    ErrorReason(
        "MODEL_LOAD_FAILED",
        errors.UnavailableError,
        f"{_WORK}; LoadModel",
        "The model cannot be loaded.",
        f"{_LOOK_AT_LOG} `speech-service doctor --load` checks the files.",
    ),
    ErrorReason(
        "TRANSLATION_FAILED",
        errors.UnavailableError,
        f"{_TRANSLATE}, TranslateSpeech",
        "The translator gave no usable answer for any of the text.",
        "Ask again; send less at once.",
    ),
    ErrorReason(
        "CONFIG_TIMEOUT",
        errors.StreamAbortedError,
        _STREAMS,
        "No first message came within `stream.config_timeout_s`.",
        "Open the stream when `config` is ready to be sent.",
    ),
    ErrorReason(
        "IDLE_TIMEOUT",
        errors.StreamAbortedError,
        _STREAMS,
        "Nothing came from the client within `stream.idle_timeout_s`.",
        "Send audio, text, `silence` or `keep_alive` in time.",
    ),
    ErrorReason(
        "CLIENT_NOT_READING",
        errors.StreamAbortedError,
        f"{_STREAMS}, and SynthesizeChunked",
        "The client did not read replies within `stream.slow_reader_timeout_s`.",
        "Read and write a stream at the same time.",
    ),
    ErrorReason(
        "DEADLINE_EXCEEDED",
        errors.DeadlineError,
        _WORK,
        "The deadline of the call passed before the work was done.",
        "Give the call more time, or send less at once.",
    ),
    ErrorReason(
        "CANCELLED",
        errors.CancelledWorkError,
        _WORK,
        "The client cancelled, or went away.",
        "Nothing to do.",
    ),
    ErrorReason(
        "INTERNAL",
        errors.InternalError,
        "every RPC",
        "A bug in the service. The message holds only the request id; what happened is in the server's log.",
        "Report it with the request id.",
    ),
)
_BACKEND_NAMES = {
    "RECOGNIZER": "recognition",
    "SYNTHESIZER": "synthesis",
    "TRANSLATOR": "translation",
}
BACKEND_ERRORS = (
    *(
        ErrorReason(
            f"{subject}_MISCONFIGURED",
            errors.PreconditionError,
            _BACKENDS,
            f"The {what} server takes no request of ours: its key, address or model is wrong.",
            "Ask the operator to correct the options of the model; the message says what is wrong.",
        )
        for subject, what in _BACKEND_NAMES.items()
    ),
    *(
        ErrorReason(
            f"{subject}_REFUSED",
            errors.PreconditionError,
            _BACKENDS,
            f"The {what} server does not take this input, or one of its options.",
            "Send another input, shorter for instance, or leave the option out.",
        )
        for subject, what in _BACKEND_NAMES.items()
    ),
    *(
        ErrorReason(
            f"{subject}_UNAVAILABLE",
            errors.UnavailableError,
            _BACKENDS,
            f"The {what} server is down, slow or overloaded.",
            "Try again later.",
        )
        for subject, what in _BACKEND_NAMES.items()
    ),
    ErrorReason(
        "TRANSLATOR_USELESS_ANSWER",
        errors.UnavailableError,
        _BACKENDS,
        "The answers of the translation server hold no translation of the text.",
        "Try again, or choose a model that follows instructions.",
    ),
)
ERRORS = {
    "The request": REQUEST_ERRORS,
    "Who calls": ACCESS_ERRORS,
    "Audio": AUDIO_ERRORS,
    "Models, voices and sessions": RESOURCE_ERRORS,
    "The server and the stream": SERVER_ERRORS,
    "Servers behind this one": BACKEND_ERRORS,
}
"""Reasons of errors by what they are about."""
