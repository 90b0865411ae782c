"""The state of an alignment on disk, and its final checkpoint."""

from __future__ import annotations

from pathlib import Path
from typing import Any, TypedDict, cast

from torch import Tensor

from gensr_pref.aligning.alignment_run import AlignmentRun, BestWeights
from gensr_pref.aligning.resume import read_state, write_state


class AlignmentState(TypedDict):
    """The state of an alignment.

    Keys:
        policy, averaged: weights by name; averaged is None without averaging.
        optimiser: its `state_dict`.
        step: number of completed steps.
        alarms: texts of the alarms that were raised, by name.
        best, since_best: see `AlignmentRun`.
    """

    policy: dict[str, Tensor]
    averaged: dict[str, Tensor] | None
    optimiser: dict[str, Any]
    step: int
    alarms: dict[str, str]
    best: BestWeights | None
    since_best: int


def save_state(alignment: AlignmentRun, out: Path) -> None:
    """Write the state of an alignment.

    Raises:
        StorageError: it cannot be written.
    """
    if not alignment.accelerator.is_main_process:
        return
    state: AlignmentState = {
        "policy": alignment.inputs.generator.policy.state_dict(),
        "averaged": alignment.averaged,
        "optimiser": alignment.optimiser.state_dict(),
        "step": alignment.step,
        "alarms": alignment.alarms.raised,
        "best": alignment.best,
        "since_best": alignment.since_best,
    }
    write_state(out, state, alignment.claim)


def resume_state(alignment: AlignmentRun, out: Path) -> None:
    """Continue from the state on disk, if there is one.

    Raises:
        StorageError: the state is damaged.
        RunMismatchError: it belongs to another training.
    """
    loaded = read_state(out, alignment.claim, alignment.accelerator.device)
    if loaded is None:
        return
    state = cast(AlignmentState, loaded)
    alignment.inputs.generator.policy.load_state_dict(state["policy"])
    alignment.optimiser.load_state_dict(state["optimiser"])
    alignment.averaged, alignment.step = state["averaged"], state["step"]
    alignment.best, alignment.since_best = state["best"], state["since_best"]
    alignment.alarms.raised.update(state["alarms"])


def save_checkpoint(alignment: AlignmentRun, out: Path) -> None:
    """Write the best weights, else the averaged, else the last, by the generator's `save`."""
    if not alignment.accelerator.is_main_process:
        return
    policy = alignment.inputs.generator.policy
    if alignment.best is not None:
        policy.load_state_dict(alignment.best["weights"])
    elif alignment.averaged is not None:
        policy.load_state_dict(alignment.averaged)
    alignment.inputs.generator.save(out)
