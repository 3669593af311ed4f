"""The state machine behind TranslateSpeech and StreamingTranslate."""
