"""The facts of a run without what must not be published: paths, and names if anonymised."""

from __future__ import annotations

import re
from copy import deepcopy
from typing import Any, Literal, TypedDict, cast, get_args

from gensr_pref.auditing.document import Audit, FullParts, MeanScores
from gensr_pref.building.summary import Summary
from gensr_pref.corpus.leakage import is_leak_notice
from gensr_pref.exporting.pseudonyms import Pseudonyms
from gensr_pref.exporting.run_facts import DatasetSize
from gensr_pref.rundir.document import RunDocument, Section

_PATH = re.compile(
    r"(?<![\w/.:])(?:/|~[\w.-]*/|[A-Za-z]:\\|\.\.?/)[^\s\"'<>|,;]*[^\s\"'<>|,;/\\]|^/$"
)
_AS_GIVEN = ("name", "credits")
_Count = Literal[
    "clips", "candidates", "scored", "pairs", "clips_with_pair", "yield", "without_pair",
    "failures", "stages", "machines",
]  # fmt: skip
_COUNTS: tuple[_Count, ...] = get_args(_Count)


class PublishedAudit(FullParts, MeanScores):
    """The ``audit.json`` of an export: that of the run without its digests, ``contents``.

    Listeners are numbered, and ``leakage`` has no examples. In an anonymised export, ``breakdown``
    has pseudonyms of speakers, or no speakers.
    """

    run: str
    rule: str
    clips: int
    candidates: int
    pairs: int
    golden: int
    shards: int
    unfinished_shards: int
    without_pair: dict[str, int]
    notices: list[str]


class GeneratorFacts(TypedDict):
    """A generator, as the published ``summary.json`` lists it."""

    name: str
    revision: str | None
    candidates: int
    sample_rate: int | None


# The ``summary.json`` of an export: counts of the run's own one (docs/run-directory.md explains
# them), the generators, the notices without paths, and the size of the dataset.
PublishedSummary = TypedDict(
    "PublishedSummary",
    {
        "clips": int,
        "candidates": int,
        "scored": int,
        "pairs": int,
        "clips_with_pair": int,
        "yield": float | None,
        "without_pair": dict[str, int],
        "failures": dict[str, dict[str, int]],
        "stages": dict[str, dict[str, float]],
        "machines": list[dict[str, Any]],
        "generators": list[GeneratorFacts],
        "notices": list[str],
        "dataset": DatasetSize,
    },
)


def redact_run(run: RunDocument, names: Pseudonyms | None) -> RunDocument:
    """Return the content of ``run.yaml`` with paths cut to their last part.

    Names and credits stay as they were given (`gensr_pref.exporting.leak_scan` searches them).

    Args:
        names: pseudonyms of an anonymised export, which withholds the seed because a guessed name
            of a recording could be tested with it.
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


def redact_audit(audit: Audit, names: Pseudonyms | None) -> PublishedAudit:
    """Return the content of ``audit.json`` without listeners' names and examples of leakage."""
    published = cast(dict[str, Any], deepcopy(audit))
    published.pop("contents", None)  # digests of the run directory's parts
    for shared in published.get("leakage", {}).values():
        shared.pop("examples", None)
    for number, row in enumerate(published.get("listening", {}).get("catches", ()), 1):
        if isinstance(row, dict) and "listener" in row:
            row["listener"] = f"listener {number}"
    if names is not None:
        rows = published.get("breakdown", {}).get("speaker", [])
        for row in rows:
            if isinstance(row.get("value"), str):
                row["value"] = names.speaker(row["value"])
        rows.sort(key=lambda row: str(row.get("value")))  # no longer in the order of the names
        if names.how == "drop":
            published.get("breakdown", {}).pop("speaker", None)
    return cast(PublishedAudit, published)


def redact_summary(
    summary: Summary, run: RunDocument, dataset: DatasetSize, anonymous: bool
) -> PublishedSummary:
    """Return the counts of ``summary.json``, the generators, and the size of the dataset."""
    notices = [
        str(_without_paths(text))
        for text in summary.get("notices", ())
        if not (anonymous and is_leak_notice(str(text)))
    ]
    generators: list[GeneratorFacts] = [
        {
            "name": generator.name,
            "revision": generator.revision,
            "candidates": generator.candidates,
            "sample_rate": generator.sample_rate,
        }
        for generator in run.provenance.generators
    ]
    counts: dict[str, Any] = {key: summary[key] for key in _COUNTS if key in summary}
    published: dict[str, Any] = {
        **counts,
        "generators": generators,
        "notices": notices,
        "dataset": dataset,
    }
    return cast(PublishedSummary, published)


def _without_paths(node: Any) -> Any:
    """Return nested data with absolute paths cut to their last part, outside names and credits."""
    if isinstance(node, dict):
        return {
            key: value if key in _AS_GIVEN else _without_paths(value) for key, value in node.items()
        }
    if isinstance(node, list | tuple):
        return [_without_paths(value) for value in node]
    return _PATH.sub(_last_part, node) if isinstance(node, str) else node


def _last_part(match: re.Match[str]) -> str:
    return re.split(r"[/\\]", match[0])[-1]
