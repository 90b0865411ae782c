"""The panel: the metrics of a run, asked about all candidates of a clip.

It gives each metric what that metric can use (its rate, a clean sound of equal length, no silence)
and turns whatever comes back into numbers, or nulls with a reason. What it says of a candidate
does not depend on the other candidates or on their order.

    Panel(["dnsmos", "pesq"]).score(["a.wav", "b.wav"], clean="clean.wav")
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

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
from gensr_pref.metrics.inputs import ALIGNED_AT, Given, Group, Heard, Views
from gensr_pref.metrics.members import Member, member_of, use_of
from gensr_pref.metrics.results import CandidateScores
from gensr_pref.metrics.time_alignment import Alignment
from gensr_pref.process import one_thread

ALIGNMENT = tuple(
    Note(name, "number")
    for name in ("delay_seconds", "polarity", "correlation", "unmatched_seconds")
)
Source = Sound | Path | str


class Panel:
    """The metrics of a run. Making one checks everything that can be checked without loading.

    Args:
        metrics: entries of a run file, names, or metrics made already, in any mixture.
        texts: what is said in the corpus, for metrics that learn from it (a language model).
        base: the folder that files named in options are relative to; absent = the working one.

    Attributes:
        members: the metrics, in order.
        scores: all their scores, in order, `votes` being whether each votes in this panel.
        notes: what they tell besides; with the delay and polarity that were undone where a metric
            wants its candidates aligned.
        left_out: names of optional metrics whose weights are missing, and what was missing.

    Raises:
        UnknownPluginError: no metric has that name.
        ConfigError: an option or a vote that does not exist, or a metric or score that is there
            twice.
        MissingWeightsError: weights of a metric that is not optional.
        InputError: a metric cannot make use of the texts.
    """

    def __init__(
        self,
        metrics: Sequence[MetricUse | str | Metric],
        texts: Iterable[str] = (),
        base: Path | None = None,
    ) -> None:
        for name, given in (("metrics", metrics), ("texts", texts)):
            if isinstance(given, str):
                raise InputError(
                    f"is the text {given!r}; give a list of them",
                    field=parameter(name),
                    value=given,
                    problem=Problem.INVALID,
                )
        self.left_out: dict[str, str] = {}
        self.members: list[Member] = []
        for index, metric in enumerate(metrics):
            try:
                self.members.append(member_of(metric, self.members, f"panel.{index}", base))
            except MissingWeightsError as error:
                use = use_of(metric)
                if not use.optional:
                    raise
                self.left_out[use.metric] = str(error)
        if not self.members:
            reasons = "".join(f" {name}: {why}." for name, why in self.left_out.items())
            raise ConfigError(
                f"there is no metric in it.{reasons}",
                field="panel",
                value=dict(self.left_out),
                problem=Problem.EMPTY,
            )
        self.scores: list[Score] = [score for member in self.members for score in member.scores]
        specs = [member.metric.spec for member in self.members]
        self._aligns = any(spec.align for spec in specs)
        told = [note for spec in specs for note in spec.notes]
        self.notes: list[Note] = told + (list(ALIGNMENT) if self._aligns else [])
        self._loaded = False
        if said := sorted({text for text in texts if text}):
            for member in self.members:
                _study(member.metric, said)

    @property
    def votes(self) -> list[str]:
        """The names of the scores that vote."""
        return [score.name for score in self.scores if score.votes]

    @property
    def notices(self) -> list[str]:
        """What whoever uses this panel must be told, such as a licence that forbids something."""
        specs = [member.metric.spec for member in self.members]
        return [f"{spec.name}: {spec.notice}" for spec in specs if spec.notice]

    @property
    def remarks(self) -> list[str]:
        """What metrics have to say of the scores that they will give, such as unknown words."""
        able = [m.metric for m in self.members if hasattr(m.metric, "remarks")]
        return [remark for metric in able for remark in metric.remarks()]

    @property
    def studies(self) -> bool:
        """Whether a metric learns from what is said in the corpus."""
        return any(hasattr(member.metric, "study") for member in self.members)

    def load(self, device: str = "cpu") -> None:
        """Load every metric, once, in the process that will score.

        Args:
            device: a torch device, for the metrics that can use one.

        Raises:
            InputError: one cannot be loaded; the message names it.
        """
        if self._loaded:
            return
        for member in self.members:
            _load(member.metric, device)
        self._loaded = True

    def facts(self) -> dict[str, Any]:
        """The panel as JSON-able data, for a part's metadata and for run.yaml."""
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

        Args:
            candidates: sounds, or paths of files, at any rates and lengths.
            clean, noisy: of the same clip; None where there is none. Where one is given that cannot
                be used (missing, unreadable, empty, silent, not finite), what would have been
                computed from it is null, and never computed from the other one.
            text: what is said.
            language: an ISO 639-1 code.

        A candidate that exceeds full scale is cut to it, as by a 16-bit file, before any metric
        hears it; where that is over 1 % of its samples it is OUT_OF_RANGE. A clean or noisy
        recording that does is scaled by one factor, as when a clip is made of it.

        Returns:
            One entry per candidate, in order, each naming every score of the panel.

        Raises:
            InputError: what is given is no list of sounds and paths; or a metric cannot be loaded.
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
        clean_heard, clean_gain = _optional(clean)
        noisy_heard, noisy_gain = _optional(noisy)
        gains = {"clean": clean_gain, "noisy": noisy_gain}
        for result in results:
            result.gains.update({name: gain for name, gain in gains.items() if gain != 1})
        heard = [_heard(candidate) for candidate in candidates]
        views = Views(Given(heard, clean_heard, noisy_heard, text, language))
        unmoved: list[Alignment | None] = [None] * len(results)
        with one_thread():
            for member in self.members:
                spec = member.metric.spec
                moved = views.alignments if spec.align else unmoved
                refused, groups = views.at(spec.sample_rate).split(spec, moved)
                for index, answer in _answers(member.metric, refused, groups):
                    results[index].record(member, answer)
            if self._aligns:
                _note_alignments(views.alignments, results)
        return results


def _heard(source: Source, fit: Callable[[Wave], Wave] = audio.within_scale) -> Heard:
    """A sound as every metric hears it, or what is wrong with it; `fit` brings it to full scale."""
    if not isinstance(source, Sound | Path | str):
        raise InputError(
            f"{type(source).__name__} is no sound; give a path or Sound(wave, rate)",
            value=type(source).__name__,
            problem=Problem.INVALID,
        )
    try:
        sound = source if isinstance(source, Sound) else audio.read(source)
        audio.require_sound(sound.wave)
        return replace(sound, wave=fit(sound.wave))
    except Unusable as error:
        return error


def _optional(source: Source | None) -> tuple[Heard | None, float]:
    """A recording, divided by its peak where that is beyond full scale; and the gain of that."""
    heard = None if source is None else _heard(source, lambda wave: wave)
    if not isinstance(heard, Sound):
        return heard, 1.0
    peak = max(1.0, float(np.abs(heard.wave).max()))
    return (replace(heard, wave=heard.wave / peak), 1 / peak) if peak > 1 else (heard, 1.0)


def _study(metric: Metric, texts: Sequence[str]) -> None:
    if hasattr(metric, "study"):
        with _named(metric):
            metric.study(texts)


def _load(metric: Metric, device: str) -> None:
    with _named(metric):
        metric.load(device)


def _own(sounds: ClipSounds) -> ClipSounds:
    """The sounds as copies: `torch.from_numpy` writes into an array that is read-only, too."""
    kept = [
        sound and replace(sound, wave=sound.wave.copy()) for sound in (sounds.clean, sounds.noisy)
    ]
    candidates = [replace(sound, wave=sound.wave.copy()) for sound in sounds.candidates]
    return replace(sounds, candidates=candidates, clean=kept[0], noisy=kept[1])


@contextmanager
def _named(metric: Metric) -> Iterator[None]:
    """Whatever it raises, with its name."""
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


def _answers(
    metric: Metric, refused: Mapping[int, Unusable], groups: Sequence[Group]
) -> Iterator[tuple[int, Answer]]:
    """Each candidate's index and what the metric says of it, in no order."""
    yield from refused.items()
    for group in groups:
        yield from zip(group.indices, _ask(metric, group.sounds), strict=True)


def _ask(metric: Metric, sounds: ClipSounds) -> list[Answer]:
    """One answer per candidate, whatever the metric does.

    A metric that raises as a whole is asked again about each candidate alone: only those that make
    it raise shall fail.
    """
    count = len(sounds.candidates)
    try:
        answers = list(metric.score(_own(sounds)))
    except Unusable as error:
        return [error] * count
    except (Exception, SystemExit) as error:  # anyone's code; its failure is data
        if count == 1:
            return [error if isinstance(error, Exception) else RuntimeError(f"exit {error}")]
        alone = [replace(sounds, candidates=[candidate]) for candidate in sounds.candidates]
        return [answer for one in alone for answer in _ask(metric, one)]
    if len(answers) != count:
        return [
            ValueError(f"{quantity(len(answers), 'answer')} for {quantity(count, 'candidate')}")
        ] * count
    return answers


def _note_alignments(found: Sequence[Alignment | None], results: list[CandidateScores]) -> None:
    for one, result in zip(found, results, strict=True):
        if one is not None:
            result.notes["delay_seconds"] = one.delay / ALIGNED_AT
            result.notes["polarity"] = float(one.polarity)
            result.notes["correlation"] = one.correlation
            result.notes["unmatched_seconds"] = one.unmatched / ALIGNED_AT
