"""Plans a build, and refuses every mistake that can be recognised before it starts."""

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
from gensr_pref.corpus.clip_plan import ClipPlan, plan_clips
from gensr_pref.corpus.clip_spec import ClipSpec
from gensr_pref.corpus.listing import LeftOut
from gensr_pref.corpus.sources import has_clean
from gensr_pref.errors import ConfigError, InputError, Problem
from gensr_pref.generators.base import Generator, Origin
from gensr_pref.generators.registry import check_clips, licence_of, make_generators
from gensr_pref.identity import digest
from gensr_pref.metrics.panel import Panel
from gensr_pref.pairing.base import wants_clean
from gensr_pref.pairing.no_pairs import asks_for_pairs
from gensr_pref.pairing.rules import find_rule
from gensr_pref.pairing.votes import apply_pairing_settings, votes_of_panel
from gensr_pref.rundir import provenance
from gensr_pref.rundir.document import Provenance, RunDocument, without_splits
from gensr_pref.schema import SCHEMA_VERSION, Failure


@dataclass(frozen=True)
class Blueprint:
    """A checked run: what to make, and the facts that identify the run.

    Attributes:
        run: the run file.
        base: the folder that the run's relative paths start from.
        clips: all clips to make, in order.
        failures: the recordings that the corpus left out.
        document: content of the new ``run.yaml``.
        library: the files of noises and impulse responses, by kind and name.
        recordings: fingerprints of the recordings; empty before `identify_recordings`.
        left_out: files in the corpus's folders that are not read.
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
        """The digest of everything in `document` that shapes the tables before pairing."""
        return self.document.provenance.fingerprint

    @property
    def texts(self) -> tuple[str, ...]:
        """The texts of the corpus, each once."""
        return texts_of(self.clips)


def prepare(
    run: Run, base: Path, check: Callable[[RunDocument], None] = lambda document: None
) -> Blueprint:
    """Check a run file against the plugins and the corpus that it names, without loading a model.

    Args:
        check: called before recordings are read, which may take long, with the content of the new
            ``run.yaml`` without the digest of the corpus's texts.

    Raises:
        InputError: something would fail later and can be recognised now.
    """
    plugins.search(base)
    generators = make_generators(run, base)
    panel = Panel(run.panel, base=base)
    clean = wants_clean(find_rule(run.pairing.rule))
    wants_pairs = asks_for_pairs(run.pairing.rule)
    if wants_pairs:
        _check_references(run, panel, clean)
    apply_pairing_settings(votes_of_panel(member.record for member in panel.members), run.pairing)
    if wants_pairs and not clean:
        _check_candidates(run)
    check(_document(run, base, generators, panel, ()))
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
    """Return the blueprint with the fingerprints of its recordings.

    Args:
        out: the run directory, which may hold fingerprints from earlier builds.

    Raises:
        SourceError: a recording cannot be read.
    """
    clips, recordings = identify_contents(out, blueprint.clips, blueprint.library)
    document = blueprint.document.with_provenance(library=recordings.library()).with_fingerprint()
    return replace(blueprint, clips=clips, document=document, recordings=recordings)


def _check_named(run: Run, generators: dict[str, Any], planned: ClipPlan) -> None:
    """Refuse generators that look clips up by name and know none of them."""
    origins = [origin_of(spec, run.corpus) for spec in planned.clips]
    for index, (use, generator) in enumerate(zip(run.generators, generators.values(), strict=True)):
        try:
            check_clips(generator, origins, use.candidates)
        except InputError as error:
            raise error.within(f"generators.{index}") from error


def origin_of(spec: ClipSpec, corpus: Corpus) -> Origin:
    """Return the facts about a clip's origin that a generator may use."""
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
    text_digest = texts_digest(texts) if panel.studies else None  # texts affect some scores
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
                member.record, text_digest if hasattr(member.metric, "study") else None
            )
            for member in panel.members
        ],
        left_out=sorted(panel.left_out),
        licences={label: licence_of(generator) for label, generator in generators.items()},
        corpus=_corpus_digest(run, written["corpus"]),
    )
    document = RunDocument(**written, provenance=made_from)
    if text_digest is not None:
        document = document.with_provenance(texts=text_digest)
    return document.with_fingerprint()


def _corpus_digest(run: Run, written: dict[str, Any]) -> str:
    """Return the digest of all settings that shape a clip, without those that select clips.

    Args:
        written: the corpus section with every default.
    """
    shaping = without_splits(written, SCHEMA_VERSION)
    corpus = {key: value for key, value in shaping.items() if key != "limit"}
    return digest([__version__, SCHEMA_VERSION], run.seed, corpus, run.engine.shard_clips)


def _check_candidates(run: Run) -> None:
    """Refuse a run in which no clip has two candidates that may be paired."""
    counts = [use.candidates for use in run.generators]
    if max(counts) < 2 and not (run.pairing.across_generators and len(counts) > 1):
        raise ConfigError(
            "no clip gets two candidates of one generator, so no pair could exist. "
            "Set candidates: 2 or more, or pairing.across_generators: true with two generators",
            field="generators",
            problem=Problem.EMPTY,
        )


def _check_references(run: Run, panel: Panel, rule_needs_clean: bool) -> None:
    """Refuse a vote or a rule that needs clean speech if the corpus has none."""
    if has_clean(run.corpus):
        return
    if rule_needs_clean:
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
