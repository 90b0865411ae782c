"""The saved state of a training, from which the same command resumes."""

from __future__ import annotations

import zipfile
from collections.abc import Mapping
from pathlib import Path

import torch

from gensr_pref.aligning.training_folder import STATE
from gensr_pref.errors import Problem, RunMismatchError, StorageError, UnwrittenError
from gensr_pref.storage import files


def write_state(out: Path, state: Mapping[str, object], claim: str) -> None:
    """Write a state atomically, and wait until it is on the disk.

    Args:
        out: the training's folder.
        state: tensors, numbers, texts, and lists and dictionaries of these.
        claim: digest of the training's claim; `read_state` refuses the state of another claim.

    Raises:
        StorageError: there is no room, or it cannot be written. An earlier state is unchanged.
    """
    path = out / STATE
    with files.write_atomically(path) as temporary, temporary.open("wb") as file:
        try:
            torch.save({**state, "claim": claim}, file)
        except RuntimeError as error:  # torch's error if the disk is full
            why = str(error).splitlines()[0]
            raise UnwrittenError(
                f"cannot be written: {why}. Make room; the same command resumes from "
                "the last saved state",
                path=path,
                problem=Problem.UNWRITABLE,
            ) from error


def read_state(
    out: Path, claim: str, device: torch.device | str = "cpu"
) -> dict[str, object] | None:
    """Return the state that was written last, with tensors on a device; None if there is none.

    Raises:
        StorageError: the state is damaged.
        RunMismatchError: it belongs to another training.
    """
    path = out / STATE
    if not path.exists():
        return None
    try:
        with zipfile.ZipFile(path) as archive:  # torch itself verifies no checksum
            damaged = archive.testzip()
        if damaged is not None:
            raise ValueError(f"the checksum of {damaged} is wrong")
        state: dict[str, object] = torch.load(path, weights_only=True, map_location=device)
        written_by = state.pop("claim")
    except Exception as error:  # whatever zipfile, pickle or torch raise for a damaged archive
        why = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise StorageError(
            f"is damaged ({why}). Restore it from a copy, or remove it, so that the same "
            "command trains from the beginning",
            path=path,
            problem=Problem.DAMAGED,
        ) from error
    if written_by != claim:
        raise RunMismatchError(
            f"does not belong to the training of {out / 'recipe.json'}. Remove it to "
            "train from the beginning, or choose another folder",
            path=path,
            problem=Problem.CHANGED,
        )
    return state
