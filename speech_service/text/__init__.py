"""Text without models: sentences, normal forms, subtitles, repairs."""
