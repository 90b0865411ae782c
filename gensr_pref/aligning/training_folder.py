"""The claim on a training folder: its recipe, the content behind it, and a lock.

`recipe.json` contains the recipe and, under ``made_from``, a digest of everything that the recipe
names: pairs and their tables, weights, recordings, code. Names are not enough, because the content
behind a path may have changed. A training is resumed only with the same content.
"""

from __future__ import annotations

import json
import os
from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from gensr_pref import __version__
from gensr_pref.config import run_file
from gensr_pref.errors import Problem, RunMismatchError
from gensr_pref.identity import digest
from gensr_pref.rundir import part_files
from gensr_pref.storage import files
from gensr_pref.storage.location import home
from gensr_pref.untrusted import documents

RECIPE, STATE = "recipe.json", "state.pt"
_RESULTS = (STATE, "model.safetensors")


@dataclass(frozen=True)
class Claim:
    """The settings and the content that a training depends on.

    Attributes:
        settings: fields of the recipe that the result depends on.
        made_from: digests of what the recipe names, and the version of the code.
        defaults: defaults of fields that an older recipe may lack.
    """

    settings: Mapping[str, Any]
    made_from: Mapping[str, str]
    defaults: Mapping[str, Any]

    @classmethod
    def from_recipe(
        cls, recipe: run_file.Model, changeable: Collection[str], made_from: Mapping[str, str]
    ) -> Claim:
        """Return the claim of a recipe.

        Args:
            recipe: the recipe.
            changeable: fields that may change when a training is resumed.
            made_from: digests of what the recipe names.
        """
        fields = type(recipe).model_fields.items()
        return cls(
            recipe.model_dump(mode="json", exclude=set(changeable)),
            {**made_from, "gensr_pref": __version__},
            {key: field.default for key, field in fields if not field.is_required()},
        )

    @property
    def digest(self) -> str:
        """Digest of settings and content."""
        return digest(dict(self.settings), dict(self.made_from))


@contextmanager
def lock_folder(out: Path, alone: bool = True) -> Iterator[None]:
    """Lock a folder against other trainings; create it if it does not exist.

    Args:
        alone: False in the other processes of the same training, which take no lock.

    Raises:
        RunMismatchError: another process trains in the folder.
        StorageError: the folder cannot be written.
    """
    home()  # torch's optimisers ask for the user's name, and fail where there is none
    if not alone:
        yield
        return
    busy = RunMismatchError(
        "another training uses this folder. Wait for it, or choose another folder",
        path=out,
        problem=Problem.BUSY,
    )
    with part_files.hold_lock(out / ".lock", busy):
        files.remove_unfinished([out])
        yield


def require_same_claim(out: Path, claim: Claim) -> None:
    """Refuse to resume a training that was started with other settings or content.

    Raises:
        RunMismatchError: the message names the differences, or says that they are unknown.
    """
    path = out / RECIPE
    if not path.exists():
        _require_empty(out)
        return
    before = _read(path)
    made_from = before.get("made_from")
    if not isinstance(made_from, dict):
        raise RunMismatchError(
            "was started by an earlier version, which did not record what it was trained on, "
            "so it cannot be resumed. Choose another folder",
            path=out,
            problem=Problem.UNSUPPORTED,
        )
    settings = [key for key, value in claim.settings.items()
                if before.get(key, claim.defaults.get(key)) != value]  # fmt: skip
    content = _differences(made_from, claim.made_from)
    if not settings and not content:
        return
    differences = [f"another {', '.join(settings)}"] if settings else []
    differences += [f"other content behind the same names: {', '.join(content)}"] if content else []
    raise RunMismatchError(
        f"was started with {'; with '.join(differences)}. Restore it to continue, or choose "
        "another folder",
        path=out,
        value=[*settings, *(line.partition(" ")[0] for line in content)],
        problem=Problem.CONFLICT if settings else Problem.CHANGED,
    )


def write_claim(out: Path, claim: Claim, base: Path) -> None:
    """Write the claim to `recipe.json`.

    Args:
        base: folder that the recipe's paths are relative to.

    Raises:
        StorageError: it cannot be written.
    """
    relative_base = os.path.relpath(base.resolve(), out.resolve())
    content = {**claim.settings, "base": relative_base, "made_from": dict(claim.made_from)}
    part_files.write_text(out / RECIPE, json.dumps(content, indent=2))


def _differences(before: Mapping[str, Any], now: Mapping[str, str]) -> list[str]:
    return [
        f"{key} ({before.get(key, 'none')} before, {now.get(key, 'none')} now)"
        for key in sorted(before.keys() | now.keys())
        if before.get(key) != now.get(key)
    ]


def _require_empty(out: Path) -> None:
    results = [name for name in _RESULTS if (out / name).exists()]
    if results:
        raise RunMismatchError(
            f"contains {' and '.join(results)} but no {RECIPE}, so it is unknown which training "
            "wrote them. Choose another folder",
            path=out,
            value=RECIPE,
            problem=Problem.MISSING,
        )


def _read(path: Path) -> dict[str, object]:
    try:
        recipe = documents.parse_json(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise RunMismatchError(
            f"cannot be read ({error}), so it is unknown which training was started there. "
            "Restore it, or choose another folder",
            path=path,
            problem=Problem.UNREADABLE,
        ) from error
    if not isinstance(recipe, dict):
        raise RunMismatchError(
            "is not a recipe. Restore it, or choose another folder",
            path=path,
            problem=Problem.DAMAGED,
        )
    return recipe
