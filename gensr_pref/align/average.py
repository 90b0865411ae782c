"""The average of several checkpoints' weights: of seeds, or of rounds that began in one place.

Models that were trained from the same start lie in one basin, and their mean there is often better
than any of them (model soups, arXiv 2203.05482). It costs nothing in sampling.
"""

from __future__ import annotations

from pathlib import Path

import torch
from torch import Tensor

from gensr_pref.align.dpo_recipe import Average
from gensr_pref.align.subject import made
from gensr_pref.errors import ConfigError
from gensr_pref.generators.base import Alignable


def averaged(recipe: Average, base: Path, out: Path) -> Alignable:
    """Write the mean of the checkpoints, and return its generator.

    Args:
        base: folder that the recipe's paths are relative to.
        out: receives what the generator's `save` writes.

    Raises:
        ConfigError: the checkpoints are of different networks.
    """
    found = [_loaded(recipe, base, number) for number in range(len(recipe.checkpoints))]
    states = [generator.policy.state_dict() for generator in found]
    for number, state in enumerate(states):
        if _shapes(state) != _shapes(states[0]):
            raise ConfigError(
                f"checkpoints.{number}: another network than checkpoints.0. Only weights of one "
                "network can be averaged"
            )
    mean = {name: _mean([state[name] for state in states]) for name in states[0]}
    found[0].policy.load_state_dict(mean)
    out.mkdir(parents=True, exist_ok=True)
    found[0].save(out)
    return found[0]


def _loaded(recipe: Average, base: Path, number: int) -> Alignable:
    options = {**recipe.generator.options, "checkpoint": recipe.checkpoints[number]}
    use = recipe.generator.model_copy(update={"options": options})
    generator = made(use, base, f"checkpoints.{number}")
    generator.load("cpu")
    return generator


def _shapes(state: dict[str, Tensor]) -> dict[str, torch.Size]:
    return {name: value.shape for name, value in state.items()}


def _mean(values: list[Tensor]) -> Tensor:
    """The mean in float64; what is no weight (a counter, a mask) is taken from the first."""
    if not values[0].is_floating_point():
        return values[0]
    return torch.stack([value.double() for value in values]).mean(0).to(values[0].dtype)
