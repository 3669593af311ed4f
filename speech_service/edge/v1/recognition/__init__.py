"""RecognitionService."""
