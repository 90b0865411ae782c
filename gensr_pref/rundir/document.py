"""``run.yaml``: the settings of a run, and what else made it.

Its first line holds a digest of the rest, so that an edit by hand is noticed.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import yaml

from gensr_pref import __version__
from gensr_pref.errors import Problem, RunMismatchError
from gensr_pref.identity import bytes_digest, digest
from gensr_pref.rundir import part_files, provenance
from gensr_pref.schema import SCHEMA_VERSION
from gensr_pref.untrusted import documents

RUN = "run.yaml"  # of a run directory
_FIRST_LINE = "# Written by gensr-pref, which refuses it where it was edited: "
_FIRST_WITH_DIGEST = 2  # schema version
_UNSHAPING = ("fingerprint", "corpus", "pairing", "licences")  # of the provenance


def document(out: Path) -> dict[str, Any]:
    """What ``run.yaml`` holds.

    Raises:
        RunMismatchError: there is none, it is not one that a build wrote, it was edited since, or
            a later version of this package wrote it.
    """
    found, is_edited = _read(out)
    if found is None:
        raise RunMismatchError(
            "is not a run directory (its run.yaml is missing or damaged). Give the folder "
            "that a build wrote",
            path=out,
            problem=Problem.MISSING,
        )
    if is_edited:
        raise RunMismatchError(
            "was edited since it was written, so that it does not tell any more what "
            "made the tables. Run the same build again, which writes it anew",
            path=out / RUN,
            problem=Problem.CHANGED,
        )
    return found


def document_if_intact(out: Path) -> dict[str, Any] | None:
    """What ``run.yaml`` holds; None where it is missing, damaged or was edited.

    Raises:
        RunMismatchError: a later version of this package wrote it.
    """
    found, is_edited = _read(out)
    return None if is_edited else found


def _read(out: Path) -> tuple[dict[str, Any] | None, bool]:
    """What ``run.yaml`` holds, None where it is none that was written here; whether it was edited.

    Raises:
        RunMismatchError: a later version of this package wrote it.
    """
    try:
        text = part_files.read_text(out / RUN)
        found = dict(documents.parse_yaml(text))
        identity(found)
        version = version_of(found)
    except (OSError, ValueError, TypeError, KeyError, AttributeError):
        return None, False
    if version > SCHEMA_VERSION:
        raise RunMismatchError(
            f"its tables are of version {version}, made by gensr_pref "
            f"{found['provenance']['gensr_pref']}; this is {__version__}, which reads versions up "
            f"to {SCHEMA_VERSION}. Update gensr_pref",
            path=out,
            value=version,
            problem=Problem.UNSUPPORTED,
        )
    has_digest = version >= _FIRST_WITH_DIGEST or text.startswith(_FIRST_LINE)
    return found, not (_is_as_written(text) if has_digest else _agrees(found))


def version_of(found: dict[str, Any]) -> int:
    """The version of a run's tables."""
    return int(found["provenance"]["schema_version"])


def record(out: Path, found: dict[str, Any]) -> None:
    """Write ``run.yaml``."""
    text = yaml.safe_dump(found, sort_keys=False, allow_unicode=True, width=100)
    part_files.write_text(out / RUN, f"{_FIRST_LINE}{bytes_digest(text.encode())}\n{text}")


def identity(found: dict[str, Any]) -> dict[str, Any]:
    """The part of ``run.yaml`` that shapes clips, candidates and scores."""
    made_from = found["provenance"]
    generators = [_known(one) for one in made_from["generators"]]
    panel = [_known(provenance.without_votes(one)) for one in made_from["panel"]]
    kept = {k: v for k, v in made_from.items() if k not in _UNSHAPING}
    return {
        "seed": found["seed"],
        "corpus": provenance.without_splits(found["corpus"], version_of(found)),
        "generators": found["generators"],
        "panel": [{k: v for k, v in use.items() if k != "vote"} for use in found["panel"]],
        "engine": {"shard_clips": found["engine"]["shard_clips"]},
        "provenance": {**kept, "generators": generators, "panel": panel},
    }


def facts_of(found: dict[str, Any]) -> dict[str, Any]:
    """All that made a run, from which `provenance.of_part` takes what made a part."""
    return {"run": found["name"], **found["provenance"]}


def _known(entry: dict[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in entry.items() if key != "fingerprint"}


def _agrees(found: dict[str, Any]) -> bool:
    """Whether settings are those of the fingerprint beside them."""
    return bool(found["provenance"].get("fingerprint") == digest(identity(found)))


def _is_as_written(text: str) -> bool:
    first, _, rest = text.partition("\n")
    return first == f"{_FIRST_LINE}{bytes_digest(rest.encode())}"
