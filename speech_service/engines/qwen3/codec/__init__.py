"""The 12.5 Hz speech codec of Qwen3-TTS: codes to samples, streaming; samples to codes, whole."""
