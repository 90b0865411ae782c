"""An alignment on disk: its claim on a folder, its state, and the checkpoint it ends with."""

from __future__ import annotations

import json
import os
from pathlib import Path

import torch

from gensr_pref import shards
from gensr_pref.align.alignment import Alignment
from gensr_pref.align.dpo_recipe import Dpo
from gensr_pref.errors import RunMismatchError


def claim(out: Path, recipe: Dpo, base: Path) -> None:
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
            f"{out}: was begun with another {', '.join(changed)}. Choose another folder, or "
            "restore the recipe to continue"
        )
    settings["base"] = os.path.relpath(base.resolve(), out.resolve())  # what its paths start from
    shards.write_text(path, json.dumps(settings, indent=2))


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


def publish(alignment: Alignment, out: Path) -> None:
    """Write the policy as its generator does: the best, the averaged, or the last."""
    if not alignment.accelerator.is_main_process:
        return
    policy = alignment.subject.generator.policy
    if alignment.best is not None:
        policy.load_state_dict(alignment.best["weights"])
    elif alignment.averaged is not None:
        policy.load_state_dict(alignment.averaged)
    alignment.subject.generator.save(out)
