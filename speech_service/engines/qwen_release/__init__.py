"""What every backend of a Qwen release knows of it: files, languages, voices, abilities. Nothing here needs torch."""
