"""What the words of a written text sound like."""
