"""Alignment of a generator with preference pairs: the loop.

    gensr-pref train pipelines/dpo_fm_tiny.yaml --out DIR

The command writes into DIR the files of the generator's `save` (for the shipped generators,
`model.safetensors` and `config.json`, which their option `checkpoint` loads), `log.jsonl`, and
`state.pt`, from which the same command resumes. All random draws depend on the recipe's seed, a
pair's id and the number of the epoch, so an interrupted training ends with the same weights. On
several GPUs:
``accelerate launch -m gensr_pref.cli train ...``.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from tqdm import tqdm

from gensr_pref import process
from gensr_pref.aligning.alignment_run import (
    AlignmentRun,
    Processes,
    make_alignment,
    start_processes,
    training_cache,
)
from gensr_pref.aligning.checkpoints import resume_state, save_checkpoint, save_state
from gensr_pref.aligning.feature_cache import Array
from gensr_pref.aligning.inputs import load_inputs
from gensr_pref.aligning.log import AlignmentLog, AlignmentReport
from gensr_pref.aligning.recipe import Dpo
from gensr_pref.aligning.step import alignment_step, evaluate_held_out
from gensr_pref.aligning.training_folder import Claim, lock_folder, require_same_claim, write_claim
from gensr_pref.config.run_file import load_any


def align(
    recipe: Dpo | Mapping[str, Any] | str | Path,
    out: str | Path,
    *,
    base: str | Path | None = None,
) -> AlignmentReport:
    """Align a generator, or continue an alignment.

        align("dpo.yaml", "runs/dpo")

    Args:
        recipe: the recipe file, its data, or a checked `Dpo`.
        out: folder for the checkpoint, the log and the state.
        base: folder that the recipe's paths are relative to; None: the recipe file's folder, or the
            working folder if `recipe` is not a file.

    Raises:
        InputError: the generator or the pairs cannot be used, or the folder belongs to another
            training; nothing was trained.
        StorageError: the folder cannot be written, or its state is damaged.
    """
    recipe, folder = load_any(recipe, Dpo, base)
    out = Path(out)
    torch.set_num_threads(recipe.threads)
    processes = start_processes(recipe)
    with lock_folder(out, processes.is_main):
        alignment = _begin(recipe, folder, out, processes)
        return _run(alignment, out)


def _begin(recipe: Dpo, base: Path, out: Path, processes: Processes) -> AlignmentRun:
    """Return the alignment, resumed if it has a state; claim the folder after all checks."""
    cache = training_cache(recipe, base, out)
    loaded = load_inputs(recipe, base, cache, processes.device)
    claim = Claim.from_recipe(recipe, _changeable_fields(recipe), loaded.made_from)
    require_same_claim(out, claim)
    alignment = make_alignment(recipe, loaded, processes, cache)
    alignment.claim = claim.digest
    resume_state(alignment, out)
    if processes.is_main:
        write_claim(out, claim, base)
    return alignment


def _changeable_fields(recipe: Dpo) -> set[str]:
    """Return the fields that may change on resuming, because no result depends on them."""
    fields = {"log_every", "save_every", "threads", "cache"}
    return fields if recipe.early_stop else {*fields, "evaluate_every"}


def _run(alignment: AlignmentRun, out: Path) -> AlignmentReport:
    recipe = alignment.recipe
    log = AlignmentLog(out / "log.jsonl", alignment)
    order: list[Array] = []
    epoch = -1
    bar = tqdm(
        total=alignment.steps,
        initial=alignment.step,
        desc="align",
        unit="step",
        disable=not alignment.accelerator.is_main_process,
    )
    while alignment.step < alignment.steps and not _is_stopped(alignment):
        process.raise_if_interrupted()
        if alignment.step // alignment.per_epoch != epoch:
            epoch = alignment.step // alignment.per_epoch
            order = alignment.batching.order(alignment.training, alignment.size, epoch)
        log.add(alignment_step(alignment, order[alignment.step % alignment.per_epoch], epoch))
        alignment.step += 1
        bar.update()
        if alignment.step % recipe.log_every == 0 or alignment.step == alignment.steps:
            bar.set_postfix(log.write())
        if alignment.step % recipe.evaluate_every == 0 or alignment.step == alignment.steps:
            log.add_held_out(evaluate_held_out(alignment))
        if alignment.step % recipe.save_every == 0:
            save_state(alignment, out)
    bar.close()
    save_state(alignment, out)
    save_checkpoint(alignment, out)
    return log.report()


def _is_stopped(alignment: AlignmentRun) -> bool:
    patience = alignment.recipe.early_stop
    return patience is not None and alignment.since_best >= patience
