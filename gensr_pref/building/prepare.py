"""Everything that is known, and everything that can be refused, before a build starts."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from gensr_pref import __version__
from gensr_pref.building.recordings import Library, Recordings, identify_contents
from gensr_pref.building.shard_assignment import texts_digest, texts_of
from gensr_pref.config import code_digest, plugins
from gensr_pref.config.run_file import Corpus, Run, dump_fields
from gensr_pref.corpus.clips import ClipPlan, ClipSpec, plan_clips
from gensr_pref.corpus.listing import LeftOut
from gensr_pref.corpus.sources import has_clean
from gensr_pref.errors import ConfigError, InputError, Problem
from gensr_pref.generators.base import Generator, Origin
from gensr_pref.generators.registry import check_clips, licence_of, make_generators
from gensr_pref.identity import digest
from gensr_pref.metrics.panel import Panel
from gensr_pref.pairing.base import wants_clean
from gensr_pref.pairing.pairs import cast_votes
from gensr_pref.pairing.rules import find_rule
from gensr_pref.pairing.votes import votes_of_panel
from gensr_pref.rundir import provenance
from gensr_pref.rundir.document import Provenance, RunDocument, without_splits
from gensr_pref.schema import SCHEMA_VERSION, Failure


@dataclass(frozen=True)
class Blueprint:
    """A checked run: what to make, and the facts that make two runs the same run.

    Attributes:
        run: the run file.
        base: the folder its relative paths start from.
        clips: all clips to make, in order.
        failures: what the corpus had to leave out.
        document: what ``run.yaml`` will hold.
        library: the files of noises and impulse responses, by kind and name.
        recordings: what recordings hold; empty before `identify_recordings`.
        left_out: what the corpus's folders hold and is not read.
    """

    run: Run
    base: Path
    clips: tuple[ClipSpec, ...]
    failures: tuple[Failure, ...]
    document: RunDocument
    library: Library = field(default_factory=dict)
    recordings: Recordings = field(default_factory=Recordings)
    left_out: tuple[LeftOut, ...] = ()

    @property
    def fingerprint(self) -> str:
        """Of everything in `document` that shapes the tables before pairing."""
        return self.document.provenance.fingerprint

    @property
    def texts(self) -> tuple[str, ...]:
        """What is said in the corpus, each sentence once."""
        return texts_of(self.clips)


def prepare(
    run: Run, base: Path, known: Callable[[RunDocument], None] = lambda document: None
) -> Blueprint:
    """Check a run file against the plugins and the corpus it names; load no model.

    Args:
        known: is called before any recording is looked at, which may take long, with what
            ``run.yaml`` will hold but for what is said in the corpus.

    Raises:
        InputError: anything that would fail later and can be known now.
    """
    plugins.search(base)
    generators = make_generators(run, base)
    panel = Panel(run.panel, base=base)
    clean = wants_clean(find_rule(run.pairing.rule))
    _check_references(run, panel, clean)
    cast_votes(votes_of_panel(member.record for member in panel.members), run.pairing)
    if not clean:
        _check_candidates(run)
    known(_document(run, base, generators, panel, ()))
    planned: ClipPlan = plan_clips(run.corpus, run.seed, base)
    _check_named(run, generators, planned)
    document = _document(run, base, generators, panel, texts_of(planned.clips))
    return Blueprint(
        run,
        base,
        planned.clips,
        planned.failures,
        document,
        library=planned.library,
        left_out=planned.left_out,
    )


def identify_recordings(blueprint: Blueprint, out: Path) -> Blueprint:
    """A blueprint that knows what its recordings hold.

    Args:
        out: the run directory, where what was known of them before is kept.

    Raises:
        SourceError: a recording cannot be read.
    """
    clips, found = identify_contents(out, blueprint.clips, blueprint.library)
    document = blueprint.document.with_provenance(library=found.library()).with_fingerprint()
    return replace(blueprint, clips=clips, document=document, recordings=found)


def _check_named(run: Run, generators: dict[str, Any], planned: ClipPlan) -> None:
    """Let the generators that know clips by name say early that they know none."""
    origins = [origin_of(spec, run.corpus) for spec in planned.clips]
    for place, (use, generator) in enumerate(zip(run.generators, generators.values(), strict=True)):
        try:
            check_clips(generator, origins, use.candidates)
        except InputError as error:
            raise error.within(f"generators.{place}") from error


def origin_of(spec: ClipSpec, corpus: Corpus) -> Origin:
    """Return what a generator may know of where a clip comes from."""
    item, segment = spec.item, spec.segment
    degraded = corpus.degrade is not None
    return Origin(
        spec.clip_id,
        item.source_id,
        item.rate,
        segment.start,
        segment.frames,
        item.frames,
        degraded,
    )


def _document(
    run: Run, base: Path, generators: dict[str, Generator], panel: Panel, texts: Sequence[str]
) -> RunDocument:
    written = dump_fields(run)
    said = texts_digest(texts) if panel.studies else None  # what is said shapes some scores
    made_from = Provenance(
        gensr_pref=__version__,
        schema_version=SCHEMA_VERSION,
        generators=[
            provenance.generator_record(
                use,
                label,
                g.revision,
                g.sample_rate,
                code_digest.identity_of(use["use"], use["options"], g, base),
            )
            for use, (label, g) in zip(written["generators"], generators.items(), strict=True)
        ],
        panel=[
            provenance.metric_record(
                member.record, said if hasattr(member.metric, "study") else None
            )
            for member in panel.members
        ],
        left_out=sorted(panel.left_out),
        licences={label: licence_of(one) for label, one in generators.items()},
        corpus=_corpus_digest(run, written["corpus"]),
    )
    document = RunDocument(**written, provenance=made_from)
    if said is not None:
        document = document.with_provenance(texts=said)
    return document.with_fingerprint()


def _corpus_digest(run: Run, written: dict[str, Any]) -> str:
    """Return the digest of all that shapes a clip; which clips there are is not part of it.

    Args:
        written: the corpus section with every default.
    """
    shaping = without_splits(written, SCHEMA_VERSION)
    corpus = {key: value for key, value in shaping.items() if key != "limit"}
    return digest([__version__, SCHEMA_VERSION], run.seed, corpus, run.engine.shard_clips)


def _check_candidates(run: Run) -> None:
    """Refuse a run in which no clip has two candidates that may meet."""
    counts = [use.candidates for use in run.generators]
    if max(counts) < 2 and not (run.pairing.across_generators and len(counts) > 1):
        raise ConfigError(
            "no clip gets two candidates of one generator, so no pair could exist. "
            "Set candidates: 2 or more, or pairing.across_generators: true with two generators",
            field="generators",
            problem=Problem.EMPTY,
        )


def _check_references(run: Run, panel: Panel, golden: bool) -> None:
    """Refuse what needs clean speech where no clip will have any: a vote, or the rule."""
    if has_clean(run.corpus):
        return
    if golden:
        raise ConfigError(
            f"{run.pairing.rule!r} needs clean speech, which this corpus does not "
            "have, so no pair could exist. Add corpus.degrade, or use a paired source",
            field="pairing.rule",
            value=run.pairing.rule,
            problem=Problem.CONFLICT,
        )
    for member in panel.members:
        needed = "clean" in member.metric.spec.needs
        if needed and any(score.votes for score in member.scores):
            raise ConfigError(
                f"{member.use.metric!r} votes and needs clean speech, which this "
                "corpus does not have, so no pair could exist. Set vote: false, add "
                "corpus.degrade, or use a paired source",
                field="panel",
                value=member.use.metric,
                problem=Problem.CONFLICT,
            )
