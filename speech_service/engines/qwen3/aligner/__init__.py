"""The forced aligner (Qwen3-ForcedAligner): audio and its words in, two times for each word out, in one pass."""
