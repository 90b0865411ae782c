"""What the metadata of a part says of how it was made, so that a run can grow.

Clips, each generator and each metric have a fingerprint of their own. A part whose own fingerprint
is as the run wants it is whole; of one whose is not, the rows of every generator and metric whose
fingerprint is still wanted stay as they are, and only the others are made.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Literal, get_args

from pydantic import Field, ValidationError

from gensr_pref.identity import digest
from gensr_pref.rundir import part_files
from gensr_pref.rundir.document import (
    GeneratorRecord,
    MetricRecord,
    Provenance,
    Record,
    RunDocument,
    Section,
)

Made = Literal["clips", "candidates", "scores"]
MADE: tuple[Made, ...] = get_args(Made)
_STUDIED = ("texts", "fingerprint")


class PartRecord(Record):
    """The metadata of a part: what made it. A part that has none, or is damaged, has no facts.

    Attributes:
        run: the name of the run.
        gensr_pref: the version of this package.
        schema_version: the version of the tables.
        corpus: digest of all that shapes a clip.
        clips: digest of the clips of its shard, and of what they were made from.
        library: digests of all noises and of all impulse responses.
        splits: digest of the splits that clips are in.
        generators: those of its candidates.
        panel: the metrics of its scores, without votes.
        fingerprint: digest of all this.
    """

    run: str = ""
    gensr_pref: str = ""
    schema_version: int = 0
    corpus: str | None = None
    clips: str | None = None
    library: dict[str, str] | None = None
    splits: str | None = None
    generators: list[GeneratorRecord] = Field(default_factory=list)
    panel: list[MetricRecord] = Field(default_factory=list)
    fingerprint: str = ""

    @property
    def is_known(self) -> bool:
        """Whether the part has any facts."""
        return bool(self.model_fields_set)


def read_part_record(path: Path) -> PartRecord:
    """Read the metadata of a part; one without facts where it is missing or damaged."""
    try:
        return PartRecord.model_validate(part_files.read_facts_if_any(path))
    except ValidationError:
        return PartRecord()


def generator_record(
    use: Section,
    label: str,
    revision: str,
    sample_rate: int | None,
    code: Mapping[str, object] | None = None,
) -> GeneratorRecord:
    """Return a generator's entry in ``run.yaml`` and in the metadata of candidates.

    Args:
        use: its entry in the run file. How many candidates it gives is no part of its
            fingerprint: a candidate does not depend on how many others there are. Seeds that are
            those of its own label are none either.
        code: digests of its code and files, from `code_digest.identity_of`.
    """
    known = {"name": label, "revision": revision, "sample_rate": sample_rate, **(code or {})}
    shaping = {key: value for key, value in use.items() if key not in ("candidates", "name")}
    if use["seeds"] in (None, label):
        del shaping["seeds"]
    return GeneratorRecord.model_validate(
        {**known, "candidates": use["candidates"], "fingerprint": digest(known, shaping)}
    )


def metric_record(metric: MetricRecord, texts: str | None) -> MetricRecord:
    """Return a metric's entry in ``run.yaml``.

    Args:
        metric: what the panel says of it.
        texts: digest of all that is said in the corpus, where the metric learns from it.
    """
    studied = {} if texts is None else {"texts": texts}
    fingerprint = digest(metric.without_votes(), studied)
    return metric.model_copy(update={**studied, "fingerprint": fingerprint})


def part_record(
    made: Made,
    run: RunDocument,
    clip_ids: Sequence[str],
    contents: Sequence[str] = (),
    splits: Sequence[str] = (),
) -> PartRecord:
    """Return the metadata of one part.

    Args:
        clip_ids: of the clips that belong to its shard.
        contents: what each was made from; nothing in runs of version 1.
        splits: that they are in, which clips alone tell; nothing in runs of version 1.
    """
    made_from = run.provenance
    known: Section = {
        "gensr_pref": made_from.gensr_pref,
        "schema_version": made_from.schema_version,
        "corpus": made_from.corpus,
        "clips": clips_digest(clip_ids, contents),
    }
    if made_from.library is not None:
        known["library"] = made_from.library
    if made == "clips" and splits:
        known["splits"] = digest(list(splits))
    if made != "clips":
        known["generators"] = made_from.generators_data
    if made == "scores":
        known["panel"] = made_from.panel_without_votes
    return PartRecord.model_validate({"run": run.name, **known, "fingerprint": digest(known)})


def clips_digest(clip_ids: Sequence[str], contents: Sequence[str] = ()) -> str:
    """Return the digest of the clips of a shard, and of what they were made from."""
    return digest(list(clip_ids), list(contents)) if contents else digest(list(clip_ids))


def same_clips(part: PartRecord, wanted: PartRecord) -> bool:
    """Return whether a part holds the clips that are wanted, made as they are wanted."""
    return (part.corpus, part.clips, part.library) == (wanted.corpus, wanted.clips, wanted.library)


def fingerprints(records: Iterable[GeneratorRecord | MetricRecord]) -> set[str]:
    """Return the fingerprints of generators or metrics."""
    return {one.fingerprint for one in records}


def is_contained(existing: Provenance | PartRecord, now: Provenance) -> bool:
    """Return whether all that made a run, or a part of it, is in a run, which may have more.

    Args:
        existing: of ``run.yaml`` or of a part.
        now: perhaps before noises and impulse responses (``library``) were looked at, which are
            not compared then. Metrics that learn from what is said are compared without it: they
            are asked again about every clip.
    """
    counts = {one.fingerprint: one.candidates for one in now.generators}
    return (
        existing.corpus == now.corpus
        and (now.library is None or existing.library == now.library)
        and all(counts.get(one.fingerprint, 0) >= one.candidates for one in existing.generators)
        and set(map(_unstudied, existing.panel)) <= set(map(_unstudied, now.panel))
    )


def _unstudied(metric: MetricRecord) -> str:
    return digest({k: v for k, v in metric.without_votes().items() if k not in _STUDIED})
