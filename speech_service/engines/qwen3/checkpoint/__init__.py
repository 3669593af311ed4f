"""Released checkpoints: found, checked, and read tensor by tensor."""
