"""The state machine behind Synthesize, SynthesizeChunked and StreamingSynthesize."""
