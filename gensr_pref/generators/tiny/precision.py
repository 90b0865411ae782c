"""Which precision the networks' sums are in."""

import torch
from torch import Tensor


def at_least_float32(values: Tensor) -> Tensor:
    """Values in float32, or in float64 where they are: autocast may have made them bfloat16."""
    return values.to(torch.promote_types(values.dtype, torch.float32))
