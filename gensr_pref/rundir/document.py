"""``run.yaml``: the settings of a run, and what else made it.

Its first line holds a digest of the rest, so that an edit by hand is detected.
"""

from __future__ import annotations

from functools import cached_property
from pathlib import Path
from typing import Any, Self

import yaml
from pydantic import BaseModel, ConfigDict, ValidationError, model_validator

from gensr_pref import __version__
from gensr_pref.config.settings import read_yaml
from gensr_pref.errors import Problem, RunMismatchError
from gensr_pref.identity import bytes_digest, digest
from gensr_pref.rundir import part_files
from gensr_pref.schema import SCHEMA_VERSION
from gensr_pref.untrusted import documents

RUN = "run.yaml"  # in a run directory
_FIRST_LINE = "# Written by gensr-pref, which refuses it where it was edited: "
_FIRST_WITH_DIGEST = 2  # schema version
_RELABELLED = 2  # schema version from which splits may change
_NOT_SHAPING = ("fingerprint", "corpus", "pairing", "licences")  # facts of the provenance
_VOTING = {"votes", "vote"}  # fields of a score that shape pairs only
_MALFORMED = (ValueError, TypeError, KeyError, AttributeError)  # of a file that no build wrote

Section = dict[str, Any]  # a section of the run file, as it was written


class Record(BaseModel):
    """Immutable facts with the types in which they were written; keeps keys of other versions."""

    model_config = ConfigDict(extra="allow", frozen=True, strict=True, defer_build=True)

    def as_data(self) -> Section:
        """Return what was written, as JSON-able data; a field that was not written has no key."""
        return self.model_dump(exclude_unset=True)


class ScoreRecord(Record):
    """A score of a metric.

    Attributes:
        name: column of the scores table.
        higher_is_better: direction of the score.
        unit: unit of measurement.
        low, high: theoretical range; None where it is unbounded.
        votes: whether the score votes in the panel; None in the metadata of parts, which do not
            depend on votes.
        ties: whether a pair may be tied on this score.
    """

    name: str
    higher_is_better: bool = True
    unit: str | None = None
    low: int | float | None = None
    high: int | float | None = None
    votes: bool | None = None
    ties: bool = False


class MetricRecord(Record):
    """A metric of the panel.

    Attributes:
        metric: name in the run file.
        options: options of the run file.
        sources: digests of its code, if that is not part of this package.
        files: digests of the files that its options name, by option.
        model, licence, notice: values of its `MetricSpec`.
        sample_rate: sample rate of the sounds that it scores, in Hz; None = any.
        scores: the scores that it gives.
        texts: digest of the corpus's texts, if the metric learns from them.
        fingerprint: digest of all this except the votes.
    """

    metric: str
    options: Section = {}
    sources: list[str] = []
    files: dict[str, str] = {}
    model: str | None = None
    licence: str | None = None
    notice: str | None = None
    sample_rate: int | None = None
    scores: list[ScoreRecord]
    texts: str | None = None
    fingerprint: str = ""

    def without_votes(self) -> Section:
        """Return the data without what shapes pairs only."""
        return self.model_dump(exclude_unset=True, exclude={"scores": {"__all__": _VOTING}})


class GeneratorRecord(Record):
    """A generator.

    Attributes:
        name: label in candidate ids.
        revision: revision of its weights.
        sample_rate: sample rate of its outputs, in Hz; None = that of the clip.
        sources: digests of its code, if that is not part of this package.
        files: digests of the files that its options name, by option.
        candidates: number of candidates per clip.
        fingerprint: digest of what shapes each of its candidates.
    """

    name: str
    revision: str | None = None
    sample_rate: int | None = None
    sources: list[str] = []
    files: dict[str, str] = {}
    candidates: int = 0
    fingerprint: str = ""


class Provenance(Record):
    """What made a run, besides its run file.

    Attributes:
        gensr_pref: version of the package.
        schema_version: version of the tables.
        generators, panel: records of the generators and metrics that the run file names.
        left_out: optional metrics whose weights are missing.
        licences: licence that each generator states, by generator.
        texts: digest of the corpus's texts, if a metric learns from them.
        corpus: digest of everything that shapes a clip.
        fingerprint: digest of everything that shapes clips, candidates and scores.
        library: digests of all noises and of all impulse responses; None before they are read, and
            in runs of version 1.
        pairing: pairing section of the build, if the pairs were made again with another one.
    """

    gensr_pref: str
    schema_version: int
    generators: list[GeneratorRecord]
    panel: list[MetricRecord]
    left_out: list[str] = []
    licences: dict[str, Any] = {}
    texts: str | None = None
    corpus: str | None = None
    fingerprint: str = ""
    library: dict[str, str] | None = None
    pairing: Section | None = None

    @model_validator(mode="after")
    def _every_score_has_a_vote(self) -> Self:
        if any(score.votes is None for metric in self.panel for score in metric.scores):
            raise ValueError("panel: a score does not say whether it votes")
        return self

    @cached_property
    def generators_data(self) -> list[Section]:
        """The generators as data."""
        return [generator.as_data() for generator in self.generators]

    @cached_property
    def panel_without_votes(self) -> list[Section]:
        """The panel as data, without what shapes pairs only."""
        return [metric.without_votes() for metric in self.panel]


class RunDocument(Record):
    """The content of ``run.yaml``: the run file with all defaults written out, and the provenance.

    Sections of the run file are data as they were written. Another version may have written them,
    with other options than `gensr_pref.config.run_file` has; a reader must parse them.

    Attributes:
        seed: None in an anonymised export.
        engine: without ``shard_clips`` in an export of a run that did not set it.
    """

    name: str
    seed: int | None
    credits: list[Section] = []
    corpus: Section
    generators: list[Section]
    panel: list[Section]
    pairing: Section
    engine: Section
    provenance: Provenance

    @property
    def version(self) -> int:
        """Version of the run's tables."""
        return self.provenance.schema_version

    def identity(self) -> Section:
        """Return what shapes clips, candidates and scores."""
        made_from = self.provenance
        generators = [_without_fingerprint(data) for data in made_from.generators_data]
        panel = [_without_fingerprint(data) for data in made_from.panel_without_votes]
        shaping = {k: v for k, v in made_from.as_data().items() if k not in _NOT_SHAPING}
        return {
            "seed": self.seed,
            "corpus": without_splits(self.corpus, self.version),
            "generators": self.generators,
            "panel": [{k: v for k, v in use.items() if k != "vote"} for use in self.panel],
            "engine": {"shard_clips": self.engine["shard_clips"]},
            "provenance": {**shaping, "generators": generators, "panel": panel},
        }

    def facts(self) -> Section:
        """Return everything that made the run: the metadata of pairs and of parts without shard."""
        return {"run": self.name, **self.provenance.as_data()}

    def with_provenance(self, **changes: Any) -> RunDocument:
        """Return the document with other values for some facts of its provenance."""
        made_from = Provenance.model_validate({**_fields(self.provenance), **changes})
        return self.model_copy(update={"provenance": made_from})

    def with_fingerprint(self) -> RunDocument:
        """Return the document with the fingerprint of its content."""
        return self.with_provenance(fingerprint=digest(self.identity()))


def read_document(out: Path) -> RunDocument:
    """Read ``run.yaml``.

    Raises:
        RunMismatchError: the file does not exist, was not written by a build, was edited, or was
            written by a later version of this package.
    """
    document, is_edited = _read(out)
    if document is None:
        raise RunMismatchError(
            "is not a run directory (its run.yaml is missing or damaged). Give the folder "
            "that a build wrote",
            path=out,
            problem=Problem.MISSING,
        )
    if is_edited:
        raise RunMismatchError(
            "was edited since it was written, so it no longer describes what made the "
            "tables. Run the same build again, which rewrites it",
            path=out / RUN,
            problem=Problem.CHANGED,
        )
    return document


def read_intact_document(out: Path) -> RunDocument | None:
    """Read ``run.yaml``; return None where it is missing, damaged or edited.

    Raises:
        RunMismatchError: the file was written by a later version of this package.
    """
    document, is_edited = _read(out)
    return None if is_edited else document


def read_published_document(folder: Path) -> RunDocument | None:
    """Read the ``run.yaml`` of an exported dataset; return None where an export wrote none.

    Raises:
        ConfigError: the file is not YAML.
    """
    if not part_files.exists(folder / RUN):
        return None
    try:
        return RunDocument.model_validate(read_yaml(folder / RUN))
    except ValidationError:
        return None


def write_document(out: Path, document: RunDocument) -> None:
    """Write ``run.yaml``."""
    text = yaml.safe_dump(document.as_data(), sort_keys=False, allow_unicode=True, width=100)
    part_files.write_text(out / RUN, f"{_FIRST_LINE}{bytes_digest(text.encode())}\n{text}")


def without_splits(corpus: Section, version: int) -> Section:
    """Return the corpus section without the splits, which count only in tables of version 1."""
    return {k: v for k, v in corpus.items() if k != "validation" or version < _RELABELLED}


def _read(out: Path) -> tuple[RunDocument | None, bool]:
    """Return ``run.yaml``, or None where no build wrote it, and whether it was edited.

    Raises:
        RunMismatchError: the file was written by a later version of this package.
    """
    try:
        text = part_files.read_text(out / RUN)
        document = _validate(out, documents.parse_yaml(text))
    except (OSError, *_MALFORMED):
        return None, False
    has_digest = document.version >= _FIRST_WITH_DIGEST or text.startswith(_FIRST_LINE)
    return document, not (_is_as_written(text) if has_digest else _agrees(document))


def _validate(out: Path, data: Any) -> RunDocument:
    """Return the parsed content of ``run.yaml`` as a document.

    Raises:
        RunMismatchError: the file was written by a later version of this package.
        ValueError, TypeError, KeyError, AttributeError: the file was not written by a build.
    """
    _refuse_later(out, data)
    document = RunDocument.model_validate(data)
    document.identity()  # fails if the file lacks what a run directory's has
    return document


def _refuse_later(out: Path, data: Any) -> None:
    """Refuse tables of a later version, whose facts may have other types.

    Raises:
        RunMismatchError: the tables are of a later version.
        TypeError, KeyError, ValueError: the file was not written by a build.
    """
    made_from = data["provenance"]
    version = int(made_from["schema_version"])
    if version > SCHEMA_VERSION:
        raise RunMismatchError(
            f"its tables are of version {version}, made by gensr_pref "
            f"{made_from['gensr_pref']}; this is {__version__}, which reads versions up to "
            f"{SCHEMA_VERSION}. Update gensr_pref",
            path=out,
            value=version,
            problem=Problem.UNSUPPORTED,
        )


def _fields(record: Record) -> Section:
    """Return the fields that were written; records in them remain records."""
    return {name: value for name, value in record if name in record.model_fields_set}


def _without_fingerprint(entry: Section) -> Section:
    return {key: value for key, value in entry.items() if key != "fingerprint"}


def _agrees(document: RunDocument) -> bool:
    """Return whether the settings match the fingerprint in the same file."""
    return document.provenance.fingerprint == digest(document.identity())


def _is_as_written(text: str) -> bool:
    first, _, rest = text.partition("\n")
    return first == f"{_FIRST_LINE}{bytes_digest(rest.encode())}"
