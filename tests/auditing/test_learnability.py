"""Tests of the learnability probe: against scikit-learn, on learnable and unlearnable pairs."""

import numpy as np
import pytest
from sklearn.linear_model import Ridge

from gensr_pref.auditing.learnability import (
    FOLDS,
    assign_folds,
    held_out_hits,
    latent_features,
    learnability,
    ridge_weights,
    token_features,
)


def test_ridge_equals_scikit_learns_at_the_selected_strength():
    rng = np.random.default_rng(0)
    x = rng.normal(size=(60, 8))
    y = (x @ rng.normal(size=(8, 1))) + rng.normal(size=(60, 2))
    result = ridge_weights(x, y)
    mean = float((np.linalg.svd(x, compute_uv=False) ** 2).mean())
    for column in range(2):
        candidates = [
            Ridge(alpha=strength * mean, fit_intercept=False).fit(x, y[:, column]).coef_
            for strength in (1e-2, 1e-1, 1.0, 1e1, 1e2)
        ]
        assert min(np.abs(result[:, column] - one).max() for one in candidates) < 1e-9


def test_ridge_selects_more_strength_for_noise_than_for_signal():
    rng = np.random.default_rng(1)
    x, w = rng.normal(size=(200, 50)), rng.normal(size=(50, 1))
    signal, noise = ridge_weights(x, x @ w), ridge_weights(x, rng.normal(size=(200, 1)) * 7)
    assert np.abs(signal - w).max() < 0.1
    assert np.linalg.norm(noise) < 0.5 * np.linalg.norm(np.linalg.lstsq(x, x @ w)[0])


def test_folds_keep_groups_together_and_have_similar_sizes():
    group = np.repeat(np.arange(23), np.arange(1, 24))
    fold = assign_folds(group)
    assert all(len(np.unique(fold[group == one])) == 1 for one in range(23))
    assert np.bincount(fold).min() > len(group) / FOLDS * 0.8


def test_a_real_difference_is_learnable():
    rng = np.random.default_rng(0)
    difference = rng.normal(size=(400, 10))
    difference[:, 3] += 0.8
    result = learnability(difference, np.arange(400))
    assert result["apart"] == "clip"
    assert result["accuracy"] == pytest.approx(0.788, abs=0.06)  # Phi(.8) at best
    assert result["low"] > result["shuffled_high"]


def test_random_labels_are_not_learnable():
    rng = np.random.default_rng(1)
    result = learnability(rng.normal(size=(400, 30)), np.arange(400))
    assert result["low"] < 0.5 < result["high"]
    assert result["shuffled"] == pytest.approx(0.5, abs=0.03)
    assert result["shuffled_low"] < 0.5 < result["shuffled_high"]


def test_memorised_clips_do_not_help():
    """Pairs of one clip are alike: a split by pair would leak, one by clip does not."""
    rng = np.random.default_rng(2)
    clip = np.repeat(np.arange(60), 5)
    difference = (rng.normal(size=(60, 40)) * 3)[clip] + rng.normal(size=(300, 40))
    assert learnability(difference, clip)["accuracy"] < 0.65
    leaky = held_out_hits(difference, np.ones((300, 1)), np.arange(300) % 5)
    assert leaky.mean() > 0.8


def test_folds_are_by_speaker_if_there_are_enough():
    rng = np.random.default_rng(0)
    difference, clip = rng.normal(size=(100, 4)), np.arange(100)
    assert learnability(difference, clip, clip % 20)["apart"] == "speaker"
    assert learnability(difference, clip, clip % 4)["apart"] == "clip"
    assert learnability(difference, clip, np.where(clip == 7, -1, clip % 20))["apart"] == "clip"


def test_too_few_pairs_have_no_accuracy():
    result = learnability(np.ones((19, 2)), np.arange(19))
    assert result["pairs"] == 19
    assert result["accuracy"] is None
    assert learnability(np.ones((40, 2)), np.zeros(40, dtype=int))["accuracy"] is None


def test_constant_features_give_chance_level():
    result = learnability(np.zeros((50, 3)), np.arange(50))
    assert result["accuracy"] == result["shuffled"] == 0.5


def test_features_of_latents_and_tokens():
    latent = np.array([[0, 1], [2, 1]], dtype=np.float16)
    assert latent_features(latent).tolist() == [1, 1, 1, 0]
    shares = token_features([[[5, 5, 7, 7], [1, 1, 1, 1]], [[5, 5, 5, 5], [2, 2, 2, 2]]])
    assert shares.shape == (2, 4)
    assert sorted(shares[0]) == [0, 0.5, 0.5, 1]
    assert sorted(shares[1]) == [0, 0, 1, 1]
