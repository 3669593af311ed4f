"""Where graphs and tensors are computed: ONNX Runtime, TensorRT, torch; cores and streams."""
