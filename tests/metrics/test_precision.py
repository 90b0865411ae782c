"""Tests that scores do not depend on precision settings of the process."""

import pytest
import torch

from gensr_pref.metrics.precision import full_precision


def precision_settings():
    return (
        torch.get_float32_matmul_precision(),
        torch.backends.cudnn.allow_tf32,
        torch.backends.cudnn.deterministic,
        torch.is_inference_mode_enabled(),
    )


def test_full_precision_ends_with_its_block():
    before = precision_settings()
    torch.set_float32_matmul_precision("medium")
    torch.backends.cudnn.allow_tf32 = True
    try:
        outside = precision_settings()
        with full_precision():
            assert precision_settings() == ("highest", False, True, True)
        assert precision_settings() == outside
        with pytest.raises(KeyError), full_precision():
            raise KeyError
        assert precision_settings() == outside
    finally:
        torch.set_float32_matmul_precision(before[0])
        torch.backends.cudnn.allow_tf32 = before[1]
