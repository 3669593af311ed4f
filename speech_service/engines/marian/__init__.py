"""Marian translation models on ONNX-free numpy kernels of their package."""
