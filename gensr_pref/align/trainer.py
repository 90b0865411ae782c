"""Alignment of a generator with preference pairs: the loop.

    gensr-pref train pipelines/dpo_fm_tiny.yaml --out DIR

DIR receives what the generator's `save` writes (for those that ship, `model.safetensors` and
`config.json`: the option `checkpoint`), `log.jsonl`, and `state.pt`, from which the same command
continues. Everything random is drawn from the recipe's seed, a pair's id and the number of the
epoch, so a run that was interrupted ends with the same weights. On several GPUs:
``accelerate launch -m gensr_pref.cli train ...``.
"""

from __future__ import annotations

import copy
import json
import math
import os
import sys
import time
from collections import defaultdict
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Tensor
from tqdm import tqdm

from gensr_pref import shards
from gensr_pref.align import objectives
from gensr_pref.align.alarms import Alarms
from gensr_pref.align.batches import Batch, Batching
from gensr_pref.align.dpo_recipe import BETA, REDUCTION, Dpo
from gensr_pref.align.prepared import Array
from gensr_pref.align.subject import Subject, subject
from gensr_pref.align.utility import Measured, ReferenceValues, counted
from gensr_pref.errors import ConfigError, InputError, RunMismatchError
from gensr_pref.identity import digest, rng_for, seed_for, unit_for
from gensr_pref.records import finite

if TYPE_CHECKING:
    from accelerate import Accelerator

PRECISION = {"float32": torch.float32, "bfloat16": torch.bfloat16}
HELD_OUT_SHARE = 0.1  # of the clips, where the data have no validation split
HELD_OUT = -1  # the pass of held-out pairs, whose draws are always the same
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


def align(recipe: Dpo, base: Path, out: Path) -> dict[str, Any]:
    """Align a generator, or go on with it.

    Args:
        base: folder that the recipe's paths are relative to.
        out: receives the checkpoint, the log and the state.

    Returns:
        Steps, the last means, held-out accuracy, and the alarms.

    Raises:
        InputError: a generator or pairs that cannot be used; nothing was trained.
    """
    out.mkdir(parents=True, exist_ok=True)
    _claim(out, recipe, base)
    torch.set_num_threads(recipe.threads)
    alignment = started(recipe, base, out)
    resume(alignment, out)
    log = _Log(out / "log.jsonl", alignment)
    order: list[Array] = []
    epoch = -1
    bar = tqdm(
        total=alignment.steps,
        initial=alignment.step,
        desc="align",
        unit="step",
        disable=not alignment.accelerator.is_main_process,
    )
    while alignment.step < alignment.steps and not _stopped(alignment):
        if alignment.step // alignment.per_epoch != epoch:
            epoch = alignment.step // alignment.per_epoch
            order = alignment.batching.order(alignment.training, alignment.size, epoch)
        log.add(train_step(alignment, order[alignment.step % alignment.per_epoch], epoch))
        alignment.step += 1
        bar.update()
        if alignment.step % recipe.log_every == 0 or alignment.step == alignment.steps:
            bar.set_postfix(log.write())
        if alignment.step % recipe.evaluate_every == 0 or alignment.step == alignment.steps:
            log.look(held_out(alignment))
        if alignment.step % recipe.save_every == 0:
            save(alignment, out)
    bar.close()
    save(alignment, out)
    _publish(alignment, out)
    return log.told()


def started(recipe: Dpo, base: Path, out: Path) -> Alignment:
    """Everything that training needs, at step 0."""
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
            f"batch: {recipe.batch} pairs do not divide into {parts} parts ({recipe.accumulate} "
            f"times {accelerator.num_processes} processes)"
        )
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
    for name, parameter in policy.named_parameters():
        parameter.requires_grad_(recipe.train != "biases" or _is_bias(name, parameter))
    measured = Measured(found.generator, policy, not found.encoded, precision)
    reference = found.reference.policy.requires_grad_(False).eval()
    trained = [parameter for parameter in policy.parameters() if parameter.requires_grad]
    if not trained:
        raise ConfigError("train: biases: the policy has no biases. Write train: all")
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


# --- one step ------------------------------------------------------------------------------------


def train_step(alignment: Alignment, pairs: Array, epoch: int) -> dict[str, float]:
    """One step of AdamW on a batch of pairs; returns the means of what it saw."""
    recipe, accelerator = alignment.recipe, alignment.accelerator
    began = time.monotonic()
    torch.manual_seed(seed_for(recipe.seed, "step", alignment.step, accelerator.process_index))
    for group in alignment.optimiser.param_groups:
        group["lr"] = learning_rate(recipe, alignment.step, alignment.steps)
    seen: dict[str, float] = defaultdict(float)
    for part in np.array_split(pairs, recipe.accumulate):
        mine = part[accelerator.process_index :: accelerator.num_processes]
        with accelerator.accumulate(alignment.policy):
            batch = alignment.batching.of(mine, epoch)
            found = losses(alignment, batch, f"pass-{epoch:03d}")
            accelerator.backward(found["loss"].mean())
            if accelerator.sync_gradients:
                norm = accelerator.clip_grad_norm_(alignment.policy.parameters(), recipe.clip_norm)
                seen["gradient_norm"] = float(norm)
            alignment.optimiser.step()
            alignment.optimiser.zero_grad()
        means = torch.stack([value.detach().mean() for value in found.values()])
        means = accelerator.reduce(means, "mean")
        for name, value in zip(found, means.tolist(), strict=True):
            seen[name] += value / recipe.accumulate
    if recipe.ema:
        _average(alignment)
    seen["seconds"] = time.monotonic() - began
    return dict(seen)


def losses(alignment: Alignment, batch: Batch, name: str) -> dict[str, Tensor]:
    """The loss of each pair of a batch and its parts, [P] each.

    loss = objective + anchor.weight * anchor; see `objectives`.

    Args:
        name: of the pass, under which the reference's values are kept.
    """
    recipe, paradigm = alignment.recipe, alignment.paradigm
    beta = recipe.objective.beta or BETA[paradigm]
    tokens = counted(batch, paradigm)
    per = tokens if _reduction(alignment) == "mean" else torch.ones_like(tokens)
    measured = batch.split(alignment.policy(batch.rows))
    u = (measured / per).mean(1)
    if recipe.objective.name == "sft":
        gain = torch.zeros_like(u)
        preference = objectives.sft(u[0])
    else:
        reference = alignment.values.of(batch, name, alignment.reference)
        gain = u[:2] - (reference / per[:2]).mean(1)
        preference = _preference(recipe, gain, beta)
    found = {"loss": preference, "preference": preference}
    if recipe.anchor.weight:
        side = 0 if recipe.anchor.side == "chosen" else 2
        found["anchor"] = objectives.anchor((measured[side] / tokens[side]).mean(0))
        found["loss"] = preference + recipe.anchor.weight * found["anchor"]
    return found | {
        "accuracy": objectives.accuracy(gain[0], gain[1]),
        "reward_chosen": beta * gain[0],
        "reward_rejected": beta * gain[1],
        "margin": beta * (gain[0] - gain[1]),
        "drift": objectives.drift(gain[0], gain[1]),
    }


def _preference(recipe: Dpo, gain: Tensor, beta: float) -> Tensor:
    if recipe.objective.name == "ipo":
        return objectives.ipo(gain[0], gain[1], beta)
    return objectives.dpo(gain[0], gain[1], beta, recipe.objective.label_smoothing)


def _reduction(alignment: Alignment) -> str:
    return alignment.recipe.objective.reduction or REDUCTION[alignment.paradigm]


def learning_rate(recipe: Dpo, step: int, steps: int) -> float:
    """Linear warm-up, then constant, or half a cosine to 0."""
    warm = min(1.0, (step + 1) / max(1, recipe.warm_up))
    cosine = 0.5 * (1 + math.cos(math.pi * step / steps))
    return recipe.learning_rate * warm * (cosine if recipe.schedule == "cosine" else 1.0)


@torch.no_grad()
def _average(alignment: Alignment) -> None:
    """Exponential moving average of the weights, in place; short at first, so as to begin well."""
    decay = min(alignment.recipe.ema, alignment.step / (alignment.step + 10))
    assert alignment.averaged is not None
    for name, value in alignment.subject.generator.policy.state_dict().items():
        kept = alignment.averaged[name]
        if kept.is_floating_point():
            kept.lerp_(value, 1 - decay)


@torch.no_grad()
def held_out(alignment: Alignment) -> dict[str, float]:
    """Means over the held-out pairs, always under the same draws, with their given labels."""
    from dataclasses import replace

    straight = replace(alignment.batching, random_labels=False, seed=0)
    total: dict[str, float] = defaultdict(float)
    for start in range(0, len(alignment.held_out), alignment.size):
        pairs = alignment.held_out[start : start + alignment.size]
        found = losses(alignment, straight.of(pairs, HELD_OUT), "held-out")
        for name, value in found.items():
            total[name] += float(value.sum()) / len(alignment.held_out)
    return dict(total)


# --- on disk -------------------------------------------------------------------------------------


def save(alignment: Alignment, out: Path) -> None:
    """Write the state, under a temporary name first."""
    if not alignment.accelerator.is_main_process:
        return
    state = {
        "policy": alignment.subject.generator.policy.state_dict(),
        "averaged": alignment.averaged,
        "optimiser": alignment.optimiser.state_dict(),
        "step": alignment.step,
        "alarms": alignment.alarms.raised,
        "best": alignment.best,
        "since_best": alignment.since_best,
    }
    torch.save(state, out / "state.part")
    (out / "state.part").replace(out / "state.pt")


def resume(alignment: Alignment, out: Path) -> None:
    """Continue from `state.pt` where there is one."""
    if not (out / "state.pt").exists():
        return
    state = torch.load(
        out / "state.pt", weights_only=True, map_location=alignment.accelerator.device
    )
    alignment.subject.generator.policy.load_state_dict(state["policy"])
    alignment.optimiser.load_state_dict(state["optimiser"])
    alignment.averaged, alignment.step = state["averaged"], state["step"]
    alignment.best, alignment.since_best = state["best"], state["since_best"]
    alignment.alarms.raised.update(state["alarms"])


def _publish(alignment: Alignment, out: Path) -> None:
    """Write the policy as its generator does: the best, the averaged, or the last."""
    if not alignment.accelerator.is_main_process:
        return
    policy = alignment.subject.generator.policy
    if alignment.best is not None:
        policy.load_state_dict(alignment.best["weights"])
    elif alignment.averaged is not None:
        policy.load_state_dict(alignment.averaged)
    alignment.subject.generator.save(out)


def _stopped(alignment: Alignment) -> bool:
    patience = alignment.recipe.early_stop
    return patience is not None and alignment.since_best >= patience


def _claim(out: Path, recipe: Dpo, base: Path) -> None:
    """Refuse to continue a folder under a recipe that would train something else.

    Raises:
        RunMismatchError: the folder was begun with other settings; how often it tells may change.
    """
    free = {"log_every", "evaluate_every", "save_every", "threads", "cache"}
    settings = recipe.model_dump(mode="json", exclude=free)
    path = out / "recipe.json"
    before = json.loads(path.read_text(encoding="utf-8")) if path.exists() else settings
    changed = [key for key in settings if before.get(key) != settings[key]]
    if changed:
        raise RunMismatchError(
            f"{out}: was begun with another {', '.join(changed)}. Choose another --out, or "
            "restore the recipe to continue"
        )
    settings["base"] = os.path.relpath(base.resolve(), out.resolve())  # what its paths start from
    shards.write_text(path, json.dumps(settings, indent=2))


class _Log:
    """`log.jsonl`: means over stretches of steps, looks at held-out pairs, alarms."""

    def __init__(self, path: Path, alignment: Alignment) -> None:
        self._path, self._alignment = path, alignment
        self._seen: list[dict[str, float]] = []
        self._since_look: list[float] = []
        self._last: dict[str, Any] = {}
        self._held: dict[str, float] = {}
        kept = [row for row in shards.read_json_lines(path) if row["step"] <= alignment.step]
        if alignment.accelerator.is_main_process:
            shards.write_text(
                path, "".join(json.dumps(finite(row), allow_nan=False) + "\n" for row in kept)
            )

    def add(self, means: dict[str, float]) -> None:
        """One step."""
        self._seen.append(means)
        self._since_look.append(means["accuracy"])

    def write(self) -> dict[str, str]:
        """The means since the last line; returns what a progress bar has room for."""
        alignment = self._alignment
        seconds = sum(means["seconds"] for means in self._seen)
        names = self._seen[-1].keys() - {"seconds"}
        means = {n: float(np.mean([one[n] for one in self._seen])) for n in sorted(names)}
        row = {
            "step": alignment.step,
            "epoch": round(alignment.step / alignment.per_epoch, 4),
            "learning_rate": learning_rate(alignment.recipe, alignment.step - 1, alignment.steps),
            **means,
            "pairs_per_second": len(self._seen) * alignment.size / seconds,
        }
        self._seen, self._last = [], row
        self._append(row)
        self._warn(alignment.alarms.look(means, alignment.step / alignment.steps))
        shown = ("loss", "accuracy", "margin", "drift", "pairs_per_second")
        return {name: f"{row[name]:.3g}" for name in shown}

    def look(self, found: dict[str, float]) -> None:
        """A look at the held-out pairs; keeps the best weights where that is asked for."""
        if not found:
            return
        alignment = self._alignment
        self._held = found
        self._append({"step": alignment.step, "held_out": found})
        training = float(np.mean(self._since_look or [0.0]))
        self._since_look = []
        pairs = len(alignment.held_out)
        self._warn(alignment.alarms.look_at_held_out(found["accuracy"], pairs, training))
        if alignment.recipe.early_stop is None:
            return
        if alignment.best is None or found["accuracy"] > alignment.best["accuracy"]:
            weights = alignment.averaged or alignment.subject.generator.policy.state_dict()
            alignment.best = {
                "step": alignment.step,
                "accuracy": found["accuracy"],
                "weights": copy.deepcopy(weights),
            }
            alignment.since_best = 0
        else:
            alignment.since_best += 1

    def told(self) -> dict[str, Any]:
        """What there is to say at the end."""
        alignment = self._alignment
        return {
            "steps": alignment.step,
            "pairs": len(alignment.training),
            "training": self._last,
            "held_out": self._held,
            "best_step": alignment.best["step"] if alignment.best else alignment.step,
            "alarms": list(alignment.alarms.raised.values()),
        }

    def _warn(self, alarms: list[str]) -> None:
        for told in alarms:
            self._append({"step": self._alignment.step, "alarm": told})
            if self._alignment.accelerator.is_main_process:
                tqdm.write(f"alarm: {told}", file=sys.stderr)

    def _append(self, row: dict[str, Any]) -> None:
        if self._alignment.accelerator.is_main_process:
            shards.append_json(self._path, finite(row))
