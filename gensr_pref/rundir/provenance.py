"""What the metadata of a part says of how it was made, so that a run can grow.

Clips, each generator and each metric have a fingerprint of their own. A part whose own fingerprint
is as the run wants it is whole; of one whose is not, the rows of every generator and metric whose
fingerprint is still wanted stay as they are, and only the others are made.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, Literal, get_args

from gensr_pref.identity import digest

Facts = dict[str, Any]
Made = Literal["clips", "candidates", "scores"]
MADE: tuple[Made, ...] = get_args(Made)
_RELABELLED = 2  # schema version from which splits may change
_VOTING = ("votes", "vote")  # shape pairs only


def of_generator(
    use: Facts, label: str, revision: str, sample_rate: int | None, code: Facts | None = None
) -> Facts:
    """A generator's entry in ``run.yaml`` and in the metadata of candidates.

    Args:
        use: its entry in the run file. How many candidates it gives is no part of its
            fingerprint: a candidate does not depend on how many others there are. Seeds that are
            those of its own label are none either.
        code: what tells of its code and files, as `source_code.identity_of` does.
    """
    known = {"name": label, "revision": revision, "sample_rate": sample_rate, **(code or {})}
    shaping = {key: value for key, value in use.items() if key not in ("candidates", "name")}
    if use["seeds"] in (None, label):
        del shaping["seeds"]
    return {**known, "candidates": use["candidates"], "fingerprint": digest(known, shaping)}


def of_metric(facts: Facts, texts: str | None) -> Facts:
    """A metric's entry in ``run.yaml``.

    Args:
        facts: what the panel says of it.
        texts: digest of all that is said in the corpus, where the metric learns from it.
    """
    studied = {} if texts is None else {"texts": texts}
    return {**facts, **studied, "fingerprint": digest(without_votes(facts), studied)}


def without_votes(metric: Facts) -> Facts:
    """A metric's entry without what shapes pairs only."""
    scores = [{k: v for k, v in one.items() if k not in _VOTING} for one in metric["scores"]]
    return {**metric, "scores": scores}


def without_splits(corpus: Facts, version: int) -> Facts:
    """The corpus section without what shapes no sound; it counted in tables of version 1."""
    return {k: v for k, v in corpus.items() if k != "validation" or version < _RELABELLED}


def of_part(
    made: Made,
    run: Facts,
    clip_ids: Sequence[str],
    contents: Sequence[str] = (),
    splits: Sequence[str] = (),
) -> Facts:
    """The metadata of one part.

    Args:
        run: ``name`` and the ``provenance`` of ``run.yaml``, as one.
        clip_ids: of the clips that belong to its shard.
        contents: what each was made from; nothing in runs of version 1.
        splits: that they are in, which clips alone tell; nothing in runs of version 1.
    """
    known = {key: run[key] for key in ("gensr_pref", "schema_version", "corpus")}
    known["clips"] = clips_digest(clip_ids, contents)
    if "library" in run:
        known["library"] = run["library"]
    if made == "clips" and splits:
        known["splits"] = digest(list(splits))
    if made != "clips":
        known["generators"] = run["generators"]
    if made == "scores":
        known["panel"] = [without_votes(metric) for metric in run["panel"]]
    return {"run": run["run"], **known, "fingerprint": digest(known)}


def clips_digest(clip_ids: Sequence[str], contents: Sequence[str] = ()) -> str:
    """Of the clips that belong to a shard, and of what they were made from."""
    return digest(list(clip_ids), list(contents)) if contents else digest(list(clip_ids))


def same_clips(there: Facts, wanted: Facts) -> bool:
    """Whether a part holds the clips that are wanted, made as they are wanted."""
    return all(there.get(key) == wanted.get(key) for key in ("corpus", "clips", "library"))


def in_common(there: Facts, wanted: Facts, kind: Literal["generators", "panel"]) -> set[str]:
    """The fingerprints of the generators or metrics of a part that are wanted still."""
    return _fingerprints(there.get(kind, ())) & _fingerprints(wanted[kind])


def is_contained(there: Facts, now: Facts) -> bool:
    """Whether all that one run, or a part of it, is made of is in a run, which may have more.

    Args:
        there: the ``provenance`` of ``run.yaml``, or the metadata of a part.
        now: the ``provenance`` of ``run.yaml``, perhaps before noises and impulse responses
            (``library``) were looked at, which are not compared then. Metrics that learn from what
            is said are compared without it: they are asked again about every clip.
    """
    counts = {one["fingerprint"]: one["candidates"] for one in now["generators"]}
    return (
        there.get("corpus") == now["corpus"]
        and ("library" not in now or there.get("library") == now["library"])
        and all(
            counts.get(one["fingerprint"], 0) >= one["candidates"]
            for one in there.get("generators", ())
        )
        and {_unstudied(one) for one in there.get("panel", ())}
        <= {_unstudied(one) for one in now["panel"]}
    )


def _unstudied(metric: Facts) -> str:
    return digest({k: v for k, v in without_votes(metric).items() if k not in _STUDIED})


_STUDIED = ("texts", "fingerprint")


def _fingerprints(entries: Iterable[Facts]) -> set[str]:
    return {one["fingerprint"] for one in entries}
