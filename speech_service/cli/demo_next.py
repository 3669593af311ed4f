"""What the demo says to try next: commands that run as they are printed, where the demo was started."""

import shlex
import shutil
import sys
from pathlib import Path

_PROGRAM = "speech-service"

_NEXT = """\
Start the service                {program} serve
Recognize a file, or yours       {program} recognize {spoken}
As it is spoken                  {program} listen {spoken}
  or dictate                     {program} listen mic
Speak                            {program} synthesize "Hello there." -o hello.wav
When is each word spoken         {program} align hello.wav --text "Hello there."
Translate                        {program} translate "Good morning." --to pt
Subtitles                        {program} recognize {spoken} --srt
What it can do                   {program} models
Is all well?                     {program} doctor
List services, with grpcurl      grpcurl -plaintext localhost:50051 list
  or with buf                    buf curl --protocol grpc --http2-prior-knowledge \
http://localhost:50051 --list-services
Recognize, with grpcurl          printf '{{"config":{{"audio":{{"auto_detect":{{}}}}}},"audio":"%s"}}' \
"$(base64 -w0 {spoken})" | grpcurl -plaintext -d @ localhost:50051 speech.v1.RecognitionService/Recognize
  or with buf                    printf '{{"config":{{"audio":{{"auto_detect":{{}}}}}},"audio":"%s"}}' \
"$(base64 -w0 {spoken})" | buf curl --protocol grpc --http2-prior-knowledge -d @- \
http://localhost:50051/speech.v1.RecognitionService/Recognize
Load with k6, after make setup   .venv/bin/python -m benchmarks k6_load"""


def next_commands(spoken: Path, program: str) -> str:
    """Give the lines; ``spoken`` is a recording that the demo left, ``program`` how the command line is started."""
    return _NEXT.format(program=program, spoken=shlex.quote(str(spoken)))


def how_started(script: str, here: Path) -> str:
    """Say how a user starts this program again from the folder ``here``.

    Args:
        script: what was run: ``sys.argv[0]``.
        here: the current folder.
    """
    run = Path(script).absolute()
    found = shutil.which(_PROGRAM)
    if found is not None and Path(found).resolve() == run.resolve():
        return _PROGRAM
    if run.name == _PROGRAM:
        return shlex.quote(_from(run, here))
    # `python -m speech_service`: by the script that was installed beside this Python, if there is one.
    beside = Path(sys.executable).with_name(_PROGRAM)
    if beside.is_file():
        return how_started(str(beside), here)
    return f"{shlex.quote(_from(Path(sys.executable), here))} -m speech_service"


def _from(file: Path, here: Path) -> str:
    """Write a path as short as it can be from a folder."""
    return str(file.relative_to(here)) if file.is_relative_to(here) else str(file)
