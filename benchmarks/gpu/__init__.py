"""``python -m benchmarks.gpu`` (``make bench-gpu``): the Qwen3 engines on a CUDA GPU, full-size random weights.

Random weights give true timings at fixed shapes and nothing else. Lengths are forced and acceptance is scripted
(``scripting.py``), and every figure says so: "random weights, scripted". Rows that concern users go over gRPC, to a
server on other cores than the clients'; the others drive an engine in their process, and need torch, safetensors,
tokenizers and numpy alone.
"""
