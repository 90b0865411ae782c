"""The metadata of a part, which record what made it, so that a run can grow.

Clips, each generator and each metric have fingerprints of their own. A part is complete if its
fingerprint is the one that the run wants. In any other part, the rows of each generator and metric
whose fingerprint is still wanted are kept, and only the other rows are made.
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
_OF_TEXTS = ("texts", "fingerprint")  # facts of a metric that depend on the corpus's texts


class PartRecord(Record):
    """The metadata of a part: what made it. A part that is damaged or has none has no facts.

    Attributes:
        run: name of the run.
        gensr_pref: version of the package.
        schema_version: version of the tables.
        corpus: digest of everything that shapes a clip.
        clips: digest of the shard's clips and of what they were made from.
        library: digests of all noises and of all impulse responses.
        splits: digest of the splits of the clips (in parts of clips).
        generators: generators of the candidates.
        panel: metrics of the scores, without votes.
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
        """Whether the part has facts."""
        return bool(self.model_fields_set)


def read_part_record(path: Path) -> PartRecord:
    """Return the metadata of a part; without facts if the part is missing or damaged."""
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
        use: entry of the run file. Its number of candidates is not in the fingerprint, because a
            candidate does not depend on the number of others. Nor are `seeds` that are the default.
        label: label in candidate ids.
        revision: revision of the weights.
        sample_rate: rate of the outputs, in Hz; None = that of the clip.
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
        metric: record of the metric in the panel.
        texts: digest of all texts of the corpus; None if the metric does not learn from them.
    """
    learned_from = {} if texts is None else {"texts": texts}
    fingerprint = digest(metric.without_votes(), learned_from)
    return metric.model_copy(update={**learned_from, "fingerprint": fingerprint})


def part_record(
    made: Made,
    run: RunDocument,
    clip_ids: Sequence[str],
    contents: Sequence[str] = (),
    splits: Sequence[str] = (),
) -> PartRecord:
    """Return the metadata of one part.

    Args:
        made: table of the part.
        run: the run.
        clip_ids: ids of the shard's clips.
        contents: digest of what each clip was made from; none in runs of version 1.
        splits: split of each clip; they count only for parts of clips; none in runs of version 1.
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
    """Return the digest of a shard's clips and of what they were made from."""
    return digest(list(clip_ids), list(contents)) if contents else digest(list(clip_ids))


def same_clips(part: PartRecord, wanted: PartRecord) -> bool:
    """Return whether a part holds the clips of the wanted part, made in the same way."""
    return (part.corpus, part.clips, part.library) == (wanted.corpus, wanted.clips, wanted.library)


def fingerprints(records: Iterable[GeneratorRecord | MetricRecord]) -> set[str]:
    """Return the fingerprints of generators or metrics."""
    return {record.fingerprint for record in records}


def is_contained(existing: Provenance | PartRecord, now: Provenance) -> bool:
    """Return whether `now` contains everything that `existing` was made from; it may contain more.

    Args:
        existing: provenance of ``run.yaml``, or record of a part.
        now: provenance of the run. Noises and impulse responses (``library``) are compared only if
            they are known there. Metrics that learn from the texts are compared without them,
            because they score every clip again if the texts change.
    """
    counts = {generator.fingerprint: generator.candidates for generator in now.generators}
    return (
        existing.corpus == now.corpus
        and (now.library is None or existing.library == now.library)
        and all(
            counts.get(generator.fingerprint, 0) >= generator.candidates
            for generator in existing.generators
        )
        and set(map(_digest_without_texts, existing.panel))
        <= set(map(_digest_without_texts, now.panel))
    )


def _digest_without_texts(metric: MetricRecord) -> str:
    return digest({k: v for k, v in metric.without_votes().items() if k not in _OF_TEXTS})
