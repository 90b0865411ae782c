"""Alignment of a generator with preference pairs: the loop.

    gensr-pref train pipelines/dpo_fm_tiny.yaml --out DIR

DIR receives what the generator's `save` writes (for those that ship, `model.safetensors` and
`config.json`: the option `checkpoint`), `log.jsonl`, and `state.pt`, from which the same command
continues. Everything random is drawn from the recipe's seed, a pair's id and the number of the
epoch, so a run that was interrupted ends with the same weights. On several GPUs:
``accelerate launch -m gensr_pref.cli train ...``.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from tqdm import tqdm

from gensr_pref import process
from gensr_pref.aligning.checkpoints import publish, resume, save
from gensr_pref.aligning.feature_cache import Array
from gensr_pref.aligning.log import Log
from gensr_pref.aligning.recipe import Dpo
from gensr_pref.aligning.setup import material
from gensr_pref.aligning.step import held_out, train_step
from gensr_pref.aligning.training import Alignment, Processes, cache_of, prepared_for, processes_for
from gensr_pref.aligning.training_folder import Claim, held, record, require_same
from gensr_pref.config.run_file import load_any


def align(
    recipe: Dpo | Mapping[str, Any] | str | Path,
    out: str | Path,
    *,
    base: str | Path | None = None,
) -> dict[str, Any]:
    """Align a generator, or continue.

        align("dpo.yaml", "runs/dpo")

    Args:
        recipe: the recipe file, its data, or a checked `Dpo`.
        out: receives the checkpoint, the log and the state.
        base: folder that the recipe's paths are relative to; None: the recipe file's folder, or the
            working folder where `recipe` is no file.

    Returns:
        Steps, the last means, held-out accuracy, and the alarms.

    Raises:
        InputError: a generator or pairs that cannot be used, or a folder that was begun from
            others; nothing was trained.
        StorageError: the folder cannot be written, or its state is damaged.
    """
    recipe, folder = load_any(recipe, Dpo, base)
    out = Path(out)
    torch.set_num_threads(recipe.threads)
    processes = processes_for(recipe)
    with held(out, processes.is_main):
        alignment = _begun(recipe, folder, out, processes)
        return _trained(alignment, out)


def _begun(recipe: Dpo, base: Path, out: Path, processes: Processes) -> Alignment:
    """The alignment where it stands; the folder is claimed once all has been checked."""
    cache = cache_of(recipe, base, out)
    found = material(recipe, base, cache, processes.device)
    claim = Claim.of(recipe, _free(recipe), found.made_from)
    require_same(out, claim)
    alignment = prepared_for(recipe, found, processes, cache)
    alignment.claim = claim.digest
    resume(alignment, out)
    if processes.is_main:
        record(out, claim, base)
    return alignment


def _free(recipe: Dpo) -> set[str]:
    """Fields that may change while a training goes on: what it learns does not depend on them."""
    free = {"log_every", "save_every", "threads", "cache"}
    return free if recipe.early_stop else {*free, "evaluate_every"}


def _trained(alignment: Alignment, out: Path) -> dict[str, Any]:
    recipe = alignment.recipe
    log = Log(out / "log.jsonl", alignment)
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
        process.raise_if_interrupted()
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
    publish(alignment, out)
    return log.told()


def _stopped(alignment: Alignment) -> bool:
    patience = alignment.recipe.early_stop
    return patience is not None and alignment.since_best >= patience
