"""Tests of random swaps, deletions, copies and edits in a run directory.

No command may ignore the damage. A build may restore what is lost, with the same bytes.
"""

import contextlib
import io
import os
import random
import shutil
from pathlib import Path

import pytest
import soundfile

from gensr_pref.aligning.run_pairs import PairsOfRun
from gensr_pref.auditing.run_audit import audit
from gensr_pref.building.build import build
from gensr_pref.building.pair import pair
from gensr_pref.config import run_file
from gensr_pref.errors import GensrPrefError, InputError
from gensr_pref.exporting.dataset import ExportOptions
from gensr_pref.exporting.export_run import export
from gensr_pref.rundir import part_files
from gensr_pref.rundir.integrity import check
from tests.small_run import tables

TABLES = ("clips", "candidates", "scores", "pairs")


@pytest.fixture(scope="module")
def stranger(base, tmp_path_factory) -> Path:
    """A run of the same settings, made from other recordings of the same names and lengths."""
    folder = Path(shutil.copytree(base, tmp_path_factory.mktemp("stranger") / "project"))
    for path in (folder / "speech").iterdir():
        wave, rate = soundfile.read(path)
        soundfile.write(path, wave[::-1].copy(), rate)
    build(run_file.load(folder / "run.yaml"), folder / "run", base=folder)
    return folder / "run"


class Mutations:
    """What may happen to a run directory; each returns what it did, for the message."""

    def __init__(self, rng: random.Random, out: Path, others: list[Path]) -> None:
        self.rng, self.out, self.others = rng, out, others

    def any(self) -> str:
        """One of them."""
        kinds = [
            self.delete,
            self.swap,
            self.copy,
            self.foreign,
            self.flip,
            self.cut,
            self.settings,
        ]
        return self.rng.choice(kinds)()

    def part(self, *tables: str) -> Path:
        """Any part of some tables."""
        return self.rng.choice(part_files.parts(self.out, self.rng.choice(tables or TABLES)))

    def delete(self) -> str:
        """A part is deleted."""
        path = self.part()
        path.unlink()
        return f"{path} deleted"

    def swap(self) -> str:
        """Two parts of a table trade places, with their times."""
        first = self.part("clips", "candidates", "scores")
        second = self.rng.choice([p for p in first.parent.iterdir() if p != first])
        first.rename(self.out / "kept")
        second.rename(first)
        (self.out / "kept").rename(second)
        return f"{first} and {second} swapped"

    def copy(self) -> str:
        """A part is copied, over another one or beside it."""
        path = self.part("clips", "candidates", "scores")
        target = part_files.part(self.out, path.parent.name, self.rng.randrange(8))
        while target == path:
            target = part_files.part(self.out, path.parent.name, self.rng.randrange(8))
        shutil.copy2(path, target)
        return f"{path} copied to {target}"

    def foreign(self) -> str:
        """A part of another run is put in the place of one's own."""
        path, other = self.part(), self.rng.choice(self.others)
        seen = path.stat()
        shutil.copy2(other / path.relative_to(self.out), path)
        if self.rng.random() < 0.5:
            os.utime(path, ns=(seen.st_atime_ns, seen.st_mtime_ns))
        return f"{path} of {other}"

    def flip(self) -> str:
        """A bit is flipped, and often nothing shows it."""
        path = self.part()
        seen, content = path.stat(), bytearray(path.read_bytes())
        place = self.rng.choice([self.rng.randrange(len(content)), -self.rng.randrange(1, 400)])
        content[place] ^= 1 << self.rng.randrange(8)
        path.write_bytes(content)
        if self.rng.random() < 0.7:
            os.utime(path, ns=(seen.st_atime_ns, seen.st_mtime_ns))
        return f"{path}, bit in byte {place}"

    def cut(self) -> str:
        """A part loses its end, or gets one that it did not have."""
        path = self.part()
        content = path.read_bytes()
        if self.rng.random() < 0.3:
            path.write_bytes(content + b"PAR1")
        else:
            path.write_bytes(content[: self.rng.randrange(len(content))])
        return f"{path} cut"

    def settings(self) -> str:
        """``run.yaml`` is edited, lost, or that of another run."""
        path = self.out / "run.yaml"
        how = self.rng.choice(["edit", "lose", "other"])
        if how == "lose":
            path.unlink()
        elif how == "other":
            shutil.copy2(self.rng.choice(self.others) / "run.yaml", path)
        else:
            text = path.read_text()
            places = [place for place, letter in enumerate(text) if letter.isalnum()]
            place = self.rng.choice(places)
            path.write_text(text[:place] + ("7" if text[place] != "7" else "8") + text[place + 1 :])
        return f"run.yaml: {how}"


def readers(out, tmp_path):
    yield "audit", lambda: audit(out, audio_pairs=0, brief=True)
    yield "export", lambda: export(out, tmp_path / "exported", ExportOptions())
    yield "train", lambda: PairsOfRun(out, ["hiss"], with_audio=False)
    yield "pair", lambda: pair(out, [])


def is_unnoticed(work) -> bool:
    said = io.StringIO()
    try:
        with contextlib.redirect_stderr(said):
            work()
    except GensrPrefError:
        return False
    return "is made again" not in said.getvalue()  # `pair` replaces pairs and says so


def spoiled(seed, built, twin, stranger, out) -> str:
    """A copy of a run to which something happened that changes it."""
    shutil.rmtree(out, ignore_errors=True)
    shutil.copytree(built, out)
    check(out)  # so that how each file looks is known
    return Mutations(random.Random(seed), out, [twin, stranger]).any()


def unnoticed_by_readers(out, did, tmp_path) -> list[str]:
    return [f"{name}: {did}" for name, work in readers(out, tmp_path) if is_unnoticed(work)]


def unnoticed_by_build(out, did, run, base, whole) -> list[str]:
    try:
        build(run, out, base=base)
    except GensrPrefError:
        return []
    return [] if tables(out) == whole else [f"build: {did}"]


def test_an_unchanged_run_is_read(out, tmp_path):
    assert all(is_unnoticed(work) for _, work in readers(out, tmp_path))


@pytest.mark.parametrize("seed", range(12))
def test_a_random_change_is_detected_by_every_reader(seed, built, twin, stranger, tmp_path):
    out = tmp_path / "run"
    did = spoiled(seed, built, twin, stranger, out)
    assert unnoticed_by_readers(out, did, tmp_path) == []


def everything(out) -> tuple[dict[str, bytes], bytes]:
    path = out / "run.yaml"
    return tables(out), path.read_bytes() if path.exists() else b""


@pytest.mark.slow
@pytest.mark.timeout(900)
@pytest.mark.parametrize("first", range(100, 200, 20))
def test_a_hundred_random_changes_are_detected_by_every_command(
    first, built, twin, stranger, run, base, tmp_path
):
    whole, ignored = tables(built), []
    for seed in range(first, first + 20):
        out = tmp_path / "run"
        did = spoiled(seed, built, twin, stranger, out)
        if everything(out) != everything(built):  # the run.yaml of the stranger is the same
            ignored += unnoticed_by_readers(out, did, tmp_path)
        did = spoiled(seed, built, twin, stranger, out)
        ignored += unnoticed_by_build(out, did, run(), base, whole)
    assert ignored == []


def changed_recordings(rng: random.Random, folder: Path) -> str:
    """Recordings of a project are swapped, copied, edited or deleted."""
    first, second = rng.sample(sorted(folder.glob("speech/*")), 2)
    how = rng.choice(["swap", "copy", "edit", "delete", "noise"])
    if how == "swap":
        first.rename(folder / "kept")
        second.rename(first)
        (folder / "kept").rename(second)
    elif how == "copy":
        shutil.copy2(first, second)
    elif how == "delete":
        first.unlink()
    else:
        path = first if how == "edit" else next(folder.glob("noise/*"))
        seen = path.stat()
        wave, rate = soundfile.read(path)
        soundfile.write(path, (wave * rng.uniform(0.2, 0.8))[:: rng.choice([1, -1])], rate)
        os.utime(path, ns=(seen.st_atime_ns, seen.st_mtime_ns))
    return f"{how}: {first.name}, {second.name}"


@pytest.mark.parametrize(
    "seeds", [range(4), pytest.param(range(4, 40), marks=[pytest.mark.slow])], ids=["few", "many"]
)
def test_random_changes_of_recordings_are_refused(base, tmp_path, seeds):
    project = Path(shutil.copytree(base, tmp_path / "kept"))
    build(run_file.load(project / "run.yaml"), tmp_path / "run", base=project)
    whole = tables(tmp_path / "run")
    for seed in seeds:
        folder = Path(shutil.copytree(project, tmp_path / f"project {seed}"))
        did = changed_recordings(random.Random(seed), folder)
        found = run_file.load(folder / "run.yaml")
        try:
            build(found, tmp_path / "run", base=folder)
        except InputError:
            assert tables(tmp_path / "run") == whole, did
        else:
            pytest.fail(f"not noticed: {did}")
