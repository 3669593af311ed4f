"""The parts that all Qwen3 networks are made of."""
