"""Model files read and written as data: ONNX, ONNX Runtime's own format."""
