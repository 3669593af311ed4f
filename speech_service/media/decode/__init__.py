"""Containers and Opus packets in, float32 audio out."""
