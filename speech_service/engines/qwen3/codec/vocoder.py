"""From latent frames to samples: upsampling, ConvNeXt (Liu et al. 2022), Snake activations (Ziyin et al. 2020)."""

# torch declares its types in part only.
# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false, reportUnknownArgumentType=false

from torch import Tensor, nn
from torch.nn.functional import gelu, layer_norm, linear

from speech_service.engines.qwen3.codec.kernels import PLAIN
from speech_service.engines.qwen3.codec.streaming import CausalConv, CausalUpsampling, StateTape
from speech_service.engines.qwen3.nn.block import Tensors

_DILATIONS = (1, 3, 9)
_NORM_EPS = 1e-6
_SNAKE_EPS = 1e-9


class LatentUpsampling(nn.Module):
    """Longer by a factor, then one ConvNeXt block."""

    def __init__(self, tensors: Tensors, name: str, rate: int) -> None:
        super().__init__()
        self.upsample = CausalUpsampling(tensors, f"{name}.0.conv", rate)
        block = f"{name}.1"
        channels = tensors(f"{block}.gamma").shape[0]
        self.depthwise = CausalConv(tensors, f"{block}.dwconv.conv", groups=channels)
        self.norm_weight = nn.Parameter(tensors(f"{block}.norm.weight"))
        self.norm_bias = nn.Parameter(tensors(f"{block}.norm.bias"))
        self.wide_weight = nn.Parameter(tensors(f"{block}.pwconv1.weight"))
        self.wide_bias = nn.Parameter(tensors(f"{block}.pwconv1.bias"))
        self.narrow_weight = nn.Parameter(tensors(f"{block}.pwconv2.weight"))
        self.narrow_bias = nn.Parameter(tensors(f"{block}.pwconv2.bias"))
        self.scale = nn.Parameter(tensors(f"{block}.gamma"))

    def forward(self, x: Tensor, tape: StateTape) -> Tensor:
        """[streams, latent, n] -> [streams, latent, n * rate]."""
        x = self.upsample(x, tape)
        y = self.depthwise(x, tape).transpose(1, 2)
        y = layer_norm(y, (y.shape[-1],), self.norm_weight, self.norm_bias, _NORM_EPS)
        y = gelu(linear(y, self.wide_weight, self.wide_bias))
        y = self.scale * linear(y, self.narrow_weight, self.narrow_bias)
        return x + y.transpose(1, 2)


class Vocoder(nn.Module):
    """Latent frames to one channel of samples within [-1, 1]."""

    def __init__(self, tensors: Tensors, name: str, rates: tuple[int, ...]) -> None:
        super().__init__()
        self.first = CausalConv(tensors, f"{name}.0.conv")
        self.blocks = nn.ModuleList(
            VocoderBlock(tensors, f"{name}.{index}.block", rate)
            for index, rate in enumerate(rates, start=1)
        )
        self.snake = Snake(tensors, f"{name}.{len(rates) + 1}")
        self.last = CausalConv(tensors, f"{name}.{len(rates) + 2}.conv")

    def forward(self, x: Tensor, tape: StateTape) -> Tensor:
        """[streams, latent, n] -> [streams, n * product of the rates]."""
        x = self.first(x, tape)
        for block in self.blocks:
            x = block(x, tape)
        return self.last(self.snake(x), tape).squeeze(1).clamp(-1.0, 1.0)


class VocoderBlock(nn.Module):
    """Longer by a factor, then units of growing dilation."""

    def __init__(self, tensors: Tensors, name: str, rate: int) -> None:
        super().__init__()
        self.snake = Snake(tensors, f"{name}.0")
        self.upsample = CausalUpsampling(tensors, f"{name}.1.conv", rate)
        self.units = nn.ModuleList(
            ResidualUnit(tensors, f"{name}.{index}", dilation)
            for index, dilation in enumerate(_DILATIONS, start=2)
        )

    def forward(self, x: Tensor, tape: StateTape) -> Tensor:
        """[streams, channels, n] -> [streams, other channels, n * rate]."""
        x = self.upsample(self.snake(x), tape)
        for unit in self.units:
            x = unit(x, tape)
        return x


class ResidualUnit(nn.Module):
    """Two convolutions beside the identity."""

    def __init__(self, tensors: Tensors, name: str, dilation: int) -> None:
        super().__init__()
        self.snake_in = Snake(tensors, f"{name}.act1")
        self.wide = CausalConv(tensors, f"{name}.conv1.conv", dilation=dilation)
        self.snake_out = Snake(tensors, f"{name}.act2")
        self.narrow = CausalConv(tensors, f"{name}.conv2.conv")

    def forward(self, x: Tensor, tape: StateTape) -> Tensor:
        """[streams, channels, n] -> the same."""
        y = self.wide(self.snake_in(x), tape)
        return x + self.narrow(self.snake_out(y), tape)


class Snake(nn.Module):
    """x + sin²(a x) / b per channel; the release stores the logarithms of a and b."""

    def __init__(self, tensors: Tensors, name: str) -> None:
        super().__init__()
        self.frequency = nn.Parameter(tensors(f"{name}.alpha").exp()[:, None])
        self.height = nn.Parameter(1.0 / (tensors(f"{name}.beta").exp()[:, None] + _SNAKE_EPS))
        self.kernel = PLAIN.snake

    def forward(self, x: Tensor) -> Tensor:
        """[streams, channels, n] -> the same."""
        return self.kernel(x, self.frequency, self.height)
