"""Draws the candidates of one clip from one generator; a failing generator gives failures."""

from __future__ import annotations

import gc
import json
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from gensr_pref import audio
from gensr_pref.audio import Sound
from gensr_pref.building.time_limit import OutOfTime, time_limit, timeout_failure
from gensr_pref.errors import Unusable, quantity
from gensr_pref.generators.base import LENGTH_TOLERANCE_S, Candidate, Origin
from gensr_pref.identity import candidate_id, split_candidate_id
from gensr_pref.process import full_precision, one_thread
from gensr_pref.schema import Failure, Reason

Row = dict[str, Any]
Seed = Callable[..., int]
ROUNDING = 2 / 32768  # two steps of 16 bits: bound of the rounding errors of float32 sums


@dataclass(frozen=True)
class GeneratorRequest:
    """A generator and the number of candidates wanted from it.

    Attributes:
        label: generator label of the candidates.
        generator: a loaded `Generator` or `LookupGenerator`.
        revision: revision of its weights, as the run records it.
        candidates: number of candidates per clip.
        limit_seconds: time limit per clip; None = no limit.
        seeds: the label that seeds are drawn for; None = `label`.
    """

    label: str
    generator: Any
    revision: str
    candidates: int
    limit_seconds: float | None = None
    seeds: str | None = None

    def seed(self, draw: Seed, clip_id: str, index: int) -> int:
        """Return the seed of one candidate."""
        return draw(clip_id, self.seeds or self.label, index)


@dataclass(frozen=True)
class ClipCandidates:
    """A generator's candidates of one clip: rows, and failures for candidates without a row."""

    rows: tuple[Row, ...] = ()
    failures: tuple[Failure, ...] = ()

    @property
    def indices(self) -> set[int]:
        """The indices of all rows and failures."""
        return {row["index"] for row in self.rows} | {
            index_of(failure) for failure in self.failures
        }


NO_CANDIDATES = ClipCandidates()


def sample_clip(
    clip: Origin,
    noisy: Sound,
    request: GeneratorRequest,
    seed: Seed,
    existing: ClipCandidates = NO_CANDIDATES,
) -> ClipCandidates:
    """Draw the missing candidates of one clip, in one batch.

    A batch never mixes clips. Its rows therefore need no padding, and a candidate cannot depend on
    the other clips of a run.

    Args:
        seed: function of (clip_id, label, index); the label is `GeneratorRequest.seeds`.
        existing: existing candidates, which stay as they are.

    Returns:
        All candidates: rows of `schema.CANDIDATES`, and a failure for each of the others.
    """
    missing = [index for index in range(request.candidates) if index not in existing.indices]
    if not missing:
        return existing
    # A named generator numbers its answers from 0, so all candidates are requested.
    by_name = hasattr(request.generator, "candidates_of")
    indices = list(range(request.candidates)) if by_name else missing
    seeds = [request.seed(seed, clip.clip_id, index) for index in indices]
    rows, failures = list(existing.rows), list(existing.failures)
    first: dict[bytes, str] = {row["audio"]["bytes"]: row["candidate_id"] for row in rows}
    answers = _ask_within_limit(clip, noisy, request, seeds)
    for index, own_seed, answer in zip(indices, seeds, answers, strict=True):
        if index not in missing:
            continue
        try:
            row = _row(clip, noisy, request, index, own_seed, answer)
        except Exception as error:  # the answer is a failure or not a valid candidate
            failures.append(_failure(clip, request, index, error))
            continue
        earlier = first.setdefault(row["audio"]["bytes"], row["candidate_id"])
        if earlier == row["candidate_id"]:
            rows.append(row)
        else:  # a generator that ignores its seed has only one candidate
            failures.append(_duplicate(row, earlier))
    return ClipCandidates(
        tuple(sorted(rows, key=lambda row: row["index"])), tuple(sorted(failures, key=index_of))
    )


def add_skipped(
    clip: Origin,
    request: GeneratorRequest,
    why: Unusable,
    existing: ClipCandidates = NO_CANDIDATES,
) -> ClipCandidates:
    """Return the existing candidates of a clip, with a failure for each of the others."""
    missing = [index for index in range(request.candidates) if index not in existing.indices]
    failed = [*existing.failures, *(_failure(clip, request, index, why) for index in missing)]
    return ClipCandidates(existing.rows, tuple(sorted(failed, key=index_of)))


def index_of(failure: Failure) -> int:
    """Return the index of the candidate that failed."""
    return split_candidate_id(failure.candidate_id or "")[2]


def _failure(clip: Origin, request: GeneratorRequest, index: int, error: BaseException) -> Failure:
    fault = to_unusable(error)
    name = candidate_id(clip.clip_id, request.label, index)
    return Failure("candidates", clip.clip_id, fault.reason, fault.detail, name)


def _duplicate(row: Row, earlier: str) -> Failure:
    detail = f"the same samples as candidate {split_candidate_id(earlier)[2]}"
    return Failure(
        "candidates",
        row["clip_id"],
        Reason.DUPLICATE,
        detail,
        candidate_id=row["candidate_id"],
        duplicate_of=earlier,
    )


def reproducibility_notice(
    clip: Origin, noisy: Sound, request: GeneratorRequest, seed: Seed
) -> str | None:
    """Return a warning if the same seed gives different audio, otherwise None.

    Candidate 0 is drawn twice alone, and the last candidate both alone and with all others, because
    it must depend on its own seed alone. Differences up to two steps of 16 bits count as rounding.
    Generators that fail or whose candidates are files are not judged.
    """
    if hasattr(request.generator, "candidates_of"):
        return None
    seeds = [request.seed(seed, clip.clip_id, index) for index in range(request.candidates)]
    alone = [_ask_within_limit(clip, noisy, request, seeds[:1])[0] for _ in range(2)]
    if how := _describe_difference(*alone):
        return (
            f"generator {request.label!r} is not reproducible: the same clip and seed gave "
            f"different audio ({how}), so this run cannot be repeated exactly"
        )
    if len(seeds) == 1:
        return None
    last = [_ask_within_limit(clip, noisy, request, batch)[-1] for batch in (seeds, seeds[-1:])]
    if how := _describe_difference(*last):
        return (
            f"generator {request.label!r}: a candidate depends on its batch; drawn alone it "
            f"differs from the same one among {len(seeds)} ({how}). Take all randomness of row b "
            "from seeds[b]"
        )
    return None


def _describe_difference(one: Any, other: Any) -> str | None:
    """Describe how the audio of two answers differs; None within rounding or without audio."""
    waves = _wave(one), _wave(other)
    if waves[0] is None or waves[1] is None:
        return None
    if waves[0].shape != waves[1].shape:
        return f"{waves[0].shape} samples, then {waves[1].shape}"
    largest = float(np.max(np.abs(waves[0] - waves[1]), initial=0.0))
    return f"differences up to {largest:.2g} of full scale" if largest > ROUNDING else None


def _wave(answer: Any) -> np.ndarray | None:
    """Return the audio of an answer; None if it has none."""
    wave = getattr(answer, "audio", None)
    return wave if isinstance(wave, np.ndarray) and wave.dtype.kind == "f" else None


def _ask_within_limit(
    clip: Origin, noisy: Sound, request: GeneratorRequest, seeds: Sequence[int]
) -> list[Any]:
    try:
        with one_thread(), full_precision(), time_limit(request.limit_seconds):
            return _ask(request.generator, clip, noisy, seeds)
    except OutOfTime:
        return [timeout_failure(request.limit_seconds)] * len(seeds)


def _ask(generator: Any, clip: Origin, noisy: Sound, seeds: Sequence[int]) -> list[Any]:
    """Return one answer per seed, whatever the generator does.

    If a batch fails, its rows are requested one by one, so that only the rows that cause the
    failure are lost. A single row may also fit into memory when the batch does not.
    """
    try:
        answers = list(_call_generator(generator, clip, noisy, seeds))
        if len(answers) == len(seeds):
            return answers
        fault = to_unusable(
            RuntimeError(f"{quantity(len(answers), 'candidate')} came back, not {len(seeds)}")
        )
    except (Exception, SystemExit) as error:  # a plugin's failure is data
        fault = to_unusable(error)
    indivisible = hasattr(generator, "candidates_of") or fault.reason is Reason.TIMED_OUT
    if indivisible or len(seeds) == 1:
        return [fault] * len(seeds)
    _free_memory()
    return [answer for seed in seeds for answer in _ask(generator, clip, noisy, [seed])]


def _call_generator(
    generator: Any, clip: Origin, noisy: Sound, seeds: Sequence[int]
) -> Sequence[Any]:
    if hasattr(generator, "candidates_of"):
        by_name: Sequence[Any] = generator.candidates_of(clip, noisy, seeds)
        return by_name
    wave = noisy.at(generator.sample_rate).wave
    batch = np.repeat(wave[None], len(seeds), axis=0)
    answers: Sequence[Any] = generator.sample(batch, [len(wave)] * len(seeds), list(seeds))
    return answers


def _free_memory() -> None:
    """Free the memory of a failed batch, also on a GPU."""
    gc.collect()
    torch = sys.modules.get("torch")
    if torch is not None and torch.cuda.is_available():
        torch.cuda.empty_cache()


def to_unusable(error: BaseException) -> Unusable:
    """Return an error as `Unusable`, with a reason of the closed list."""
    if isinstance(error, Unusable):
        return error
    reason = Reason.OUT_OF_MEMORY if _is_out_of_memory(error) else Reason.GENERATOR_ERROR
    return Unusable(reason, f"{type(error).__name__}: {error}")


def _is_out_of_memory(error: BaseException) -> bool:
    """Recognise Python's error, and torch's on GPU and CPU without importing torch."""
    names = {kind.__name__ for kind in type(error).__mro__}
    return bool(names & {"MemoryError", "OutOfMemoryError"}) or (
        isinstance(error, RuntimeError) and "can't allocate memory" in str(error)
    )


def check_candidate(candidate: Candidate, rate: int, seconds: float) -> None:
    """Refuse a candidate whose audio is not a restored clip.

    Args:
        rate: sampling rate of its audio, in Hz.
        seconds: duration of the noisy input.

    Raises:
        Unusable: EMPTY, NOT_FINITE, SILENT; LENGTH_MISMATCH if the durations of output and input
            differ by more than 20 ms; OUT_OF_RANGE if too many samples exceed full scale, and so
            would be clipped; GENERATOR_ERROR if the audio is not an array of floats.
    """
    kind = getattr(candidate.audio, "dtype", type(candidate.audio).__name__)
    if not isinstance(candidate.audio, np.ndarray) or candidate.audio.dtype.kind != "f":
        raise Unusable(Reason.GENERATOR_ERROR, f"audio is {kind}, not float32")
    audio.require_sound(candidate.audio)
    audio.clip_to_full_scale(candidate.audio)
    if candidate.audio.ndim != 1:
        raise Unusable(Reason.LENGTH_MISMATCH, f"shape {candidate.audio.shape}, not [T]")
    length = len(candidate.audio) / rate
    if abs(length - seconds) > LENGTH_TOLERANCE_S + 0.5 / rate:
        raise Unusable(Reason.LENGTH_MISMATCH, f"{length:.3f} s for an input of {seconds:.3f} s")


def _row(
    clip: Origin, noisy: Sound, request: GeneratorRequest, index: int, seed: int, answer: Any
) -> Row:
    if isinstance(answer, BaseException):
        raise answer
    rate = _rate(answer, request.generator)
    check_candidate(answer, rate, noisy.seconds)
    return {
        "candidate_id": candidate_id(clip.clip_id, request.label, index),
        "clip_id": clip.clip_id,
        "generator": request.label,
        "revision": request.revision,
        "index": index,
        "seed": seed,
        "sampling": _sampling_json(answer.sampling),
        "audio": audio.column_value(answer.audio, rate),
        "sample_rate": rate,
        "num_samples": len(answer.audio),
        "tokens": _tokens(getattr(answer, "tokens", None)),
        "latent": _latent(getattr(answer, "latent", None)),
    }


def _rate(candidate: Any, generator: Any) -> int:
    own_rate = getattr(candidate, "rate", None)
    rate = generator.sample_rate if own_rate is None else own_rate
    if type(rate) is not int or rate <= 0:
        raise Unusable(Reason.WRONG_RATE, f"its rate is {rate!r}, not a whole number of Hz")
    return rate


def _sampling_json(value: Any) -> str:
    if not isinstance(value, dict):
        raise TypeError(f"sampling is of type {type(value).__name__}, not dict")
    return json.dumps(value, sort_keys=True, allow_nan=False)


def _tokens(tokens: Any) -> list[list[int]] | None:
    if tokens is None:
        return None
    if not isinstance(tokens, np.ndarray) or tokens.dtype.kind not in "iu" or tokens.ndim != 2:
        raise TypeError(f"tokens are {_describe_value(tokens)}, not integers [codebooks, frames]")
    return [[int(token) for token in row] for row in tokens]


def _latent(latent: Any) -> Row | None:
    if latent is None:
        return None
    if not isinstance(latent, np.ndarray) or latent.dtype.kind != "f" or latent.ndim != 2:
        raise TypeError(
            f"latent is {_describe_value(latent)}, not an array of floats [frames, channels]"
        )
    stored = latent.astype("<f2")
    if not np.isfinite(stored).all():
        raise Unusable(Reason.NOT_FINITE, "the latent has NaN, infinity or values beyond float16")
    return {"data": stored.tobytes(), "shape": list(stored.shape)}


def _describe_value(value: Any) -> str:
    if isinstance(value, np.ndarray):
        return f"{value.dtype} {value.shape}"
    return f"of type {type(value).__name__}"
