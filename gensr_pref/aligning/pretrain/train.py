"""Pretraining of a generator: clean speech and degradations in, a checkpoint out.

    gensr-pref train pipelines/pretrain_fm_tiny.yaml --out DIR

The command writes into DIR `model.safetensors` and `config.json` (which the generator's option
`checkpoint` loads), and `state.pt`, from which the same command resumes. All random draws depend on
the recipe's seed and the number of the example or step, so an interrupted training ends with the
same weights (unless `minutes` is set, which depends on the clock).
"""

from __future__ import annotations

import copy
import math
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypedDict, cast

import torch
from torch import Tensor
from tqdm import tqdm

from gensr_pref import process
from gensr_pref.aligning.pretrain import ar, fm, mgm
from gensr_pref.aligning.pretrain.examples import Example, Examples, Sources, step_batches
from gensr_pref.aligning.pretrain.recipe import (
    AutoregressiveShape,
    FlowShape,
    MaskedShape,
    Pretrain,
)
from gensr_pref.aligning.pretrain.token_losses import tokenizer_folder, tokenizer_of
from gensr_pref.aligning.resume import read_state, write_state
from gensr_pref.aligning.training_folder import Claim, lock_folder, require_same_claim, write_claim
from gensr_pref.errors import ConfigError, Problem
from gensr_pref.generators.tiny.autoregressive import Autoregressive
from gensr_pref.generators.tiny.checkpoint import encoder_weights, revision_of, save_network
from gensr_pref.generators.tiny.flow import Flow
from gensr_pref.generators.tiny.masked import Masked
from gensr_pref.identity import seed_for

Policy = Flow | Autoregressive | Masked


class PretrainingState(TypedDict):
    """The state of a pretraining.

    Keys:
        model, averaged: weights by name.
        optimiser: its `state_dict`.
        step: number of completed steps.
        seconds: time spent in them.
    """

    model: dict[str, Tensor]
    averaged: dict[str, Tensor]
    optimiser: dict[str, Any]
    step: int
    seconds: float


@dataclass
class Training:
    """A pretraining in progress."""

    model: Policy
    averaged: Policy
    optimiser: torch.optim.Optimizer
    step: int = 0
    seconds: float = 0.0
    claim: str = ""  # digest of the claim on the folder that it is saved in

    @classmethod
    def start(cls, recipe: Pretrain, base: Path) -> Training:
        """Return a training at step 0, with random weights and the encoder of the recipe."""
        torch.manual_seed(seed_for(recipe.seed, "weights"))
        model = new_model(recipe, base)
        optimiser = torch.optim.AdamW(
            model.parameters(), recipe.learning_rate, (0.9, 0.99), weight_decay=recipe.weight_decay
        )
        return cls(model, copy.deepcopy(model).requires_grad_(False), optimiser)

    def save(self, out: Path) -> None:
        """Write state and checkpoint.

        Raises:
            StorageError: they cannot be written.
        """
        state: PretrainingState = {
            "model": self.model.state_dict(),
            "averaged": self.averaged.state_dict(),
            "optimiser": self.optimiser.state_dict(),
            "step": self.step,
            "seconds": self.seconds,
        }
        write_state(out, state, self.claim)
        save_network(self.averaged, out)

    def resume(self, out: Path) -> None:
        """Continue from the state on disk, if there is one.

        Raises:
            StorageError: the state is damaged.
            RunMismatchError: it belongs to another training.
        """
        loaded = read_state(out, self.claim)
        if loaded is None:
            return
        state = cast(PretrainingState, loaded)
        self.model.load_state_dict(state["model"])
        self.averaged.load_state_dict(state["averaged"])
        self.optimiser.load_state_dict(state["optimiser"])
        self.step, self.seconds = state["step"], state["seconds"]

    def progress(self, recipe: Pretrain) -> float:
        """Return the share of the schedule that is done, by steps or by the clock."""
        by_clock = self.seconds / (60 * recipe.minutes) if recipe.minutes else 0.0
        return max(self.step / recipe.steps, by_clock)


def new_model(recipe: Pretrain, base: Path) -> Policy:
    """Return the network that the recipe describes.

    Raises:
        ConfigError: the encoder of `encoder_from` has another shape, or the tokenizer another
            sample rate.
    """
    shape = recipe.model
    model: Policy
    if isinstance(shape, FlowShape):
        model = fm.new_fm_model(shape, recipe.sample_rate)
    elif isinstance(shape, AutoregressiveShape):
        model = ar.new_ar_model(shape, tokenizer_of(shape, recipe.sample_rate, base))
    else:
        model = mgm.new_mgm_model(shape, tokenizer_of(shape, recipe.sample_rate, base))
    if shape.encoder_from is not None:
        try:
            model.encoder.load_state_dict(encoder_weights(base / shape.encoder_from))
        except RuntimeError as error:
            raise ConfigError(
                f"its encoder has another shape. {error}",
                field="model.encoder_from",
                problem=Problem.CONFLICT,
            ) from error
    return model


def pretrain(recipe: Pretrain, base: Path, out: Path) -> Policy:
    """Train, or continue a training, and return the network with averaged weights.

    Args:
        base: folder that the recipe's paths are relative to.
        out: folder for `state.pt`, `model.safetensors`, `config.json` and `rooms/`.

    Raises:
        InputError: a source or checkpoint cannot be used, or the folder belongs to another
            training; nothing was trained.
        StorageError: the folder cannot be written, or its state is damaged.
    """
    torch.set_num_threads(recipe.threads)
    with lock_folder(out):
        training = Training.start(recipe, base)
        sources = Sources.open(recipe, base)
        claim = _claim(recipe, sources, out)
        require_same_claim(out, claim)
        training.claim = claim.digest
        training.resume(out)
        write_claim(out, claim, base)
        examples = Examples.from_sources(sources, out)
        _train(training, recipe, step_batches(examples, recipe, training.step), out)
    return training.averaged


def _claim(recipe: Pretrain, sources: Sources, out: Path) -> Claim:
    made_from, base = sources.made_from(out), sources.base
    if recipe.model.encoder_from is not None:
        made_from["encoder_from"] = revision_of(base / recipe.model.encoder_from)
    if not isinstance(recipe.model, FlowShape):
        made_from["tokenizer"] = revision_of(tokenizer_folder(recipe.model, base))
    return Claim.from_recipe(recipe, {"steps", "minutes", "save_every", "threads"}, made_from)


def _train(
    training: Training, recipe: Pretrain, batches: Iterator[list[Example]], out: Path
) -> None:
    with tqdm(total=recipe.steps, initial=training.step, desc="pretrain", unit="step") as bar:
        while training.progress(recipe) < 1:
            process.raise_if_interrupted()
            began = time.monotonic()
            losses = pretraining_step(training, recipe, next(batches))
            training.seconds += time.monotonic() - began
            training.step += 1
            bar.update()
            if training.step % 20 == 0:
                bar.set_postfix({name: f"{value:.3f}" for name, value in losses.items()})
            if training.step % recipe.save_every == 0:
                training.save(out)
    training.save(out)


def pretraining_step(
    training: Training, recipe: Pretrain, batch: list[Example]
) -> dict[str, float]:
    """Take one step of AdamW on a batch; return the loss and its parts."""
    for group in training.optimiser.param_groups:
        group["lr"] = pretraining_learning_rate(recipe, training.step, training.progress(recipe))
    x = torch.stack([example.x for example in batch]).float()
    y_1 = torch.stack([example.y_1 for example in batch]).float()
    generator = torch.Generator().manual_seed(seed_for(recipe.seed, "draw", training.step))
    with torch.autocast("cpu", torch.bfloat16, enabled=recipe.precision == "bfloat16"):
        losses = pretraining_losses(training.model, recipe, x, y_1, generator)
    losses["loss"].backward()  # type: ignore[no-untyped-call]
    torch.nn.utils.clip_grad_norm_(training.model.parameters(), 1.0)
    training.optimiser.step()
    training.optimiser.zero_grad()
    decay = min(recipe.ema, training.step / (training.step + 10))
    update_average(training.averaged, training.model, decay)
    return {name: value.item() for name, value in losses.items()}


def pretraining_losses(
    model: Any, recipe: Pretrain, x: Tensor, y_1: Tensor, generator: torch.Generator
) -> dict[str, Tensor]:
    """Return `loss` and its parts, for features [B, FEATURES, F] and latents [B, GAIN_BANDS, F]."""
    shape = recipe.model
    if isinstance(shape, FlowShape):
        return fm.fm_losses(model, shape, x, y_1, generator)
    if isinstance(shape, MaskedShape):
        return mgm.mgm_losses(model, shape, x, y_1, generator)
    return ar.ar_losses(model, shape, x, y_1, generator)


def pretraining_learning_rate(recipe: Pretrain, step: int, progress: float) -> float:
    """Return the learning rate: warm-up by steps, then half a cosine to 1/100 by progress."""
    warm = min(1.0, (step + 1) / max(1, recipe.warm_up))
    return recipe.learning_rate * warm * (0.01 + 0.99 * 0.5 * (1 + math.cos(math.pi * progress)))


@torch.no_grad()
def update_average(averaged: Policy, model: Policy, decay: float) -> None:
    """Update the exponential moving average of the weights, in place."""
    for mean, new in zip(averaged.parameters(), model.parameters(), strict=True):
        mean.lerp_(new, 1 - decay)
