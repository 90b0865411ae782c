"""Where the clips of an evaluation come from: whatever holds noisy clips, as a corpus section.

Clips of a run directory or of an exported dataset are copied into the evaluation's own folder, so
that it stays whole when the run grows or goes.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from gensr_pref.config import run_file
from gensr_pref.config.run_file import Columns, Corpus
from gensr_pref.corpus.units import count_units
from gensr_pref.errors import (
    ConfigError,
    InputError,
    Problem,
    RunMismatchError,
    parameter,
    quantity,
    typed,
)
from gensr_pref.identity import unit_for
from gensr_pref.rundir import part_files
from gensr_pref.rundir.document import read_document
from gensr_pref.rundir.integrity import check
from gensr_pref.rundir.rows import find_rows
from gensr_pref.schema import AUDIO, SCHEMA_VERSION, column
from gensr_pref.tables.rows import read_rows

COPIED = "held-out"  # a folder of the evaluation
_COPIED = ["clip_id", "noisy", "clean"]  # what a copy is compared by
SPLIT = "validation"
_TABLES = (".csv", ".tsv", ".jsonl", ".ndjson", ".json")
_NAMES: Mapping[str, Sequence[str]] = {
    "audio": ("noisy", "audio", "path", "file"),
    "clean": ("clean", "reference", "target"),
    "text": ("text",),
    "speaker": ("speaker",),
    "language": ("language",),
}
_PATHS = ("path", "root", "noisy", "clean")
_COPY = pa.schema(
    [("noisy", AUDIO), ("clean", AUDIO)]
    + [(name, pa.string()) for name in ("clip_id", "text", "language", "speaker")]
)
_ANY_LENGTH = (0.02, 86400.0)  # seconds: the clips stay as they are


@dataclass(frozen=True)
class HeldOutClips:
    """Clips to evaluate on.

    Attributes:
        corpus: what they are made from, as the corpus section of a run file.
        document: the run file or ``run.yaml`` of the run that they are of, if any.
        told: where they come from, in words.
        own: whether `document` is a run file that the user named, whose plugins may be loaded; what
            a build wrote is not, as it may be a stranger's.
    """

    corpus: Corpus
    document: dict[str, Any] | None = None
    told: str = ""
    own: bool = False

    @property
    def seed(self) -> int:
        """Of the run that they are of; 0 without one, and where it was anonymised."""
        return int((self.document or {}).get("seed") or 0)


def find_clips(clips: Path, home: Path, out: Path, limit: int | None) -> HeldOutClips:
    """The clips in a run file, manifest, folder, run directory or exported dataset.

    Args:
        clips: one of these.
        home: the folder that paths of the corpus shall start from.
        out: folder of the evaluation.
        limit: so many clips of a run or dataset are copied.

    Raises:
        InputError: it is none of these, or holds no clip of the validation split.
    """
    if clips.suffix in (".yaml", ".yml"):
        return _of_run_file(clips, home)
    if clips.suffix.lower() in _TABLES:
        return HeldOutClips(_manifest(clips, home), told=f"all of {clips}")
    if (clips / "run.yaml").exists():
        return _of_run(clips, home, out, limit)
    if not clips.is_dir():
        raise ConfigError(
            f"{clips} is no run file (.yaml), manifest ({', '.join(_TABLES)}) or folder",
            field="clips",
            value=clips,
            problem=Problem.UNSUPPORTED,
        )
    sides = {side: _relative_path(clips / side, home) for side in ("noisy", "clean")}
    if all((clips / side).is_dir() for side in sides):
        source: dict[str, Any] = {"kind": "paired", **sides}
    else:
        source = {"kind": "folder", "path": _relative_path(clips, home)}
    return HeldOutClips(_corpus({"source": source}), told=f"all of {clips}")


def _of_run_file(path: Path, home: Path) -> HeldOutClips:
    data = run_file.read_yaml(path)
    section = data.get("corpus")
    if not isinstance(section, dict):
        raise ConfigError(
            f"{path} has no corpus section", field="clips", path=path, problem=Problem.MISSING
        )
    corpus = _corpus(_rebase_paths(section, path.resolve().parent, home))
    return HeldOutClips(corpus, data, f"the corpus of {path}", own="provenance" not in data)


def _rebase_paths(corpus: dict[str, Any], folder: Path, home: Path) -> dict[str, Any]:
    """A corpus section whose paths start from another folder."""
    if folder == home:
        return corpus
    moved: dict[str, Any] = {}
    for key, value in corpus.items():
        if isinstance(value, dict) and key != "columns":
            moved[key] = _rebase_paths(value, folder, home)
        elif key in _PATHS and isinstance(value, str) and not _is_name(corpus, folder / value):
            moved[key] = _relative_path(folder / value, home)
        else:
            moved[key] = value
    return moved


def _is_name(source: dict[str, Any], path: Path) -> bool:
    """Whether a path is the name of a dataset on the Hub."""
    return source.get("kind") == "huggingface" and not path.exists()


def _relative_path(path: Path, home: Path) -> str:
    """A path from a folder that it is below; else the whole path."""
    path, home = path.absolute(), home.absolute()
    return str(path.relative_to(home) if path.is_relative_to(home) else path)


def _corpus(data: dict[str, Any]) -> Corpus:
    return run_file.parse(data, Corpus, field="corpus")


def _manifest(path: Path, home: Path) -> Corpus:
    names = dict.fromkeys(name for _, row in read_rows(path, "clips") for name in row)
    columns = {
        role: next((one for one in known if one in names), None) for role, known in _NAMES.items()
    }
    if columns["audio"] is None:
        raise ConfigError(
            f"{path} has none of the columns {', '.join(_NAMES['audio'])}. It has: "
            f"{', '.join(names)}",
            field="clips",
            path=path,
            value=list(names),
            problem=Problem.MISSING,
        )
    return _corpus(
        {"source": {"kind": "manifest", "path": _relative_path(path, home), "columns": columns}}
    )


def _of_run(folder: Path, home: Path, out: Path, limit: int | None) -> HeldOutClips:
    """The validation split of a run directory or an exported dataset."""
    if folder.resolve() == out.resolve():
        raise ConfigError(
            f"{out} is where the clips come from. Name another folder",
            field=parameter("out"),
            value=out,
            problem=Problem.CONFLICT,
        )
    if part_files.parts(folder, "clips"):
        check(folder)
    sources = _sources(folder)
    rates = _rates(sources)
    if not rates:
        raise InputError(
            f"{folder} has no clip in its {SPLIT} split. Hold some out: {_advice(folder)}. "
            "Or give other clips",
            field="clips",
            path=folder,
            problem=Problem.EMPTY,
        )
    names = sorted(rates, key=lambda name: unit_for(0, "held-out", name))[:limit]
    chosen = _read(sources, names)
    has_clean = bool(pc.any(pc.is_valid(chosen.column("clean").combine_chunks())).as_py())
    rate = next(iter(rates.values()))
    _copy(chosen, out / COPIED, folder)
    columns = Columns(audio="noisy", clean="clean" if has_clean else None, text="text",
                      speaker="speaker", language="language")  # fmt: skip
    source = {
        "kind": "parquet",
        "path": _relative_path(out / COPIED, home),
        "columns": columns.model_dump(),
    }
    corpus = {"source": source, "sample_rate": rate, "segment_seconds": _ANY_LENGTH}
    told = f"{quantity(len(chosen), 'clip')} of the {SPLIT} split of {folder}"
    return HeldOutClips(_corpus(corpus), run_file.read_yaml(folder / "run.yaml"), told)


def _advice(folder: Path) -> str:
    """The command that gives a run some held-out clips."""
    if not part_files.parts(folder, "clips"):
        return f"{_build('RUN')}, with the run that it was exported from, and export that again"
    clips = part_files.read_all(folder, "clips", ["clip_id", "speaker", "source"])
    by = next((unit for unit, count in count_units(clips).items() if count > 1), None)
    if by is None:
        return f"build it with more clips than its {len(clips)}"
    held_out_by = f"corpus.validation.by={by}"
    if read_document(folder).version < SCHEMA_VERSION:
        return f"{_build('NEW', held_out_by)}, as it is of an earlier version"
    return (
        f"{_build(typed(folder), held_out_by)} (with its run file; only labels change, nothing is "
        "sampled or scored again)"
    )


def _build(out: str, *settings: str) -> str:
    shares = " ".join(("corpus.validation.share=0.2", *settings))
    return f"gensr-pref build RUN.yaml --out {out} {shares}"


def _copy(chosen: pa.Table, place: Path, folder: Path) -> None:
    """Put those clips that are not there yet into a new part.

    Raises:
        RunMismatchError: other clips are there.
    """
    parts = sorted(place.glob("part-*.parquet"))
    if not (place.parent / "run.yaml").exists():  # it went no further: a mistake claims nothing
        for path in parts:
            path.unlink()
        parts = []
    there = [row for path in parts for row in _contents(part_files.read(path, _COPIED))]
    if there != _contents(chosen.slice(0, len(there))):
        raise RunMismatchError(
            "was made with other clips. Give those again, or more of them, or "
            "choose another folder",
            path=place.parent,
            problem=Problem.CHANGED,
        )
    new = chosen.slice(len(there)).select(_COPY.names).cast(_COPY)
    if len(new):
        path = place / f"part-{len(parts):05d}.parquet"
        part_files.write_table(path, new, {"from": str(folder)})


def _contents(table: pa.Table) -> list[tuple[Any, ...]]:
    """The names of clips and their very bytes, by which copies and clips are compared."""
    sounds = (table.column(name).to_pylist() for name in ("noisy", "clean"))
    contents = ([one and one["bytes"] for one in each] for each in sounds)
    return list(zip(column(table, "clip_id"), *contents, strict=True))


@dataclass(frozen=True)
class _Source:
    """A Parquet file with clips of the validation split.

    Attributes:
        noisy: the column of noisy sounds.
        has_split: whether it has clips of other splits too, by a column ``split``.
    """

    path: Path
    noisy: str
    has_split: bool


def _sources(folder: Path) -> list[_Source]:
    """The files of a run's clips, or of an exported dataset's pairs."""
    parts = [_Source(path, "noisy", True) for path in part_files.parts(folder, "clips")]
    exported = sorted((folder / "data").glob(f"{SPLIT}-*.parquet"))
    return parts + [_Source(path, "prompt", False) for path in exported]


def _rates(sources: Sequence[_Source]) -> dict[str, int]:
    """The sample rate of every clip of the split, in the order of the files; reads no audio."""
    rates: dict[str, int] = {}
    for source in sources:
        table = part_files.read(
            source.path, ["clip_id", "sample_rate", *(["split"] if source.has_split else [])]
        )
        if source.has_split:
            table = table.filter(pc.equal(table.column("split"), SPLIT))
        for name, rate in zip(column(table, "clip_id"), column(table, "sample_rate"), strict=True):
            rates.setdefault(name, rate)
    return rates


def _read(sources: Sequence[_Source], names: Sequence[str]) -> pa.Table:
    """The clips of these names, in this order; each noisy sound names its recording."""
    rows: dict[str, pa.Table] = {}
    for source in sources:
        columns = ["clip_id", source.noisy, "clean", "text", "language", "speaker"]
        for table in find_rows([source.path], names, columns):
            for number, name in enumerate(column(table, "clip_id")):
                if name not in rows:  # of a dataset, every pair has its clip
                    rows[name] = _copy_row(table.slice(number, 1), source.noisy, name)
    return pa.concat_tables([rows[name] for name in names])


def _copy_row(row: pa.Table, noisy: str, name: str) -> pa.Table:
    """A row of one clip, in the columns of a copy."""
    (sound,) = column(row, noisy)
    values = {one: column(row, one) if one in row.column_names else [None] for one in _COPY.names}
    return pa.table({**values, "noisy": [{**sound, "path": name}]}, schema=_COPY)
