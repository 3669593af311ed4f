"""TranslationService."""
