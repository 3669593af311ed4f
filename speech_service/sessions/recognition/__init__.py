"""The state machine behind Recognize and StreamingRecognize."""
