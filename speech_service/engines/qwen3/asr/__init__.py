"""Qwen3-ASR: prompts, reading of audio, decoding strategies and the engine that batches them."""
