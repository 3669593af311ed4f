"""Residual vector quantisation (Zeghidour et al. 2021, arXiv 2107.03312): one semantic codebook beside the others."""

# torch declares its types in part only.
# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false, reportUnknownArgumentType=false

import torch
from torch import Tensor, nn
from torch.nn.functional import conv1d, embedding

from speech_service.engines.qwen3.codec.shapes import CodecDecoderShape
from speech_service.engines.qwen3.nn.block import Tensors

SEMANTIC_CODEBOOKS = 1
_LEAST_USAGE = 1e-5


class SummedCodebooks(nn.Module):
    """Codes to latent frames: sums of code vectors, semantic and acoustic ones with a projection each."""

    def __init__(self, tensors: Tensors, name: str, shape: CodecDecoderShape) -> None:
        super().__init__()
        counts = (SEMANTIC_CODEBOOKS, shape.codebooks - SEMANTIC_CODEBOOKS)
        groups = (f"{name}.rvq_first", f"{name}.rvq_rest")
        books = [
            f"{group}.vq.layers.{index}._codebook"
            for group, count in zip(groups, counts, strict=True)
            for index in range(count)
        ]
        self.vectors = nn.Parameter(
            torch.cat(
                [
                    _means(tensors(f"{book}.embedding_sum"), tensors(f"{book}.cluster_usage"))
                    for book in books
                ]
            )
        )
        self.semantic = nn.Parameter(tensors(f"{groups[0]}.output_proj.weight"))
        self.acoustic = nn.Parameter(tensors(f"{groups[1]}.output_proj.weight"))
        offsets = torch.arange(shape.codebooks, device=self.vectors.device) * shape.codebook_size
        self.register_buffer("offsets", offsets, persistent=False)
        self.offsets: Tensor

    def forward(self, codes: Tensor) -> Tensor:
        """int64 [streams, n, codebooks] -> [streams, width, n]."""
        vectors = embedding(codes + self.offsets, self.vectors)
        semantic = vectors[:, :, :SEMANTIC_CODEBOOKS].sum(2).transpose(1, 2)
        acoustic = vectors[:, :, SEMANTIC_CODEBOOKS:].sum(2).transpose(1, 2)
        return conv1d(semantic, self.semantic) + conv1d(acoustic, self.acoustic)


class ResidualQuantizer(nn.Module):
    """Latent frames to codes: each codebook says what the ones before it left."""

    def __init__(self, tensors: Tensors, name: str, codebooks: int) -> None:
        super().__init__()
        self.projection = nn.Parameter(tensors(f"{name}.input_proj.weight"))
        books = [f"{name}.layers.{index}.codebook" for index in range(codebooks)]
        self.codebooks = nn.ParameterList(
            _means(tensors(f"{book}.embed_sum"), tensors(f"{book}.cluster_usage")) for book in books
        )

    def forward(self, x: Tensor) -> Tensor:
        """[1, width, frames] -> int64 [frames, codebooks]. Distances are measured in float32."""
        rest = conv1d(x, self.projection)[0].transpose(0, 1).float()
        codes: list[Tensor] = []
        for vectors in self.codebooks:
            nearest = torch.cdist(rest[None], vectors[None].float())[0].argmin(dim=-1)
            rest = rest - embedding(nearest, vectors).float()
            codes.append(nearest)
        return torch.stack(codes, dim=1)


def _means(sums: Tensor, usage: Tensor) -> Tensor:
    """Code vectors [codes, width] from the sums and counts that the release keeps."""
    return sums / usage.clamp(min=_LEAST_USAGE)[:, None]
