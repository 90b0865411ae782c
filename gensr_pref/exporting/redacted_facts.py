"""The facts of a run as they may be published: without paths, and without names if anonymised."""

from __future__ import annotations

import re
from copy import deepcopy
from typing import Any

from gensr_pref.exporting.pseudonyms import Pseudonyms
from gensr_pref.rundir.document import RunDocument, Section

_PATH = re.compile(
    r"(?<![\w/.:])(?:/|~[\w.-]*/|[A-Za-z]:\\|\.\.?/)[^\s\"'<>|,;]*[^\s\"'<>|,;/\\]|^/$"
)
_AS_GIVEN = ("name", "credits")
_COUNTS = (
    "clips", "candidates", "scored", "pairs", "clips_with_pair", "yield", "without_pair",
    "failures", "stages", "machines",
)  # fmt: skip


def redact_run(run: RunDocument, names: Pseudonyms | None) -> RunDocument:
    """Return the content of ``run.yaml`` with paths cut to their last part.

    Names and credits stay as they were given (`gensr_pref.exporting.leak_scan` searches them).

    Args:
        names: pseudonyms of an anonymised export; its seed is withheld, because a guess of a
            recording's name could be tested with it.
    """
    published: Section = _without_paths({k: v for k, v in run.as_data().items() if k != "engine"})
    published["engine"] = {k: v for k, v in run.engine.items() if k == "shard_clips"}
    if names is not None:
        published["seed"] = None
    return RunDocument.model_validate(published)


def file_metadata(run: RunDocument) -> Section:
    """Return the facts in the metadata of every file of an export.

    Args:
        run: result of `redact_run`.
    """
    keys = ("gensr_pref", "schema_version", "fingerprint", "generators", "panel")
    facts = {key: value for key, value in run.facts().items() if key in keys}
    return {"run": run.name, "pairing": run.pairing, **facts}


def redact_audit(audited: dict[str, Any], names: Pseudonyms | None) -> dict[str, Any]:
    """Return the content of ``audit.json`` without listeners' names and examples of leakage."""
    published = deepcopy(audited)
    published.pop("contents", None)  # tells apart the parts of the run directory
    for shared in published.get("leakage", {}).values():
        shared.pop("examples", None)
    for place, catch in enumerate(published.get("listening", {}).get("catches", ()), 1):
        if isinstance(catch, dict) and "listener" in catch:
            catch["listener"] = f"listener {place}"
    if names is not None:
        rows = published.get("breakdown", {}).get("speaker", [])
        for row in rows:
            if isinstance(row.get("value"), str):
                row["value"] = names.speaker(row["value"])
        rows.sort(key=lambda row: str(row.get("value")))  # no longer in the order of the names
        if names.how == "drop":
            published.get("breakdown", {}).pop("speaker", None)
    return published


def redact_summary(
    counted: dict[str, Any], run: RunDocument, dataset: dict[str, Any], anonymous: bool
) -> dict[str, Any]:
    """Return the counts of ``summary.json``, the generators, and the size of the dataset."""
    notices = [
        str(_without_paths(text))
        for text in counted.get("notices", ())
        if not (anonymous and str(text).startswith("split:"))  # names a speaker or a recording
    ]
    generators = [
        {key: getattr(one, key) for key in ("name", "revision", "candidates", "sample_rate")}
        for one in run.provenance.generators
    ]
    counts = {key: counted[key] for key in _COUNTS if key in counted}
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
