"""Pairs of an exported dataset: a folder that `gensr-pref export` wrote, or one on the Hub."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from gensr_pref.aligning.file_digests import FileDigests
from gensr_pref.aligning.pairs import PAIR_COLUMNS, PairedClip, generator_uses, group_by_clip
from gensr_pref.errors import InputError, Problem
from gensr_pref.identity import CLEAN, digest
from gensr_pref.rundir import part_files
from gensr_pref.rundir.document import read_published_document
from gensr_pref.weights.hub import missing_package

ROWS = 16  # rows in memory at once; each has three sounds
SPLITS = ("train", "validation")
_NEEDED = {"pair_id", "clip_id", "prompt", "chosen_generator", "rejected_generator"}


class PairsOfExport:
    """The pairs of a folder of Parquet files; see docs/export.md for its columns.

    Args:
        path: the folder OUT of `gensr-pref export`, or its `data`.
        generators: allowed labels of both sides; the clean target is always allowed.
        with_audio: whether to read the audio of the sides.
        digests: digests of files.

    Raises:
        InputError: the folder has no Parquet files of pairs, or they lack columns.
    """

    def __init__(
        self, path: Path, generators: list[str], with_audio: bool, digests: FileDigests
    ) -> None:
        folder = path / "data" if (path / "data").is_dir() else path
        self._files = {split: sorted(folder.glob(f"{split}-*.parquet")) for split in SPLITS}
        if not self._files["train"]:
            raise InputError(
                f"{path} contains no data/train-*.parquet. Give a folder that "
                "`gensr-pref export` wrote as Parquet",
                field="pairs.source.path",
                path=path,
                problem=Problem.MISSING,
            )
        self._digests, self._with_audio = digests, with_audio
        self._root = folder.parent if folder.name == "data" else folder
        self._allowed = {*generators, CLEAN}
        first = self._files["train"][0]
        self._columns = set(part_files.column_names(first))
        _require_columns(self._columns, str(first))

    @property
    def content(self) -> dict[str, str]:
        """Digest of the files, which hold the pairs and everything that they refer to."""
        paths = [file for files in self._files.values() for file in files]
        contents = self._digests.get_all(paths)
        named = [[path.name, content] for path, content in zip(paths, contents, strict=True)]
        return {"pairs": digest(named)}

    @property
    def uses(self) -> dict[str, str]:
        """The model behind each label, if the export has its ``run.yaml``."""
        return _uses(self._root)

    def clips(self) -> Iterator[PairedClip]:
        """Yield every clip that has pairs, in the order of the files."""
        for split, files in self._files.items():
            yield from group_by_clip(self._rows(files, split), self._allowed)

    def _rows(self, files: list[Path], split: str) -> Iterator[dict[str, Any]]:
        for file in files:
            columns = [*PAIR_COLUMNS, "clean", *self._with_sound(file)]
            existing = [column for column in columns if column in self._columns]
            for batch in part_files.batches(file, existing, ROWS):
                yield from ({**row, "split": split} for row in batch.to_pylist())

    def _with_sound(self, file: Path) -> list[str]:
        """Return the sides whose audio is read: both, or chosen if it may be the clean clip."""
        if self._with_audio:
            return ["chosen", "rejected"]
        generators = part_files.read(file, ["chosen_generator"]).column("chosen_generator")
        return ["chosen"] if CLEAN in generators.unique().to_pylist() else []


class PairsOfHub:
    """The pairs of a dataset on the Hugging Face Hub, read as a stream.

    The commit is fixed when the object is created: later commits change nothing.

    Args:
        name: ``org/name``, or a folder that `datasets` reads as one.
        config: config of the dataset; None = its default.
        revision: commit, tag or branch; None = main.
        generators: allowed labels of both sides; the clean target is always allowed.
        digests: digests of files.

    Raises:
        InputError: `datasets` cannot open it, or it lacks the columns of pairs.
    """

    def __init__(
        self,
        name: str,
        config: str | None,
        revision: str | None,
        generators: list[str],
        digests: FileDigests,
    ) -> None:
        import datasets

        self._allowed = {*generators, CLEAN}
        self._name, self._config, self._digests = name, config, digests
        self._commit = None if Path(name).is_dir() else _commit(name, revision)
        try:
            self._splits = datasets.load_dataset(
                name, config, revision=self._commit, streaming=True
            )
        except Exception as error:
            raise InputError(
                f"{name!r} cannot be read as a dataset: {error}",
                field="pairs.source.path",
                value=name,
                problem=Problem.UNREADABLE,
            ) from error
        for split in self._splits.values():
            _require_columns(set(split.column_names or _NEEDED), name)

    @property
    def content(self) -> dict[str, str]:
        """Digest of the dataset at its commit; for a folder, of its files."""
        if self._commit is not None:
            return {"pairs": digest(self._name, self._config, self._commit)}
        folder = Path(self._name)
        paths = sorted(path for path in folder.rglob("*") if path.is_file())
        names = [path.relative_to(folder).as_posix() for path in paths]
        contents = self._digests.get_all(paths)
        named = [list(pair) for pair in zip(names, contents, strict=True)]
        return {"pairs": digest(self._config, named)}

    @property
    def uses(self) -> dict[str, str]:
        """The model behind each label, if the dataset is a folder with ``run.yaml``."""
        return _uses(Path(self._name)) if self._commit is None else {}

    def clips(self) -> Iterator[PairedClip]:
        """Yield every clip that has pairs, in the order of the stream."""
        import datasets

        for name in SPLITS:
            if name not in self._splits:
                continue
            stream = self._splits[name]
            for column, feature in (stream.features or {}).items():
                if isinstance(feature, datasets.Audio):
                    stream = stream.cast_column(column, datasets.Audio(decode=False))
            yield from group_by_clip(({**row, "split": name} for row in stream), self._allowed)


def _commit(name: str, revision: str | None) -> str:
    """Return the commit that a revision of a dataset on the Hub points to.

    Raises:
        InputError: there is no such dataset or revision, or the Hub cannot be reached.
    """
    from huggingface_hub import HfApi

    try:
        commit = HfApi().dataset_info(name, revision=revision).sha
    except Exception as error:  # any exception of the HTTP library that the client uses
        if lacking := missing_package(error):
            raise InputError(
                f"{name!r}: the Hub cannot be asked: {lacking}",
                field="pairs.source.path",
                value=name,
                problem=Problem.OFFLINE,
            ) from error
        raise InputError(
            f"{name!r} is neither a folder nor a dataset on the Hub "
            f"({type(error).__name__}). Check name and revision; for a private dataset, log in "
            "with `hf auth login`",
            field="pairs.source.path",
            value=name,
            problem=Problem.MISSING,
        ) from error
    return str(commit)


def _uses(folder: Path) -> dict[str, str]:
    document = read_published_document(folder)
    return {} if document is None else generator_uses(document)


def _require_columns(columns: set[str], where: str) -> None:
    if not columns >= _NEEDED:
        raise InputError(
            f"is not a dataset of pairs; it lacks {', '.join(sorted(_NEEDED - columns))}. "
            "See docs/export.md",
            path=where,
            known=_NEEDED,
            problem=Problem.INVALID,
        )
