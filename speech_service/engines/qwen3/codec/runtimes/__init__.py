"""The codec's decoder on several runtimes."""
