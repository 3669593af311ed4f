"""Qwen3-TTS: a talker that says one code per frame, a predictor that adds 15, a codec that makes them sound."""
