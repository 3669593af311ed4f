"""The official Qwen packages as backends: to compare with and to migrate from."""
