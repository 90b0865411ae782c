"""A training under way: what it holds, and how it begins."""

from __future__ import annotations

import copy
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Tensor

from gensr_pref.align.alarms import Alarms
from gensr_pref.align.batches import Batching
from gensr_pref.align.dpo_recipe import Dpo
from gensr_pref.align.prepared import Array
from gensr_pref.align.subject import Subject, subject
from gensr_pref.align.utility import Measured, ReferenceValues
from gensr_pref.errors import ConfigError, InputError, quantity
from gensr_pref.identity import digest, rng_for, unit_for

if TYPE_CHECKING:
    from accelerate import Accelerator

PRECISION = {"float32": torch.float32, "bfloat16": torch.bfloat16}
HELD_OUT_SHARE = 0.1  # of the clips, where the data have no validation split
TRAIN, VALIDATION = "train", "validation"


@dataclass
class Alignment:
    """A training under way."""

    recipe: Dpo
    accelerator: Accelerator
    subject: Subject
    batching: Batching
    policy: Any  # Measured, wrapped for several processes
    reference: Measured
    values: ReferenceValues
    optimiser: torch.optim.Optimizer
    training: Array
    held_out: Array
    averaged: dict[str, Tensor] | None = None
    step: int = 0
    alarms: Alarms = field(default_factory=Alarms)
    best: dict[str, Any] | None = None  # of early stopping: step, accuracy, weights
    since_best: int = 0

    @property
    def paradigm(self) -> str:
        """Of the generator."""
        return self.subject.generator.paradigm

    @property
    def per_epoch(self) -> int:
        """Steps of an epoch."""
        return len(self.training) // self.size

    @property
    def size(self) -> int:
        """Pairs of a batch."""
        parts: int = self.recipe.accumulate * self.accelerator.num_processes
        return min(self.recipe.batch, len(self.training) // parts * parts)

    @property
    def steps(self) -> int:
        """How many there will be."""
        return self.recipe.steps or self.recipe.epochs * self.per_epoch


def started(recipe: Dpo, base: Path, out: Path) -> Alignment:
    """Everything that training needs, at step 0."""
    accelerator, parts = _accelerator(recipe)
    cache = out / "cache" if recipe.cache is None else base / recipe.cache
    with accelerator.main_process_first():
        found = subject(recipe, base, cache, str(accelerator.device))
    clean = recipe.anchor.weight > 0 and recipe.anchor.side == "clean"
    batching = Batching(
        found.data,
        found.generator,
        recipe.seed,
        recipe.draws,
        recipe.antithetic,
        recipe.crop,
        recipe.pairs.labels == "random",
        clean,
        accelerator.device,
    )
    precision = PRECISION[recipe.precision]
    policy = found.generator.policy.eval()
    trained = _trained(policy, recipe)
    measured = Measured(found.generator, policy, not found.encoded, precision)
    reference = found.reference.policy.requires_grad_(False).eval()
    optimiser = torch.optim.AdamW(
        trained, recipe.learning_rate, (0.9, 0.99), weight_decay=recipe.weight_decay
    )
    wrapped, optimiser = accelerator.prepare(measured, optimiser)
    training, held = _divided(recipe, found)
    if len(training) < parts:
        raise InputError(
            f"pairs: {len(training)} are of the split 'train' and not held out; {parts} is the "
            "least that a step can be made of"
        )
    return Alignment(
        recipe,
        accelerator,
        found,
        batching,
        wrapped,
        Measured(found.reference, reference, not found.encoded, precision),
        _values(recipe, found, cache),
        optimiser,
        training,
        held,
        copy.deepcopy(policy.state_dict()) if recipe.ema else None,
    )


def _accelerator(recipe: Dpo) -> tuple[Accelerator, int]:
    """What runs the processes, and into how many parts they take a batch."""
    from accelerate import Accelerator
    from accelerate.utils import DistributedDataParallelKwargs

    accelerator = Accelerator(
        mixed_precision="no",
        gradient_accumulation_steps=recipe.accumulate,
        cpu=recipe.device == "cpu",
        kwargs_handlers=[DistributedDataParallelKwargs(find_unused_parameters=True)],
    )
    parts = recipe.accumulate * accelerator.num_processes
    if recipe.batch % parts:
        raise ConfigError(
            f"batch: {quantity(recipe.batch, 'pair')} do not divide into {quantity(parts, 'part')} "
            f"({recipe.accumulate} times {quantity(accelerator.num_processes, 'process')})"
        )
    return accelerator, parts


def _trained(policy: torch.nn.Module, recipe: Dpo) -> list[torch.nn.Parameter]:
    """The weights that are trained; the others are held still."""
    for name, parameter in policy.named_parameters():
        parameter.requires_grad_(recipe.train != "biases" or _is_bias(name, parameter))
    trained = [parameter for parameter in policy.parameters() if parameter.requires_grad]
    if not trained:
        raise ConfigError("train: biases: the policy has no biases. Write train: all")
    return trained


def _is_bias(name: str, parameter: Tensor) -> bool:
    """What BitFit trains (Ben Zaken et al. 2022): biases, and here the gains of norms too."""
    return parameter.ndim < 2 or name.rpartition(".")[2] == "bias"


def _values(recipe: Dpo, found: Subject, cache: Path) -> ReferenceValues:
    """Kept under everything that they depend on."""
    key = digest(
        found.identity,
        found.reference.revision,
        (recipe.reference or recipe.generator).options,
        recipe.seed,
        recipe.draws,
        recipe.antithetic,
        recipe.crop,
        recipe.precision,
        recipe.train,
    )
    return ReferenceValues(cache / f"reference-{key[:12]}", len(found.data.ids), recipe.draws)


def _divided(recipe: Dpo, found: Subject) -> tuple[Array, Array]:
    """Which pairs are trained on, and which are watched."""
    training, held = found.data.of(TRAIN), found.data.of(VALIDATION)
    if not len(held) and recipe.pairs.held_out:
        apart = [
            unit_for(recipe.seed, "held out", clip) < HELD_OUT_SHARE for clip in found.data.clips
        ]
        watched = np.isin(found.data.clip[training], np.flatnonzero(apart))
        training, held = training[~watched], training[watched]
    if recipe.pairs.limit is not None:
        drawn = rng_for(recipe.seed, "limit").permutation(training)
        training = np.sort(drawn[: recipe.pairs.limit])
    held = np.sort(rng_for(recipe.seed, "held out").permutation(held)[: recipe.pairs.held_out])
    return training, held
