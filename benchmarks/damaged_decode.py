"""``python damaged_decode.py FOLDER``: decodes every file of a folder with the service's decoder, on its own.

Imports nothing of this package, so that the checkout on ``PYTHONPATH`` may be an older one. Of each file FILE it
writes FILE.f32 (mono), and of all ``decoded.json``: the sample rate, or what was refused.
"""

import asyncio
import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from speech_service.domain.errors import SpeechError
from speech_service.media.decode.pool import DecoderPool, decode_file


async def decode_all(files: Sequence[Path]) -> dict[str, dict[str, Any]]:
    """By file name."""
    pool = DecoderPool()
    results: dict[str, dict[str, Any]] = {}
    for file in files:
        try:
            rate, samples = await decode_file(pool, file.read_bytes())
        except SpeechError as error:
            results[file.name] = {"refused": error.reason}
            continue
        file.with_name(f"{file.name}.f32").write_bytes(samples.mean(axis=1).astype("<f4").tobytes())
        results[file.name] = {"rate": rate}
    await pool.close()
    return results


if __name__ == "__main__":
    place = Path(sys.argv[1])
    found = asyncio.run(decode_all(sorted(place.iterdir())))
    (place / "decoded.json").write_text(json.dumps(found))
