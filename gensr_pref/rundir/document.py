"""``run.yaml``: the settings of a run, and what else made it.

Its first line holds a digest of the rest, so that an edit by hand is noticed.
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

RUN = "run.yaml"  # of a run directory
_FIRST_LINE = "# Written by gensr-pref, which refuses it where it was edited: "
_FIRST_WITH_DIGEST = 2  # schema version
_RELABELLED = 2  # schema version from which splits may change
_UNSHAPING = ("fingerprint", "corpus", "pairing", "licences")  # of the provenance
_VOTING = {"votes", "vote"}  # of a score; they shape pairs only

Section = dict[str, Any]  # of the run file, as it was written


class Record(BaseModel):
    """Immutable facts in the types in which they were written; keys of other versions stay."""

    model_config = ConfigDict(extra="allow", frozen=True, strict=True, defer_build=True)

    def as_data(self) -> Section:
        """Return what was written as JSON-able data; a field that was not written has no key."""
        return self.model_dump(exclude_unset=True)


class ScoreRecord(Record):
    """A score of a metric.

    Attributes:
        name: its column in the scores table.
        higher_is_better: its direction.
        unit: what it is measured in.
        low, high: its range in theory; None where it is unbounded.
        votes: whether it votes in the panel; None in the metadata of parts, which votes do not
            shape.
        ties: whether a tie on it lets a pair stand.
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
        metric: its name in the run file.
        options: as in the run file.
        sources: digests of its code, where that is no part of this package.
        files: by option, digests of the files that it was given.
        model, licence, notice: as its spec states them.
        sample_rate: of the sounds that it scores, in Hz; None where it takes any.
        scores: what it gives.
        texts: digest of what is said in the corpus, where it learns from that.
        fingerprint: digest of all this but the votes.
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
        """Return its data without what shapes pairs only."""
        return self.model_dump(exclude_unset=True, exclude={"scores": {"__all__": _VOTING}})


class GeneratorRecord(Record):
    """A generator.

    Attributes:
        name: its label in candidate ids.
        revision: which weights it has.
        sample_rate: of its outputs, in Hz; None where it is that of the clip.
        sources: digests of its code, where that is no part of this package.
        files: by option, digests of the files that it was given.
        candidates: how many it gives per clip.
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
        gensr_pref: the version of this package.
        schema_version: the version of the tables.
        generators, panel: what the run file names, as it was when it was used.
        left_out: optional metrics whose weights are missing.
        licences: by generator, as it states it.
        texts: digest of what is said in the corpus, where a metric learns from that.
        corpus: digest of all that shapes a clip.
        fingerprint: digest of all that shapes clips, candidates and scores.
        library: digests of all noises and of all impulse responses; None before they are read, and
            in runs of version 1.
        pairing: the pairing section of the build, where the pairs were made again under another.
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
        return [one.as_data() for one in self.generators]

    @cached_property
    def panel_without_votes(self) -> list[Section]:
        """The panel as data, without what shapes pairs only."""
        return [one.without_votes() for one in self.panel]


class RunDocument(Record):
    """What ``run.yaml`` holds: the run file with every default written out, and the provenance.

    Sections of the run file are data as they were written, perhaps by another version, whose
    options may be others than those of `gensr_pref.config.run_file`; who needs one parses it.

    Attributes:
        seed: None in an export that was anonymised.
        engine: without ``shard_clips`` in an export of a run that did not name it.
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
        """The version of the run's tables."""
        return self.provenance.schema_version

    def identity(self) -> Section:
        """Return what shapes clips, candidates and scores."""
        made_from = self.provenance
        generators = [_without_fingerprint(one) for one in made_from.generators_data]
        panel = [_without_fingerprint(one) for one in made_from.panel_without_votes]
        shaping = {k: v for k, v in made_from.as_data().items() if k not in _UNSHAPING}
        return {
            "seed": self.seed,
            "corpus": without_splits(self.corpus, self.version),
            "generators": self.generators,
            "panel": [{k: v for k, v in use.items() if k != "vote"} for use in self.panel],
            "engine": {"shard_clips": self.engine["shard_clips"]},
            "provenance": {**shaping, "generators": generators, "panel": panel},
        }

    def facts(self) -> Section:
        """Return all that made the run, for the metadata of pairs and of what has no shard."""
        return {"run": self.name, **self.provenance.as_data()}

    def with_provenance(self, **changes: Any) -> RunDocument:
        """Return the document with some facts of its provenance replaced."""
        made_from = Provenance.model_validate({**_fields(self.provenance), **changes})
        return self.model_copy(update={"provenance": made_from})

    def with_fingerprint(self) -> RunDocument:
        """Return the document with the fingerprint of what it holds."""
        return self.with_provenance(fingerprint=digest(self.identity()))


def read_document(out: Path) -> RunDocument:
    """Read ``run.yaml``.

    Raises:
        RunMismatchError: there is none, it is not one that a build wrote, it was edited since, or
            a later version of this package wrote it.
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
    """Read ``run.yaml``; None where it is missing, damaged or was edited.

    Raises:
        RunMismatchError: a later version of this package wrote it.
    """
    document, is_edited = _read(out)
    return None if is_edited else document


def read_published_document(folder: Path) -> RunDocument | None:
    """Read the ``run.yaml`` of an exported dataset; None where it is missing or was not exported.

    Raises:
        ConfigError: it is no YAML.
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
    """Return the corpus section without what shapes no sound; it counted in tables of version 1."""
    return {k: v for k, v in corpus.items() if k != "validation" or version < _RELABELLED}


def _read(out: Path) -> tuple[RunDocument | None, bool]:
    """Read ``run.yaml``: None where no build wrote it; and whether it was edited.

    Raises:
        RunMismatchError: a later version of this package wrote it.
    """
    try:
        text = part_files.read_text(out / RUN)
        data = documents.parse_yaml(text)
        _refuse_later(out, data)
        document = RunDocument.model_validate(data)
        document.identity()  # needs all that a run directory's has
    except (OSError, ValueError, TypeError, KeyError, AttributeError):
        return None, False
    has_digest = document.version >= _FIRST_WITH_DIGEST or text.startswith(_FIRST_LINE)
    return document, not (_is_as_written(text) if has_digest else _agrees(document))


def _refuse_later(out: Path, data: Any) -> None:
    """Refuse tables of a later version, whose facts may have other types.

    Raises:
        RunMismatchError: they are.
        TypeError, KeyError, ValueError: no build wrote the file.
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
    """Return the fields that were written, records among them staying records."""
    return {name: value for name, value in record if name in record.model_fields_set}


def _without_fingerprint(entry: Section) -> Section:
    return {key: value for key, value in entry.items() if key != "fingerprint"}


def _agrees(document: RunDocument) -> bool:
    """Return whether settings are those of the fingerprint beside them."""
    return document.provenance.fingerprint == digest(document.identity())


def _is_as_written(text: str) -> bool:
    first, _, rest = text.partition("\n")
    return first == f"{_FIRST_LINE}{bytes_digest(rest.encode())}"
