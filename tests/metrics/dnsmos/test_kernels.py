"""Tests of the DNSMOS kernels against torch's dense convolutions, on typical and other inputs."""

import numpy as np
import pytest
import torch
from torch.nn import functional as F

from gensr_pref.metrics.dnsmos import kernels
from gensr_pref.metrics.dnsmos.networks import Layer, Network


def layer(rng, channels, outputs):
    weight = rng.normal(size=(outputs, channels, 3, 3), scale=(9 * channels) ** -0.5)
    return Layer(weight.astype(np.float32), rng.normal(size=outputs).astype(np.float32))


def dense(x, stages):
    """Apply convolutions, ReLUs and the pooling between stages in torch; [T, F, C] in and out."""
    values = torch.from_numpy(x).permute(2, 0, 1)[None].double()
    for at, stage in enumerate(stages):
        values = F.max_pool2d(values, 2) if at else values
        for part in stage:
            weight, bias = (torch.from_numpy(a).double() for a in (part.weight, part.bias))
            values = F.conv2d(values, weight, bias, padding=1).relu()
    return values[0].permute(1, 2, 0).numpy()


def apply_stages(x, network):
    for stage in kernels.make_stages(network):
        x = stage(x)
    return x


@pytest.mark.parametrize("share", [0, 0.1, 0.5, 1])
@pytest.mark.parametrize("shape", [(1, 1), (2, 3), (9, 7), (8, 20)])
def test_a_layer_equals_a_dense_convolution_at_any_sparsity(shape, share):
    rng = np.random.default_rng(0)
    x = rng.normal(size=(*shape, 13)).astype(np.float32)
    x[rng.random(x.shape) >= share] = 0
    stages = ((layer(rng, 13, 16),),)
    assert apply_stages(x, Network(stages, ())) == pytest.approx(dense(x, stages), abs=1e-5)


@pytest.mark.parametrize("shape", [(24, 20), (25, 21)])
def test_stages_with_pooling_equal_dense_convolutions(shape):
    rng = np.random.default_rng(1)
    x = rng.normal(size=(*shape, 1)).astype(np.float32)
    stages = (
        (layer(rng, 1, 48), layer(rng, 48, 32), layer(rng, 32, 16)),
        (layer(rng, 16, 8),),
        (layer(rng, 8, 8), layer(rng, 8, 5)),
    )
    assert apply_stages(x, Network(stages, ())) == pytest.approx(dense(x, stages), abs=1e-5)


def test_an_output_has_the_same_bits_in_any_part_of_a_signal():
    rng = np.random.default_rng(2)
    x = rng.normal(size=(60, 20, 1)).astype(np.float32)
    network = Network(((layer(rng, 1, 48), layer(rng, 48, 16)),), ())
    whole, piece = apply_stages(x, network), apply_stages(x[10:50], network)
    assert np.array_equal(piece[2:-2], whole[12:48])
    assert not np.array_equal(piece[:2], whole[10:12])


def test_filters_equal_a_matrix_product_with_frames():
    rng = np.random.default_rng(3)
    samples, filters = rng.normal(size=1_000), rng.normal(size=(320, 7))
    frames = np.stack([samples[at : at + 320] for at in range(0, 681, 160)])
    filtered = kernels.apply_filters(samples.astype(np.float32), filters.astype(np.float32), 160)
    assert filtered == pytest.approx(frames @ filters, abs=1e-4)


def test_a_kernel_is_compiled_without_a_cache_folder():
    """numba cannot cache a function that has no file, and raises an error if it should."""
    names = {}
    exec("def half(x):\n    return x / 2", names)
    assert kernels.compile_kernel(names["half"])(3) == 1.5
