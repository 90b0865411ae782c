"""Precision of sums and logits under autocast."""

import torch
from torch import Tensor


def at_least_float32(values: Tensor) -> Tensor:
    """Return the values in float32, or unchanged if they are float64.

    Under autocast they may be bfloat16.
    """
    return values.to(torch.promote_types(values.dtype, torch.float32))
