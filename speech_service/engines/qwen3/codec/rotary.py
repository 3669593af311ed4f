"""Rotary positions (Su et al. 2021, arXiv 2104.09864), halves side by side."""

import torch
from torch import Tensor


def rotary_frequencies(head_dim: int, theta: float) -> Tensor:
    """Radians per position: float32 [head_dim / 2]."""
    even = torch.arange(0, head_dim, 2, dtype=torch.float32)
    return theta ** (-even / head_dim)


def rotation(positions: Tensor, frequencies: Tensor, dtype: torch.dtype) -> tuple[Tensor, Tensor]:
    """Cosines and sines of positions [...]: [..., head_dim / 2] each."""
    angles = positions[..., None] * frequencies
    return angles.cos().to(dtype), angles.sin().to(dtype)


def rotate(x: Tensor, turn: tuple[Tensor, Tensor]) -> Tensor:
    """Turn [..., head_dim] by what :func:`rotation` gave for the places that it broadcasts to."""
    cos, sin = turn
    low, high = x.chunk(2, dim=-1)
    return torch.cat([low * cos - high * sin, high * cos + low * sin], dim=-1)
