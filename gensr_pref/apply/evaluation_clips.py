"""Finds the held-out clips of an evaluation and describes them as a corpus section.

Clips of a run directory or of an exported dataset are copied into the evaluation's own folder, so
that the evaluation stays complete if the run grows or is removed.
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
    command_line,
    parameter,
    quantity,
)
from gensr_pref.identity import unit_for
from gensr_pref.rundir import part_files
from gensr_pref.rundir.document import Section, read_document
from gensr_pref.rundir.integrity import check
from gensr_pref.rundir.rows import find_rows
from gensr_pref.schema import AUDIO, SCHEMA_VERSION, column
from gensr_pref.tables.rows import read_rows

COPIED = "held-out"  # the folder of copied clips in the evaluation's own
_COMPARED = ["clip_id", "noisy", "clean"]  # columns by which copies are compared
SPLIT = "validation"
_TABLES = (".csv", ".tsv", ".jsonl", ".ndjson", ".json")
_COLUMN_NAMES: Mapping[str, Sequence[str]] = {  # of a manifest; the first that exists is used
    "audio": ("noisy", "audio", "path", "file"),
    "clean": ("clean", "reference", "target"),
    "text": ("text",),
    "speaker": ("speaker",),
    "language": ("language",),
}
_PATHS = ("path", "root", "noisy", "clean")  # fields of a corpus section
_COPY = pa.schema(
    [("noisy", AUDIO), ("clean", AUDIO)]
    + [(name, pa.string()) for name in ("clip_id", "text", "language", "speaker")]
)
_ANY_LENGTH = (0.02, 86400.0)  # seconds; the clips are not cut


@dataclass(frozen=True)
class HeldOutClips:
    """Clips to evaluate on.

    Attributes:
        corpus: the corpus section that gives them.
        document: the run file or ``run.yaml`` that they belong to, if any.
        description: where they come from, in words.
        own: whether `document` is a run file that the user named, whose plugins may be loaded; a
            ``run.yaml`` is not, as it may come from someone else.
    """

    corpus: Corpus
    document: Section | None = None
    description: str = ""
    own: bool = False

    @property
    def seed(self) -> int:
        """Seed of the run that the clips are from; 0 without a run, or if it was anonymised."""
        return int((self.document or {}).get("seed") or 0)


def find_clips(clips: Path, home: Path, out: Path, limit: int | None) -> HeldOutClips:
    """Find the clips in a run file, manifest, folder, run directory or exported dataset.

    Args:
        clips: one of these.
        home: folder that the paths of the corpus section are relative to.
        out: folder of the evaluation.
        limit: largest number of clips that are copied from a run or dataset; None: all.

    Raises:
        InputError: `clips` is none of these, or has no clip in its validation split.
    """
    if clips.suffix in (".yaml", ".yml"):
        return _of_run_file(clips, home)
    if clips.suffix.lower() in _TABLES:
        return HeldOutClips(_manifest(clips, home), description=f"all of {clips}")
    if (clips / "run.yaml").exists():
        return _of_run(clips, home, out, limit)
    if not clips.is_dir():
        raise ConfigError(
            f"{clips} is not a run file (.yaml), manifest ({', '.join(_TABLES)}) or folder",
            field="clips",
            value=clips,
            problem=Problem.UNSUPPORTED,
        )
    sides = {side: _relative_path(clips / side, home) for side in ("noisy", "clean")}
    if all((clips / side).is_dir() for side in sides):
        source: dict[str, Any] = {"kind": "paired", **sides}
    else:
        source = {"kind": "folder", "path": _relative_path(clips, home)}
    return HeldOutClips(_corpus({"source": source}), description=f"all of {clips}")


def _of_run_file(path: Path, home: Path) -> HeldOutClips:
    data = run_file.read_yaml(path)
    section = data.get("corpus")
    if not isinstance(section, dict):
        raise ConfigError(
            f"{path} has no corpus section", field="clips", path=path, problem=Problem.MISSING
        )
    corpus = _corpus(_rebase_paths(section, path.resolve().parent, home))
    return HeldOutClips(corpus, data, f"the corpus of {path}", own="provenance" not in data)


def _rebase_paths(corpus: Mapping[str, object], folder: Path, home: Path) -> Mapping[str, object]:
    """Return a corpus section with paths relative to `home` instead of `folder`."""
    if folder == home:
        return corpus
    rebased: dict[str, object] = {}
    for key, value in corpus.items():
        if isinstance(value, dict) and key != "columns":
            rebased[key] = _rebase_paths(value, folder, home)
        elif key in _PATHS and isinstance(value, str) and not _is_hub_name(corpus, folder / value):
            rebased[key] = _relative_path(folder / value, home)
        else:
            rebased[key] = value
    return rebased


def _is_hub_name(source: Mapping[str, object], path: Path) -> bool:
    """Return whether a path is the name of a dataset on the Hub."""
    return source.get("kind") == "huggingface" and not path.exists()


def _relative_path(path: Path, home: Path) -> str:
    """Return a path relative to `home` if it is below it; otherwise the absolute path."""
    path, home = path.absolute(), home.absolute()
    return str(path.relative_to(home) if path.is_relative_to(home) else path)


def _corpus(data: Mapping[str, object]) -> Corpus:
    return run_file.parse(data, Corpus, field="corpus")


def _manifest(path: Path, home: Path) -> Corpus:
    names = dict.fromkeys(name for _, row in read_rows(path, "clips") for name in row)
    columns = {
        role: next((name for name in known if name in names), None)
        for role, known in _COLUMN_NAMES.items()
    }
    if columns["audio"] is None:
        raise ConfigError(
            f"{path} has none of the columns {', '.join(_COLUMN_NAMES['audio'])}. It has: "
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
    """Copy the validation split of a run directory or an exported dataset."""
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
            f"{folder} has no clip in its {SPLIT} split. Hold clips out ({_advice(folder)}), "
            "or name other clips",
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
    description = f"{quantity(len(chosen), 'clip')} of the {SPLIT} split of {folder}"
    return HeldOutClips(_corpus(corpus), run_file.read_yaml(folder / "run.yaml"), description)


def _advice(folder: Path) -> str:
    """Return the command that gives a run held-out clips."""
    if not part_files.parts(folder, "clips"):
        return f"{_build_command('RUN')}, with the exported run, then export it again"
    clips = part_files.read_all(folder, "clips", ["clip_id", "speaker", "source"])
    by = next((unit for unit, count in count_units(clips).items() if count > 1), None)
    if by is None:
        return f"build it with more clips than its {len(clips)}"
    held_out_by = f"corpus.validation.by={by}"
    if read_document(folder).version < SCHEMA_VERSION:
        return f"{_build_command('NEW', held_out_by)}; an earlier version built this run"
    return (
        f"{_build_command(command_line(folder), held_out_by)}, with its run file: only labels "
        "change, nothing is sampled or scored again"
    )


def _build_command(out: str, *settings: str) -> str:
    shares = " ".join(("corpus.validation.share=0.2", *settings))
    return f"gensr-pref build RUN.yaml --out {out} {shares}"


def _copy(chosen: pa.Table, copies: Path, folder: Path) -> None:
    """Write the clips that are not yet in the folder of copies into a new part there.

    Args:
        folder: the run or dataset that the clips are from.

    Raises:
        RunMismatchError: the folder contains other clips.
    """
    parts = sorted(copies.glob("part-*.parquet"))
    if not (copies.parent / "run.yaml").exists():  # the evaluation never began: begin afresh
        for path in parts:
            path.unlink()
        parts = []
    existing = [row for path in parts for row in _contents(part_files.read(path, _COMPARED))]
    if existing != _contents(chosen.slice(0, len(existing))):
        raise RunMismatchError(
            "was made with other clips. Name the same clips, allow at least as many of them, or "
            "choose another folder",
            path=copies.parent,
            problem=Problem.CHANGED,
        )
    new = chosen.slice(len(existing)).select(_COPY.names).cast(_COPY)
    if len(new):
        path = copies / f"part-{len(parts):05d}.parquet"
        part_files.write_table(path, new, {"from": str(folder)})


def _contents(table: pa.Table) -> list[tuple[Any, ...]]:
    """Return the ids of clips and the bytes of their sounds, by which clips are compared."""
    columns = (table.column(name).to_pylist() for name in ("noisy", "clean"))
    contents = ([sound and sound["bytes"] for sound in sounds] for sounds in columns)
    return list(zip(column(table, "clip_id"), *contents, strict=True))


@dataclass(frozen=True)
class _Source:
    """A Parquet file with clips of the validation split.

    Attributes:
        noisy: name of the column of noisy sounds.
        has_split: whether it also has clips of other splits, told apart by the column ``split``.
    """

    path: Path
    noisy: str
    has_split: bool


def _sources(folder: Path) -> list[_Source]:
    """Return the files with a run's clips, or with an exported dataset's pairs."""
    parts = [_Source(path, "noisy", True) for path in part_files.parts(folder, "clips")]
    exported = sorted((folder / "data").glob(f"{SPLIT}-*.parquet"))
    return parts + [_Source(path, "prompt", False) for path in exported]


def _rates(sources: Sequence[_Source]) -> dict[str, int]:
    """Return the sample rate of every clip of the split, in file order; reads no audio."""
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
    """Return the clips of these ids, in this order; each noisy sound gets its id as its path."""
    rows: dict[str, pa.Table] = {}
    for source in sources:
        columns = ["clip_id", source.noisy, "clean", "text", "language", "speaker"]
        for table in find_rows([source.path], names, columns):
            for number, name in enumerate(column(table, "clip_id")):
                if name not in rows:  # every pair of a dataset repeats its clip
                    rows[name] = _copy_row(table.slice(number, 1), source.noisy, name)
    return pa.concat_tables([rows[name] for name in names])


def _copy_row(row: pa.Table, noisy: str, name: str) -> pa.Table:
    """Return a row of one clip in the columns of a copy."""
    (sound,) = column(row, noisy)
    values = {
        field: column(row, field) if field in row.column_names else [None] for field in _COPY.names
    }
    return pa.table({**values, "noisy": [{**sound, "path": name}]}, schema=_COPY)
