"""SynthesisService."""
