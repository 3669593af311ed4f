"""AlignmentService."""
