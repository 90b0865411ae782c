"""The average of the weights of several checkpoints that were trained from the same start.

Such models lie in one basin of the loss, and their mean is often better than any of them (model
soups, arXiv 2203.05482). It costs nothing in sampling.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import torch
from torch import Tensor

from gensr_pref.aligning.models import ModelContent, load_model, require_one_space
from gensr_pref.aligning.recipe import Average
from gensr_pref.aligning.training_folder import Claim, lock_folder, require_same_claim, write_claim
from gensr_pref.errors import ConfigError, Problem
from gensr_pref.generators.base import Alignable


def average_checkpoints(recipe: Average, base: Path, out: Path) -> Alignable:
    """Write the mean of the checkpoints, and return its generator.

    Args:
        base: folder that the recipe's paths are relative to.
        out: folder for the files of the generator's `save`.

    Raises:
        ConfigError: the checkpoints have different networks or different tokenizers.
        RunMismatchError: `out` contains the result of another training.
    """
    with lock_folder(out):
        models = [_load(recipe, base, number) for number in range(len(recipe.checkpoints))]
        made_from = {
            f"checkpoints.{number}": content.digest for number, (_, content) in enumerate(models)
        }
        claim = Claim.from_recipe(recipe, (), made_from)
        require_same_claim(out, claim)
        generators = [generator for generator, _ in models]
        mean = _mean_weights(generators)
        generators[0].policy.load_state_dict(mean)
        write_claim(out, claim, base)
        generators[0].save(out)
    return generators[0]


def _load(recipe: Average, base: Path, number: int) -> tuple[Alignable, ModelContent]:
    options = {**recipe.generator.options, "checkpoint": recipe.checkpoints[number]}
    use = recipe.generator.model_copy(update={"options": options})
    return load_model(use, base, f"checkpoints.{number}", "cpu")


def _mean_weights(generators: Sequence[Alignable]) -> dict[str, Tensor]:
    """Return the mean of the policies' weights; refuse models that differ in anything else."""
    first = generators[0]
    states = [generator.policy.state_dict() for generator in generators]
    for number, generator in enumerate(generators):
        field = f"checkpoints.{number}"
        if _shapes(states[number]) != _shapes(states[0]):
            raise ConfigError(
                "its network is not that of checkpoints.0. Only weights of one network can be "
                "averaged",
                field=field,
                value="shapes",
                problem=Problem.CONFLICT,
            )
        if getattr(generator.policy, "config", None) != getattr(first.policy, "config", None):
            raise ConfigError(
                "its settings (config.json) are not those of checkpoints.0. Only weights "
                "of one network can be averaged",
                field=field,
                value="settings",
                problem=Problem.CONFLICT,
            )
        require_one_space(first, generator, field)
    return {name: _mean([state[name] for state in states]) for name in states[0]}


def _shapes(state: dict[str, Tensor]) -> dict[str, torch.Size]:
    return {name: value.shape for name, value in state.items()}


def _mean(values: list[Tensor]) -> Tensor:
    """Return the mean in float64; of a counter or mask, the first value."""
    if not values[0].is_floating_point():
        return values[0]
    return torch.stack([value.double() for value in values]).mean(0).to(values[0].dtype)
