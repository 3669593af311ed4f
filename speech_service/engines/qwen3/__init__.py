"""The Qwen3 speech models on plain torch modules: recognition, forced alignment, synthesis."""
