"""Float32 audio in, the bytes of an output format out."""
