"""The panel: the metrics of a run, applied to all candidates of a clip.

It prepares the sounds for each metric (sample rate, clean sound of equal length, no silence) and
converts every answer to numbers, or nulls with a reason. The scores of a candidate depend neither
on the other candidates nor on their order.

    Panel(["dnsmos", "pesq"]).score(["a.wav", "b.wav"], clean="clean.wav")
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import TypedDict

import numpy as np

from gensr_pref import audio
from gensr_pref.audio import Sound, Wave
from gensr_pref.config.run_file import MetricUse
from gensr_pref.errors import (
    ConfigError,
    GensrPrefError,
    InputError,
    MissingWeightsError,
    Problem,
    Unusable,
    parameter,
    quantity,
)
from gensr_pref.metrics.base import Answer, ClipSounds, Metric, Note, Score
from gensr_pref.metrics.inputs import ALIGNMENT_RATE, Group, RawClip, ResampledClip, SoundOrFault
from gensr_pref.metrics.members import PanelMember, entry_of, make_member
from gensr_pref.metrics.results import CandidateScores
from gensr_pref.metrics.time_alignment import TimeAlignment
from gensr_pref.process import full_precision, one_thread
from gensr_pref.rundir.document import Section

ALIGNMENT = tuple(
    Note(name, "number")
    for name in ("delay_seconds", "polarity", "correlation", "unmatched_seconds")
)
Source = Sound | Path | str


class PanelFacts(TypedDict):
    """Identity of a panel, as JSON-able data.

    Keys:
        metrics: one record per metric, in order; see `gensr_pref.rundir.document.MetricRecord`.
        votes: names of the scores that vote.
        left_out: names of optional metrics whose weights are missing, and the error of each.
    """

    metrics: list[Section]
    votes: list[str]
    left_out: dict[str, str]


class Panel:
    """The metrics of a run. The constructor checks everything that needs no loading.

    Args:
        metrics: entries of a run file, names, or metric objects, in any mixture.
        texts: the transcripts of the corpus, for metrics that learn from them (a language model).
        base: folder to which files named in options are relative; absent = the working directory.

    Attributes:
        members: the metrics, in order.
        scores: all their scores, in order; their `votes` hold for this panel.
        notes: further values that they report; if a metric has its candidates aligned, also the
            delay and polarity that were undone.
        left_out: names of optional metrics whose weights are missing, and the error of each.

    Raises:
        UnknownPluginError: no metric has that name.
        ConfigError: an option or a vote does not exist, or a metric or a score occurs twice.
        MissingWeightsError: the weights of a metric that is not optional are missing.
        InputError: a metric cannot use the texts.
    """

    def __init__(
        self,
        metrics: Sequence[MetricUse | str | Metric],
        texts: Iterable[str] = (),
        base: str | Path | None = None,
    ) -> None:
        for name, given in (("metrics", metrics), ("texts", texts)):
            if isinstance(given, str):
                raise InputError(
                    f"is the text {given!r}; give a list of them",
                    field=parameter(name),
                    value=given,
                    problem=Problem.INVALID,
                )
        folder = None if base is None else Path(base)
        self.left_out: dict[str, str] = {}
        self.members: list[PanelMember] = []
        for index, metric in enumerate(metrics):
            try:
                self.members.append(make_member(metric, self.members, f"panel.{index}", folder))
            except MissingWeightsError as error:
                use = entry_of(metric)
                if not use.optional:
                    raise
                self.left_out[use.metric] = str(error)
        if not self.members:
            reasons = "".join(f" {name}: {why}." for name, why in self.left_out.items())
            raise ConfigError(
                f"it has no metric.{reasons}",
                field="panel",
                value=dict(self.left_out),
                problem=Problem.EMPTY,
            )
        self.scores: list[Score] = [score for member in self.members for score in member.scores]
        specs = [member.metric.spec for member in self.members]
        self._aligns = any(spec.align for spec in specs)
        notes = [note for spec in specs for note in spec.notes]
        self.notes: list[Note] = notes + (list(ALIGNMENT) if self._aligns else [])
        self._loaded = False
        if distinct := sorted({text for text in texts if text}):
            for member in self.members:
                _study(member.metric, distinct)

    @property
    def votes(self) -> list[str]:
        """Names of the scores that vote."""
        return [score.name for score in self.scores if score.votes]

    @property
    def notices(self) -> list[str]:
        """Notices that every user must see, such as a licence that forbids commercial use."""
        specs = [member.metric.spec for member in self.members]
        return [f"{spec.name}: {spec.notice}" for spec in specs if spec.notice]

    @property
    def remarks(self) -> list[str]:
        """Limits of the scores that metrics report in advance, such as unknown words."""
        commenting = [m.metric for m in self.members if hasattr(m.metric, "remarks")]
        return [remark for metric in commenting for remark in metric.remarks()]

    @property
    def studies(self) -> bool:
        """Whether any metric learns from the transcripts of the corpus."""
        return any(hasattr(member.metric, "study") for member in self.members)

    def load(self, device: str = "cpu") -> None:
        """Load every metric, once, in the process that will score.

        Args:
            device: torch device, for the metrics that can use one.

        Raises:
            InputError: a metric cannot be loaded; the message names it.
        """
        if self._loaded:
            return
        for member in self.members:
            _load(member.metric, device)
        self._loaded = True

    def facts(self) -> PanelFacts:
        """Return the identity of the panel, for the metadata of tables of scores."""
        return {
            "metrics": [member.record.as_data() for member in self.members],
            "votes": self.votes,
            "left_out": dict(self.left_out),
        }

    def score(
        self,
        candidates: Sequence[Source],
        clean: Source | None = None,
        noisy: Source | None = None,
        text: str | None = None,
        language: str | None = None,
    ) -> list[CandidateScores]:
        """Score all candidates of a clip.

        A candidate that exceeds full scale is clipped to it, as in a 16-bit file, before any metric
        receives it; if more than 1 % of its samples exceed it, the candidate is OUT_OF_RANGE. A
        clean or noisy recording that exceeds full scale is divided by its peak instead, as the
        corpus does.

        Args:
            candidates: sounds, or paths of files, at any rates and lengths.
            clean, noisy: reference and input of the clip; None if there is none. If one is given
                that is unusable (missing, unreadable, empty, silent, not finite), the scores that
                depend on it are null; they are never computed from the other one.
            text: the words that are spoken.
            language: ISO 639-1 code.

        Returns:
            One entry per candidate, in order, each with every score of the panel.

        Raises:
            InputError: an argument is not a list of sounds and paths; or a metric cannot be loaded.
        """
        if not isinstance(text, str | None) or not isinstance(language, str | None):
            raise InputError(
                f"is {text!r}, language is {language!r}; give text, or None",
                field=parameter("text"),
                value=text,
                problem=Problem.INVALID,
            )
        if isinstance(candidates, Sound | Path | str):
            raise InputError(
                f"is one {type(candidates).__name__}; give a list of them",
                value=type(candidates).__name__,
                field=parameter("candidates"),
                problem=Problem.INVALID,
            )
        self.load()
        results = [CandidateScores() for _ in candidates]
        clean_sound, clean_gain = _read_reference(clean)
        noisy_sound, noisy_gain = _read_reference(noisy)
        gains = {"clean": clean_gain, "noisy": noisy_gain}
        for result in results:
            result.gains.update({name: gain for name, gain in gains.items() if gain != 1})
        sounds = [_read_sound(candidate) for candidate in candidates]
        resampled = ResampledClip(RawClip(sounds, clean_sound, noisy_sound, text, language))
        no_alignments: list[TimeAlignment | None] = [None] * len(results)
        with one_thread(), full_precision():
            for member in self.members:
                spec = member.metric.spec
                alignments = resampled.alignments if spec.align else no_alignments
                refused, groups = resampled.at(spec.sample_rate).split(spec, alignments)
                for index, answer in _ask_groups(member.metric, refused, groups):
                    results[index].record(member, answer)
            if self._aligns:
                _note_alignments(resampled.alignments, results)
        return results


def _read_sound(
    source: Source, fit: Callable[[Wave], Wave] = audio.clip_to_full_scale
) -> SoundOrFault:
    """Read a sound and bring it to full scale by `fit`; or return why it is unusable."""
    if not isinstance(source, Sound | Path | str):
        raise InputError(
            f"{type(source).__name__} is not a sound; give a path or Sound(wave, rate)",
            value=type(source).__name__,
            problem=Problem.INVALID,
        )
    try:
        sound = source if isinstance(source, Sound) else audio.read(source)
        audio.require_sound(sound.wave)
        return replace(sound, wave=fit(sound.wave))
    except Unusable as error:
        return error


def _read_reference(source: Source | None) -> tuple[SoundOrFault | None, float]:
    """Read a recording, divided by its peak if that exceeds full scale; and return the gain."""
    sound = None if source is None else _read_sound(source, lambda wave: wave)
    if not isinstance(sound, Sound):
        return sound, 1.0
    peak = max(1.0, float(np.abs(sound.wave).max()))
    return (replace(sound, wave=sound.wave / peak), 1 / peak) if peak > 1 else (sound, 1.0)


def _study(metric: Metric, texts: Sequence[str]) -> None:
    if hasattr(metric, "study"):
        with _name_in_errors(metric):
            metric.study(texts)


def _load(metric: Metric, device: str) -> None:
    with _name_in_errors(metric):
        metric.load(device)


def _copy_sounds(sounds: ClipSounds) -> ClipSounds:
    """Copy the sounds: `torch.from_numpy` can write even into an array that is read-only."""
    clean, noisy = (
        sound and replace(sound, wave=sound.wave.copy()) for sound in (sounds.clean, sounds.noisy)
    )
    candidates = [replace(sound, wave=sound.wave.copy()) for sound in sounds.candidates]
    return replace(sounds, candidates=candidates, clean=clean, noisy=noisy)


@contextmanager
def _name_in_errors(metric: Metric) -> Iterator[None]:
    """Turn any exception of a metric into an InputError that names the metric."""
    try:
        yield
    except GensrPrefError:
        raise
    except Exception as error:
        raise InputError(
            f"metric {metric.spec.name!r} ({metric.spec.model}) cannot be loaded: "
            f"{type(error).__name__}: {error}",
            value=metric.spec.name,
            problem=Problem.FAILED,
        ) from error


def _ask_groups(
    metric: Metric, refused: Mapping[int, Unusable], groups: Sequence[Group]
) -> Iterator[tuple[int, Answer]]:
    """Yield each candidate's index and the metric's answer, in any order."""
    yield from refused.items()
    for group in groups:
        yield from zip(group.indices, _ask(metric, group.sounds), strict=True)


def _ask(metric: Metric, sounds: ClipSounds) -> list[Answer]:
    """Return one answer per candidate, whatever the metric does.

    If `score` raises an unexpected exception, it is called again for each candidate alone, so that
    only those that make it raise fail.
    """
    count = len(sounds.candidates)
    try:
        answers = list(metric.score(_copy_sounds(sounds)))
    except Unusable as error:
        return [error] * count
    except (Exception, SystemExit) as error:  # third-party code; its failure is data
        if count == 1:
            return [error if isinstance(error, Exception) else RuntimeError(f"exit {error}")]
        alone = (replace(sounds, candidates=[candidate]) for candidate in sounds.candidates)
        return [answer for single in alone for answer in _ask(metric, single)]
    if len(answers) != count:
        return [
            ValueError(f"{quantity(len(answers), 'answer')} for {quantity(count, 'candidate')}")
        ] * count
    return answers


def _note_alignments(
    alignments: Sequence[TimeAlignment | None], results: list[CandidateScores]
) -> None:
    for alignment, result in zip(alignments, results, strict=True):
        if alignment is not None:
            result.notes["delay_seconds"] = alignment.delay / ALIGNMENT_RATE
            result.notes["polarity"] = float(alignment.polarity)
            result.notes["correlation"] = alignment.correlation
            result.notes["unmatched_seconds"] = alignment.unmatched / ALIGNMENT_RATE
