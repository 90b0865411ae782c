"""The facts of a run as they may be published: nothing of one machine, no names where unwanted."""

from __future__ import annotations

import re
from copy import deepcopy
from typing import Any

from gensr_pref.exporting.pseudonyms import Pseudonyms

_PATH = re.compile(
    r"(?<![\w/.:])(?:/|~[\w.-]*/|[A-Za-z]:\\|\.\.?/)[^\s\"'<>|,;]*[^\s\"'<>|,;/\\]|^/$"
)
_AS_GIVEN = ("name", "credits")
_COUNTS = (
    "clips", "candidates", "scored", "pairs", "clips_with_pair", "yield", "without_pair",
    "failures", "stages", "machines",
)  # fmt: skip


def redact_run(run: dict[str, Any], names: Pseudonyms | None) -> dict[str, Any]:
    """What ``run.yaml`` holds, with paths cut to their last part; but in names and credits, which
    are as they were given (`gensr_pref.exporting.leak_scan` looks at them).

    Args:
        names: where the export is anonymised; the run's seed is withheld then, as with it a guess
            of a recording's name could be tried.
    """
    told: dict[str, Any] = _without_paths({k: v for k, v in run.items() if k != "engine"})
    engine = run.get("engine", {})
    told["engine"] = {"shard_clips": engine["shard_clips"]} if "shard_clips" in engine else {}
    if names is not None:
        told["seed"] = None
    return told


def file_metadata(run: dict[str, Any]) -> dict[str, Any]:
    """The facts in the metadata of every file of an export.

    Args:
        run: from `redact_run`.
    """
    provenance = run["provenance"]
    kept = ("gensr_pref", "schema_version", "fingerprint", "generators", "panel")
    told = {key: provenance[key] for key in kept if key in provenance}
    return {"run": run["name"], "pairing": run["pairing"], **told}


def redact_audit(found: dict[str, Any], names: Pseudonyms | None) -> dict[str, Any]:
    """What ``audit.json`` holds, without listeners' names and examples of what splits share."""
    told = deepcopy(found)
    told.pop("contents", None)  # tells apart the parts of the run directory
    for shared in told.get("leakage", {}).values():
        shared.pop("examples", None)
    for place, catch in enumerate(told.get("listening", {}).get("catches", ()), 1):
        if isinstance(catch, dict) and "listener" in catch:
            catch["listener"] = f"listener {place}"
    if names is not None:
        rows = told.get("breakdown", {}).get("speaker", [])
        for row in rows:
            if isinstance(row.get("value"), str):
                row["value"] = names.speaker(row["value"])
        rows.sort(key=lambda row: str(row.get("value")))  # no longer in the order of the names
        if names.how == "drop":
            told.get("breakdown", {}).pop("speaker", None)
    return told


def redact_summary(
    found: dict[str, Any], run: dict[str, Any], dataset: dict[str, Any], anonymous: bool
) -> dict[str, Any]:
    """The counts of ``summary.json``, of the generators, and of the dataset itself."""
    notices = [
        str(_without_paths(text))
        for text in found.get("notices", ())
        if not (anonymous and str(text).startswith("split:"))  # names a speaker or a recording
    ]
    generators = [
        {key: one.get(key) for key in ("name", "revision", "candidates", "sample_rate")}
        for one in run["provenance"]["generators"]
    ]
    counts = {key: found[key] for key in _COUNTS if key in found}
    return {**counts, "generators": generators, "notices": notices, "dataset": dataset}


def _without_paths(node: Any) -> Any:
    """Nested data with every absolute path cut to its last part, outside names and credits."""
    if isinstance(node, dict):
        return {
            key: value if key in _AS_GIVEN else _without_paths(value) for key, value in node.items()
        }
    if isinstance(node, list | tuple):
        return [_without_paths(value) for value in node]
    return _PATH.sub(_last_part, node) if isinstance(node, str) else node


def _last_part(match: re.Match[str]) -> str:
    return re.split(r"[/\\]", match[0])[-1]
