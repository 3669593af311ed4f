"""Random tensors that are the same bits on every machine, and their fingerprint."""

import hashlib
import math
import zlib
from collections.abc import Iterable, Mapping, Sequence

import numpy as np
import torch
from torch import Tensor


class Draw:
    """Draws each tensor from its own stream, named by the seed and the tensor's name.

    The raw words of PCG64 are guaranteed by NumPy to stay as they are, and the steps from there are
    exact or correctly rounded; ``torch.randn`` depends on the instruction set. A tensor does not
    change when others come or go, so that a draft shares the layers that it has in common with its target.
    """

    def __init__(self, seed: int) -> None:
        self._seed = seed

    def uniform(self, name: str, shape: Sequence[int], deviation: float) -> Tensor:
        """Give float32 numbers, uniform around zero, with this standard deviation."""
        bits = np.random.PCG64([self._seed, zlib.crc32(name.encode())])
        words = bits.random_raw(math.prod(shape)) >> np.uint64(40)
        unit = (words.astype(np.float64) + 0.5) / 2.0**24 - 0.5
        return torch.from_numpy((unit * (deviation * math.sqrt(12.0))).astype(np.float32)).reshape(
            tuple(shape)
        )

    def weight(self, name: str, shape: Sequence[int], gain: float = 1.0) -> Tensor:
        """Give a weight whose output has about ``gain`` times the variation of its input.

        Everything but the first axis is taken for the fan-in, as in a linear map or a convolution.
        """
        return self.uniform(name, shape, gain / math.sqrt(math.prod(shape[1:])))

    def signs(self, name: str, size: int) -> Tensor:
        """Give +1 and -1 in random order."""
        return torch.sign(self.uniform(name, (size,), 1.0))


def digest(tensors: Mapping[str, Tensor]) -> str:
    """Give the SHA-256 of names, dtypes, shapes and contents, in the order of the names."""
    sha = hashlib.sha256()
    for name in sorted(tensors):
        tensor = tensors[name].contiguous()
        sha.update(f"{name} {tensor.dtype} {tuple(tensor.shape)}\n".encode())
        sha.update(tensor.reshape(-1).view(torch.uint8).numpy().tobytes())
    return sha.hexdigest()


def without(tensors: Mapping[str, Tensor], prefixes: Iterable[str]) -> dict[str, Tensor]:
    """Give the tensors whose names start with none of the prefixes."""
    excluded = tuple(prefixes)
    return {name: value for name, value in tensors.items() if not name.startswith(excluded)}
