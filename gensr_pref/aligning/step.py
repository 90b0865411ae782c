"""A step of an alignment: the loss of a batch of pairs, its gradient, and measures."""

from __future__ import annotations

import math
import time
from collections import defaultdict
from dataclasses import replace

import numpy as np
import torch
from torch import Tensor

from gensr_pref.aligning import objectives
from gensr_pref.aligning.alignment_run import AlignmentRun
from gensr_pref.aligning.batches import PairBatch
from gensr_pref.aligning.feature_cache import Array
from gensr_pref.aligning.recipe import BETA, REDUCTION, Dpo
from gensr_pref.aligning.utility import token_counts
from gensr_pref.identity import seed_for

HELD_OUT_PASS = -1  # pass number of held-out pairs, whose draws are always the same


def alignment_step(alignment: AlignmentRun, pairs: Array, epoch: int) -> dict[str, float]:
    """Take one step of AdamW on a batch of pairs; return the means of losses and measures."""
    recipe, accelerator = alignment.recipe, alignment.accelerator
    began = time.monotonic()
    torch.manual_seed(seed_for(recipe.seed, "step", alignment.step, accelerator.process_index))
    for group in alignment.optimiser.param_groups:
        group["lr"] = scheduled_learning_rate(recipe, alignment.step, alignment.steps)
    step_means: dict[str, float] = defaultdict(float)
    for part in np.array_split(pairs, recipe.accumulate):
        own = part[accelerator.process_index :: accelerator.num_processes]
        with accelerator.accumulate(alignment.policy):
            batch = alignment.batching.make_batch(own, epoch)
            losses = pair_losses(alignment, batch, f"pass-{epoch:03d}")
            accelerator.backward(losses["loss"].mean())
            if accelerator.sync_gradients:
                norm = accelerator.clip_grad_norm_(alignment.policy.parameters(), recipe.clip_norm)
                step_means["gradient_norm"] = float(norm)
            alignment.optimiser.step()
            alignment.optimiser.zero_grad()
        means = torch.stack([value.detach().mean() for value in losses.values()])
        means = accelerator.reduce(means, "mean")
        for name, value in zip(losses, means.tolist(), strict=True):
            step_means[name] += value / recipe.accumulate
    if recipe.ema:
        _update_average(alignment)
    step_means["seconds"] = time.monotonic() - began
    return dict(step_means)


def pair_losses(alignment: AlignmentRun, batch: PairBatch, name: str) -> dict[str, Tensor]:
    """Return the loss of each pair of a batch and its parts, [P] each.

    loss = objective + anchor.weight * anchor; see `objectives`.

    Args:
        name: name of the pass in the cache of the reference's values.
    """
    recipe, paradigm = alignment.recipe, alignment.paradigm
    beta = recipe.objective.beta or BETA[paradigm]
    tokens = token_counts(batch, paradigm)
    divisor = tokens if _reduction(alignment) == "mean" else torch.ones_like(tokens)
    utility = batch.split(alignment.policy(batch.rows))
    u = (utility / divisor).mean(1)
    if recipe.objective.name == "sft":
        gain = torch.zeros_like(u)
        preference = objectives.sft(u[0])
    else:
        reference = alignment.values.get(batch, name, alignment.reference)
        gain = u[:2] - (reference / divisor[:2]).mean(1)
        preference = _preference(recipe, gain, beta)
    values = {"loss": preference, "preference": preference}
    if recipe.anchor.weight:
        side = 0 if recipe.anchor.side == "chosen" else 2
        values["anchor"] = objectives.anchor((utility[side] / tokens[side]).mean(0))
        values["loss"] = preference + recipe.anchor.weight * values["anchor"]
    return values | {
        "accuracy": objectives.accuracy(gain[0], gain[1]),
        "reward_chosen": beta * gain[0],
        "reward_rejected": beta * gain[1],
        "margin": beta * (gain[0] - gain[1]),
        "drift": objectives.drift_from_reference(gain[0], gain[1]),
    }


def _preference(recipe: Dpo, gain: Tensor, beta: float) -> Tensor:
    if recipe.objective.name == "ipo":
        return objectives.ipo(gain[0], gain[1], beta)
    return objectives.dpo(gain[0], gain[1], beta, recipe.objective.label_smoothing)


def _reduction(alignment: AlignmentRun) -> str:
    return alignment.recipe.objective.reduction or REDUCTION[alignment.paradigm]


def scheduled_learning_rate(recipe: Dpo, step: int, steps: int) -> float:
    """Return the learning rate: a linear warm-up, then constant, or half a cosine to 0."""
    warm = min(1.0, (step + 1) / max(1, recipe.warm_up))
    cosine = 0.5 * (1 + math.cos(math.pi * step / steps))
    return recipe.learning_rate * warm * (cosine if recipe.schedule == "cosine" else 1.0)


@torch.no_grad()
def _update_average(alignment: AlignmentRun) -> None:
    """Update the moving average of the weights in place, with a lower decay at first."""
    decay = min(alignment.recipe.ema, alignment.step / (alignment.step + 10))
    assert alignment.averaged is not None
    for name, value in alignment.inputs.generator.policy.state_dict().items():
        mean = alignment.averaged[name]
        if mean.is_floating_point():
            mean.lerp_(value, 1 - decay)


@torch.no_grad()
def evaluate_held_out(alignment: AlignmentRun) -> dict[str, float]:
    """Return means over the held-out pairs, always with the same draws and the given labels."""
    batching = replace(alignment.batching, random_labels=False, seed=0)
    total: dict[str, float] = defaultdict(float)
    for start in range(0, len(alignment.held_out), alignment.size):
        pairs = alignment.held_out[start : start + alignment.size]
        values = pair_losses(alignment, batching.make_batch(pairs, HELD_OUT_PASS), "held-out")
        for name, value in values.items():
            total[name] += float(value.sum()) / len(alignment.held_out)
    return dict(total)
