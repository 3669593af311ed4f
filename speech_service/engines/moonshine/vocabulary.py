"""Which tokens the decoder chooses from: those that training has touched.

The tokenizer is a general one: a fifth of its pieces - other scripts, programming languages - never came up when this
model learnt English. Training left their rows of the output layer where it began, close together; the rows of all
others moved away. A row that nothing moved says nothing about speech, so it need not be read at each step, which
reads the whole layer: half of the decoder's weights.
"""

import numpy as np
from numpy.typing import NDArray

from speech_service.engines.formats.onnx import Tensor
from speech_service.engines.formats.ort import OrtFile, integers

VOCABULARY = 32_768
LOGITS = "logits"
"""What the packaged output layer puts out."""
_MOVED = 0.6
"""Rows nearer to the centre than this share of the median distance were not trained. Below it lies not one
English word; tokens that speech brings lie above 0.75 (``tests/contract/test_moonshine_vocabulary.py``)."""


def trained_tokens(decoder: OrtFile) -> NDArray[np.int64]:
    """Tokens that training has touched, in ascending order."""
    _, weights, _, zero_point, *_ = decoder.wiring[LOGITS]
    rows = integers(decoder.tensors[weights]).T.astype(np.float32)
    rows -= np.float32(integers(decoder.tensors[zero_point]).item())
    distances = np.linalg.norm(rows - rows.mean(axis=0), axis=1)
    return np.flatnonzero(distances >= _MOVED * np.median(distances))


def output_layer(decoder: OrtFile, tokens: NDArray[np.int64]) -> Tensor:
    """The packaged output layer for ``tokens`` alone."""
    packaged = decoder.tensors[decoder.wiring[LOGITS][1]]
    columns = integers(packaged)[:, tokens]
    return Tensor(packaged.element_type, columns.shape, columns.tobytes())
