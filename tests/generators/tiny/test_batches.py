"""Tests that candidates sampled as one batch (as on a GPU) equal those sampled one by alone."""

import numpy as np
import pytest
import torch

from gensr_pref.generators.tiny.ar_tiny import AutoregressiveTiny
from gensr_pref.generators.tiny.base import Clip
from gensr_pref.generators.tiny.fm_tiny import FlowMatchingTiny
from gensr_pref.generators.tiny.mgm_tiny import MaskedTiny
from tests.generators.clips import noisy_clip

SEEDS = [3, 14, 159, 2653]


@pytest.fixture(scope="module", params=[FlowMatchingTiny, AutoregressiveTiny, MaskedTiny])
def both(request):
    """Candidates that were sampled one by one, and in one batch."""
    generator = request.param()
    generator.load("cpu")
    with torch.inference_mode():
        clip = Clip.from_wave(noisy_clip(samples=64_000)[0], "cpu")
        prepared = generator._prepare(clip)
        alone = [generator._candidates(clip, prepared, [seed])[0] for seed in SEEDS]
        together = generator._candidates(clip, prepared, SEEDS)
    return alone, together


def test_a_candidate_is_the_same_within_rounding(both):
    for alone, batched in zip(*both, strict=True):
        assert alone.sampling == batched.sampling
        if alone.latent is not None:
            assert np.abs(alone.latent - batched.latent).max() <= 2e-3
            assert np.abs(alone.audio - batched.audio).max() <= 1e-3
        else:
            assert (alone.tokens == batched.tokens).mean() >= 0.99


def test_candidates_of_a_batch_differ(both):
    _, together = both
    assert len({candidate.audio.tobytes() for candidate in together}) == len(SEEDS)
