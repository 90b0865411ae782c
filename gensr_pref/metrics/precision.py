"""Numerical precision of the torch models that score."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import torch


@contextmanager
def full_precision() -> Iterator[None]:
    """Run inference in float32 with deterministic kernels, whatever the process has set.

    By default a GPU's convolutions and LSTMs round their input to TF32, with 10 bits of mantissa.
    """
    before = torch.get_float32_matmul_precision()
    torch.set_float32_matmul_precision("highest")
    exact = torch.backends.cudnn.flags(
        enabled=True, benchmark=False, deterministic=True, allow_tf32=False
    )
    try:
        with exact, torch.inference_mode():
            yield
    finally:
        torch.set_float32_matmul_precision(before)
