"""An alignment in progress: its parts, and how it starts."""

from __future__ import annotations

import copy
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypedDict

import numpy as np
import torch
from torch import Tensor

from gensr_pref.aligning.alarms import Alarms
from gensr_pref.aligning.batches import Batching
from gensr_pref.aligning.feature_cache import Array, PreparedPairs
from gensr_pref.aligning.inputs import LoadedInputs, PreparedInputs, load_inputs, prepare_inputs
from gensr_pref.aligning.recipe import Dpo
from gensr_pref.aligning.reference_values import ReferenceInputs, ReferenceValues
from gensr_pref.aligning.utility import Utility
from gensr_pref.errors import ConfigError, InputError, Problem, quantity
from gensr_pref.identity import rng_for, unit_for

if TYPE_CHECKING:
    from accelerate import Accelerator

PRECISION = {"float32": torch.float32, "bfloat16": torch.bfloat16}
HELD_OUT_SHARE = 0.1  # share of the clips, if the data have no validation split
TRAIN, VALIDATION = "train", "validation"


class BestWeights(TypedDict):
    """The weights with the best held-out accuracy so far, for early stopping."""

    step: int
    accuracy: float
    weights: dict[str, Tensor]


@dataclass
class AlignmentRun:
    """An alignment in progress.

    Attributes:
        policy: `Utility` of the policy, wrapped for several processes.
        reference, values: `Utility` of the reference, and its cached values.
        training, held_out: indices of the pairs.
        averaged: moving average of the weights, if the recipe asks for it.
        step: number of completed steps.
        best, since_best: best weights, and the number of evaluations since, for early stopping.
        claim: digest of the claim on the folder that it is saved in.
    """

    recipe: Dpo
    accelerator: Accelerator
    inputs: PreparedInputs
    batching: Batching
    policy: Any
    reference: Utility
    values: ReferenceValues
    optimiser: torch.optim.Optimizer
    training: Array
    held_out: Array
    averaged: dict[str, Tensor] | None = None
    step: int = 0
    alarms: Alarms = field(default_factory=Alarms)
    best: BestWeights | None = None
    since_best: int = 0
    claim: str = ""

    @property
    def paradigm(self) -> str:
        """Paradigm of the generator."""
        return self.inputs.generator.paradigm

    @property
    def per_epoch(self) -> int:
        """Number of steps of an epoch."""
        return len(self.training) // self.size

    @property
    def size(self) -> int:
        """Number of pairs of a batch."""
        parts: int = self.recipe.accumulate * self.accelerator.num_processes
        return min(self.recipe.batch, len(self.training) // parts * parts)

    @property
    def steps(self) -> int:
        """Total number of steps."""
        return self.recipe.steps or self.recipe.epochs * self.per_epoch


@dataclass(frozen=True)
class Processes:
    """The processes of a training, each of which takes a part of every batch.

    Attributes:
        accelerator: accelerator of this process.
        parts: number of parts of a batch, over processes and accumulation.
    """

    accelerator: Accelerator
    parts: int

    @property
    def is_main(self) -> bool:
        """Whether this is the process that writes the files."""
        return bool(self.accelerator.is_main_process)

    @property
    def device(self) -> str:
        """Name of this process's device in torch."""
        return str(self.accelerator.device)


def start_alignment(recipe: Dpo, base: Path, out: Path) -> AlignmentRun:
    """Return the alignment at step 0, whatever was begun in `out` before.

    Args:
        base: folder that the recipe's paths are relative to.
        out: folder of the cache, if the recipe names none.

    Raises:
        InputError: the models or the pairs cannot be used.
    """
    processes = start_processes(recipe)
    cache = training_cache(recipe, base, out)
    loaded = load_inputs(recipe, base, cache, processes.device)
    return make_alignment(recipe, loaded, processes, cache)


def training_cache(recipe: Dpo, base: Path, out: Path) -> Path:
    """Return the folder of features and reference values."""
    return out / "cache" if recipe.cache is None else base / recipe.cache


def make_alignment(
    recipe: Dpo, loaded: LoadedInputs, processes: Processes, cache: Path
) -> AlignmentRun:
    """Return the alignment of a recipe from loaded models and opened pairs, at step 0.

    Raises:
        InputError: the pairs do not fit the models, or are too few.
    """
    accelerator = processes.accelerator
    with accelerator.main_process_first():
        inputs = prepare_inputs(recipe, loaded, cache, processes.device)
    precision = PRECISION[recipe.precision]
    policy = inputs.generator.policy.eval()
    trained = _trained_parameters(policy, recipe)
    encodes, frozen = not inputs.encoded, recipe.train == "decoder"
    utility = Utility(inputs.generator, policy, encodes, precision, frozen)
    reference = inputs.reference.policy.requires_grad_(False).eval()
    optimiser = torch.optim.AdamW(
        trained, recipe.learning_rate, (0.9, 0.99), weight_decay=recipe.weight_decay
    )
    wrapped, optimiser = accelerator.prepare(utility, optimiser)
    training, held_out = _split_pairs(recipe, inputs)
    if len(training) < processes.parts:
        raise InputError(
            f"the split 'train' has {len(training)} that are not held out; a step needs at least "
            f"{processes.parts}",
            field="pairs",
            value=len(training),
            problem=Problem.EMPTY,
        )
    return AlignmentRun(
        recipe,
        accelerator,
        inputs,
        _batching(recipe, inputs, accelerator.device),
        wrapped,
        Utility(inputs.reference, reference, encodes, precision),
        _values(recipe, loaded, inputs, cache, accelerator.device),
        optimiser,
        training,
        held_out,
        copy.deepcopy(policy.state_dict()) if recipe.ema else None,
    )


def _batching(recipe: Dpo, inputs: PreparedInputs, device: torch.device) -> Batching:
    return Batching(
        inputs.data,
        inputs.generator,
        recipe.seed,
        recipe.draws,
        recipe.antithetic,
        recipe.crop,
        recipe.pairs.labels == "random",
        recipe.anchor.weight > 0 and recipe.anchor.side == "clean",
        device,
    )


def start_processes(recipe: Dpo) -> Processes:
    """Return the processes that run a recipe.

    Raises:
        ConfigError: a batch does not divide into that many parts.
    """
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
            f"{quantity(recipe.batch, 'pair')} do not divide into {quantity(parts, 'part')} "
            f"({recipe.accumulate} times {quantity(accelerator.num_processes, 'process')})",
            field="batch",
            value=recipe.batch,
            problem=Problem.INVALID,
        )
    return Processes(accelerator, parts)


def _trained_parameters(policy: torch.nn.Module, recipe: Dpo) -> list[torch.nn.Parameter]:
    """Freeze the weights that are not trained; return the others."""
    for name, parameter in policy.named_parameters():
        parameter.requires_grad_(recipe.train != "biases" or _is_bias(name, parameter))
    trained = [parameter for parameter in policy.parameters() if parameter.requires_grad]
    if not trained:
        raise ConfigError(
            "train: biases: the policy has no biases. Write train: all",
            value="biases",
            field="train",
            problem=Problem.UNSUPPORTED,
        )
    return trained


def _is_bias(name: str, parameter: Tensor) -> bool:
    """Return whether it is a bias, as in BitFit (Ben Zaken et al. 2022), or the gain of a norm."""
    return parameter.ndim < 2 or name.rpartition(".")[2] == "bias"


def _values(
    recipe: Dpo, loaded: LoadedInputs, inputs: PreparedInputs, cache: Path, device: torch.device
) -> ReferenceValues:
    made_from = ReferenceInputs(
        data=inputs.identity,
        draws_of=loaded.content.digest,
        reference=loaded.reference_content.digest,
        encodes=not inputs.encoded,
        precision=recipe.precision,
        device=device.type,
    )
    return ReferenceValues(cache, made_from, len(inputs.data.ids))


def _split_pairs(recipe: Dpo, inputs: PreparedInputs) -> tuple[Array, Array]:
    """Return the pairs for training, and the held-out pairs."""
    training, held_out = inputs.data.indices_in(TRAIN), inputs.data.indices_in(VALIDATION)
    if not len(held_out) and recipe.pairs.held_out:
        is_held_out = np.isin(
            inputs.data.clip[training], held_out_clips(recipe.seed, inputs.data, training)
        )
        training, held_out = training[~is_held_out], training[is_held_out]
    if recipe.pairs.limit is not None:
        drawn = rng_for(recipe.seed, "limit").permutation(training)
        training = np.sort(drawn[: recipe.pairs.limit])
    held_out = np.sort(
        rng_for(recipe.seed, "held out").permutation(held_out)[: recipe.pairs.held_out]
    )
    return training, held_out


def held_out_clips(seed: int, data: PreparedPairs, pairs: Array) -> Array:
    """Return a tenth of the clips, to hold out: at least one of several, and never all of them."""
    clips = np.unique(data.clip[pairs])
    drawn = np.array([unit_for(seed, "held out", data.clips[clip]) for clip in clips])
    order = np.argsort(drawn, kind="stable")
    count = min(max(1, int((drawn < HELD_OUT_SHARE).sum())), len(clips) - 1)
    return clips[order[: max(count, 0)]]
