"""speech.admin.v1: for operators, on the admin port."""
