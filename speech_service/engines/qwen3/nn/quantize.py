"""Linear layers with eight-bit weights.

INT8 follows LLM.int8() and SmoothQuant (Dettmers et al. 2022, Xiao et al. 2023): a scale for each output channel of the
weight, and one for each token of the activation, found as it comes. The product is exact integer arithmetic, so a
token's result does not depend on the batch that it is in. FP8 is the same with e4m3 numbers on GPUs that multiply them.

On x86 CPUs without AVX-512 VNNI torch multiplies such matrices by plain loops, several times slower than float32
(github.com/pytorch/pytorch/pull/136942). FBGEMM (Khudia et al. 2021), which torch contains, is fast there, but adds two
products in sixteen bits, where they must have room: weights have seven bits there.
"""

# torch declares its types in part only.
# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false, reportUnknownArgumentType=false

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import NamedTuple
from warnings import catch_warnings, simplefilter

import torch
from torch import Tensor, nn
from torch.nn.functional import linear, pad

from speech_service.config.tree import ConfigError

_INT8_MAX = 127.0
_INT7_MAX = 63.0
"""255 * 63 + 255 * 63 is the largest sum of two products that sixteen bits hold."""
_MIDDLE = 128
"""What stands for zero in FBGEMM's activations, which have no sign."""
LEAST_SCALE = 1e-12
FP8_TOP = torch.finfo(torch.float8_e4m3fn).max
_FP8_CAPABILITY = (8, 9)
_CUDA_ROWS = 17
"""cuBLAS multiplies eight-bit matrices of more than 16 rows only."""
_MIGRATION = 0.5
"""SmoothQuant's alpha: how much of an activation's spread moves into the weight."""


class ScaledRows(NamedTuple):
    """Rows in eight bits [n or more, in], and what each row is multiplied with, float32 [n, 1]."""

    values: Tensor
    scales: Tensor


class RowFormat(NamedTuple):
    """Eight bits that a layer wants rows in."""

    dtype: torch.dtype
    top: float
    """The largest number of a row becomes this one."""
    least_rows: int = 1
    """Rows that there must be; what those hold that are filled up is nobody's."""
    shrink: Tensor | None = None
    """float [in], what each channel is multiplied with before."""


FP8 = RowFormat(torch.float8_e4m3fn, FP8_TOP)


class IntProducts(NamedTuple):
    """Products of eight-bit integers, whose scales are left to whoever reads them."""

    values: Tensor
    """int32 [n or more, out]."""
    rows: Tensor
    """float32 [n, 1]."""
    columns: Tensor
    """float32 [out]."""

    def floats(self) -> Tensor:
        """float32 [n, out]."""
        return self.values[: len(self.rows)] * self.rows * self.columns


def scaled_rows(x: Tensor, form: RowFormat = FP8) -> ScaledRows:
    """Rows [n, in] in eight bits, the largest number of each as large as can be."""
    x = x.float() if form.shrink is None else x.float() * form.shrink.float()
    scales = x.abs().amax(dim=-1, keepdim=True).clamp(min=LEAST_SCALE) / form.top
    found = (x / scales).clamp(-form.top, form.top)
    found = found.round() if form.dtype is torch.int8 else found
    values = found.to(form.dtype)
    missing = form.least_rows - len(x)
    return ScaledRows(pad(values, (0, 0, 0, missing)) if missing > 0 else values, scales)


class Int8Linear(nn.Module):
    """Weights and activations in eight bits (W8A8)."""

    weight_top = _INT8_MAX
    """The largest weight of a row becomes this one."""

    def __init__(self, weight: Tensor, peaks: Tensor | None = None) -> None:
        """Quantise a weight.

        Args:
            weight: float [out, in].
            peaks: float [in], largest activation of each channel as seen in calibration; None: no smoothing.
        """
        super().__init__()
        smooth = None if peaks is None else _smoothing(weight, peaks)
        values, scale = _channels(weight if smooth is None else weight * smooth, self.weight_top)
        self.register_buffer("scale", scale)
        self.register_buffer("shrink", None if smooth is None else smooth.reciprocal())
        self.scale: Tensor
        self.shrink: Tensor | None
        self._least_rows = _CUDA_ROWS if weight.is_cuda else 1
        self._keep(values)

    @property
    def form(self) -> RowFormat:
        """What :meth:`products` takes."""
        return RowFormat(torch.int8, _INT8_MAX, _CUDA_ROWS, self.shrink)

    def products(self, rows: ScaledRows) -> IntProducts:
        """The same of rows that are scaled, on a GPU: one kernel."""
        found = torch.ops.aten._int_mm(rows.values, self.values.T)
        return IntProducts(found, rows.scales, self.scale)

    def forward(self, x: Tensor) -> Tensor:
        """[n, in] -> [n, out], in the dtype of ``x``."""
        smooth = x if self.shrink is None else x * self.shrink
        peak = smooth.abs().amax(dim=-1, keepdim=True).float()
        scale = peak.clamp_(min=LEAST_SCALE).div_(_INT8_MAX)
        products = self._multiply((smooth / scale).round_())
        return (products * scale).mul_(self.scale).to(x.dtype)

    def _keep(self, values: Tensor) -> None:
        """Keep the weight, int8 [out, in]."""
        self.register_buffer("values", values)
        self.values: Tensor

    def _multiply(self, tokens: Tensor) -> Tensor:
        """Exact products of whole numbers, float [n, in] -> [n, out]."""
        missing = self._least_rows - tokens.shape[0]
        whole = tokens.to(torch.int8)
        padded = pad(whole, (0, 0, 0, missing)) if missing > 0 else whole
        return torch.ops.aten._int_mm(padded, self.values.T)[: tokens.shape[0]]


class FbgemmInt8Linear(Int8Linear):
    """The same with FBGEMM, and weights in seven bits."""

    weight_top = _INT7_MAX

    def _keep(self, values: Tensor) -> None:
        ones = torch.ones(len(values), dtype=torch.double)
        zeros = torch.zeros(len(values), dtype=torch.long)
        with catch_warnings():
            # torch 2.13 says that such tensors will go. oneDNN's product, which stays, is slower for few rows.
            simplefilter("ignore", UserWarning)
            known = torch.quantize_per_channel(values.float(), ones, zeros, 0, torch.qint8)
        self._packed = torch.ops.quantized.linear_prepack(known, None)

    def _multiply(self, tokens: Tensor) -> Tensor:
        multiply = torch.ops.quantized.linear_with_input_q_dq_qweight_dq_output_fp32
        return multiply(tokens.float(), 1.0, _MIDDLE, self._packed)


class Int8WeightLinear(nn.Module):
    """Weights in eight bits, activations as they are: half the memory of bfloat16, smaller error than W8A8.

    Weights are widened for every product, which costs time.
    """

    def __init__(self, weight: Tensor) -> None:
        super().__init__()
        values, scale = _channels(weight, _INT8_MAX)
        self.register_buffer("values", values)
        self.register_buffer("scale", scale.to(weight.dtype))
        self.values: Tensor
        self.scale: Tensor

    def forward(self, x: Tensor) -> Tensor:
        """[n, in] -> [n, out], in the dtype of ``x``, which is that of the original weight."""
        return linear(x, self.values.to(x.dtype)) * self.scale


class PackedInt8WeightLinear(Int8WeightLinear):
    """The same with a kernel that reads the bytes as they are, and is fast for a few tokens: bfloat16 on the CPU."""

    def forward(self, x: Tensor) -> Tensor:
        """[n, in] bfloat16 -> [n, out]."""
        return torch.ops.aten._weight_int8pack_mm(x, self.values, self.scale)


class Fp8Linear(nn.Module):
    """Weights and activations in e4m3, scaled by row; needs a GPU of compute capability 8.9 or more."""

    form = FP8

    def __init__(self, weight: Tensor) -> None:
        super().__init__()
        values, scales = scaled_rows(weight)
        self.register_buffer("values", values)
        self.register_buffer("scale", scales.T)
        self.values: Tensor
        self.scale: Tensor

    def forward(self, x: Tensor | ScaledRows) -> Tensor:
        """[n, in] -> bfloat16 [n, out]. Whoever has just computed the rows does better to scale them at once."""
        tokens, scales = x if isinstance(x, ScaledRows) else scaled_rows(x)
        return torch.ops.aten._scaled_mm(
            tokens,
            self.values.T,
            scales,
            self.scale,
            out_dtype=torch.bfloat16,  # the only one that every torch has for scales by row
        )


Quantise = Callable[[str, nn.Linear], nn.Module]
"""Makes the layer that takes the place of the one of that name."""


def linears(module: nn.Module) -> Iterator[tuple[str, nn.Linear]]:
    """Layers that may be replaced, with their dotted names."""
    for name, part in module.named_modules():
        if isinstance(part, nn.Linear):
            yield name, part


def replace_linears(module: nn.Module, quantise: Quantise) -> None:
    """Replace every linear layer inside ``module``. The weights of those replaced are freed one by one."""
    for name, part in list(linears(module)):
        owner, _, own_name = name.rpartition(".")
        setattr(module.get_submodule(owner), own_name, quantise(name, part))


def quantiser(
    method: str, dtype: torch.dtype, device: str, peaks: Mapping[str, Tensor] | None = None
) -> Quantise | None:
    """What replaces linear layers under a method; None: nothing does.

    Args:
        method: "none", "int8", "int8-weights" or "fp8".
        dtype: of activations.
        device: where the layers are.
        peaks: of :class:`InputRecorder`, for smoothing under "int8"; None: no smoothing.

    Raises:
        ConfigError: this machine cannot do it.
    """
    if method == "none":
        return None
    if method == "fp8":
        _check_fp8(device)
    is_packed = dtype is torch.bfloat16 and not device.startswith("cuda")
    weights = PackedInt8WeightLinear if is_packed else Int8WeightLinear
    if method == "int8":
        known = peaks or {}
        if device.startswith("cuda"):
            return lambda name, part: int8_layer(name, part, known.get(name))
        layer = Int8Linear if _multiplies_int8() else FbgemmInt8Linear
        return lambda name, part: layer(part.weight.detach(), known.get(name))
    if method == "fp8":
        return fp8_layer
    return lambda name, part: weights(part.weight.detach())


def fp8_layer(name: str, part: nn.Linear) -> nn.Module:
    """What takes a layer's place under "fp8".

    Only layers behind a norm or a gate, whose kernels scale rows in passing: others would lose more than they win.
    """
    return Fp8Linear(part.weight.detach()) if _is_behind_kernel(name) else part


def int8_layer(name: str, part: nn.Linear, peaks: Tensor | None = None) -> nn.Module:
    """The same under "int8" on a GPU. What reads the products has kernels too, which scale them."""
    return Int8Linear(part.weight.detach(), peaks) if _is_behind_kernel(name) else part


def _is_behind_kernel(name: str) -> bool:
    return name.rpartition(".")[2] in ("qkv", "gate_up", "down")


def _multiplies_int8() -> bool:
    """Whether torch's own product of eight-bit matrices is fast on this CPU, or there is no other."""
    has_fbgemm = "fbgemm" in torch.backends.quantized.supported_engines
    return not has_fbgemm or bool(torch.cpu.get_capabilities()["avx512_vnni"])


def _check_fp8(device: str) -> None:
    if not device.startswith("cuda") or not torch.cuda.is_available():
        raise ConfigError('quantize: "fp8" needs an NVIDIA GPU; device says ' + repr(device))
    found = torch.cuda.get_device_capability(device)
    if found < _FP8_CAPABILITY:
        needed = ".".join(map(str, _FP8_CAPABILITY))
        raise ConfigError(
            f'quantize: "fp8" needs compute capability {needed}; this GPU has {found[0]}.{found[1]}. '
            'Use "int8" or "none".'
        )


@dataclass(frozen=True, slots=True)
class LayerError:
    """How much one layer's output changes: root mean square of the difference over that of the output."""

    name: str
    relative_rms: float


@torch.no_grad()
def layer_errors(
    module: nn.Module, quantise: Quantise, inputs: Mapping[str, Tensor]
) -> list[LayerError]:
    """Compare each layer with the one that would take its place, on inputs that it was really given.

    Args:
        module: not quantised.
        quantise: as for :func:`replace_linears`.
        inputs: float [n, in] by layer name, from :class:`InputRecorder`.
    """
    errors: list[LayerError] = []
    for name, part in linears(module):
        if name in inputs:
            exact = part(inputs[name]).float()
            rough = quantise(name, part)(inputs[name]).float()
            share = (rough - exact).square().mean() / exact.square().mean().clamp(min=1e-30)
            errors.append(LayerError(name, float(share.sqrt())))
    return errors


class InputRecorder:
    """Records what the linear layers of a module are given, while it is entered.

    Args:
        module: whose layers are watched.
        rows: of each layer that are kept whole; the largest values are those of all rows.
    """

    def __init__(self, module: nn.Module, rows: int) -> None:
        self._module = module
        self._rows = rows
        self._handles: list[torch.utils.hooks.RemovableHandle] = []
        self.inputs: dict[str, Tensor] = {}
        """float [at most rows, in] by layer name."""
        self.peaks: dict[str, Tensor] = {}
        """float [in], largest activation of each channel, by layer name: what smoothing needs."""

    def __enter__(self) -> "InputRecorder":
        """Begin to record."""
        for name, part in linears(self._module):
            self._handles.append(part.register_forward_pre_hook(self._hook(name)))
        return self

    def __exit__(self, *exception: object) -> None:
        """Stop."""
        for handle in self._handles:
            handle.remove()

    def _hook(self, name: str) -> Callable[[nn.Module, tuple[Tensor, ...]], None]:
        def record(part: nn.Module, arguments: tuple[Tensor, ...]) -> None:
            del part
            rows = arguments[0].detach().flatten(0, -2)
            peaks = rows.abs().amax(dim=0)
            self.peaks[name] = torch.maximum(self.peaks.get(name, peaks), peaks)
            known = self.inputs.get(name, rows[:0])
            self.inputs[name] = torch.cat([known, rows[: self._rows - len(known)]])

        return record


def _channels(weight: Tensor, top: float) -> tuple[Tensor, Tensor]:
    """int8 [out, in], at most ``top``, and float32 scales [out]."""
    scale = weight.abs().amax(dim=1).float().clamp(min=LEAST_SCALE) / top
    return (weight.float() / scale[:, None]).round().to(torch.int8), scale


def _smoothing(weight: Tensor, peaks: Tensor) -> Tensor:
    """What each input channel of the weight is multiplied with, and of the activation divided by."""
    wanted = peaks.float().clamp(min=1e-5) ** _MIGRATION
    own = weight.abs().amax(dim=0).float().clamp(min=1e-5) ** (1 - _MIGRATION)
    return (wanted / own).to(weight.dtype)
