"""What networks have in common when their weights are read."""

# torch declares its types in part only.
# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false, reportUnknownArgumentType=false

from collections.abc import Callable, Sequence
from typing import Any

from torch import Tensor, nn
from torch.overrides import TorchFunctionMode


class WithoutInitialValues(TorchFunctionMode):
    """Inside, modules are made without random parameters, which take half a minute for 0.6 B of them on one core.

    Every parameter must be read from the checkpoint afterwards: until then it holds anything.
    """

    def __torch_function__(
        self,
        func: Callable[..., Any],
        types: Sequence[type],
        args: tuple[Any, ...] = (),
        kwargs: dict[str, Any] | None = None,
    ) -> Any:
        """Leave out what ``torch.nn.init`` would fill in."""
        del types
        if getattr(func, "__module__", None) == "torch.nn.init":
            return args[0] if args else (kwargs or {})["tensor"]
        return func(*args, **(kwargs or {}))


def linear_layer(weight: Tensor, bias: Tensor | None = None) -> nn.Linear:
    """A layer over tensors that were read: weight [out, in], bias [out]."""
    layer = nn.Linear(weight.shape[1], weight.shape[0], bias=bias is not None, device="meta")
    layer.weight = nn.Parameter(weight, requires_grad=False)
    if bias is not None:
        layer.bias = nn.Parameter(bias, requires_grad=False)
    return layer
