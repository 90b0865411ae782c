"""Tests that the parts of a run directory belong together."""

import dataclasses
import itertools
import os
import shutil
import subprocess
import sys
from contextlib import contextmanager

import pytest
import yaml

from gensr_pref.building.build import build
from gensr_pref.building.pair import pair
from gensr_pref.errors import Fault, PartsError, RunMismatchError
from gensr_pref.rundir import ledger, part_files, provenance
from gensr_pref.rundir.document import RunDocument, read_document
from gensr_pref.rundir.integrity import MADE_BEFORE_PAIRS, check
from gensr_pref.rundir.shards import read_clip_ids
from gensr_pref.storage.local_files import LocalFiles
from tests.refusals import raises
from tests.small_run import tables

SHARDED = ("clips", "candidates", "scores")


def faults(out) -> dict[str, Fault]:
    with pytest.raises(PartsError) as raised:
        check(out)
    return {one.part: one.fault for one in raised.value.faults}


def flip(path, place: int) -> None:
    """Change one bit and nothing that a listing shows."""
    seen = path.stat()
    content = bytearray(path.read_bytes())
    content[place] ^= 1
    path.write_bytes(content)
    os.utime(path, ns=(seen.st_atime_ns, seen.st_mtime_ns))


def test_an_intact_run_passes(out):
    contents = check(out)
    assert contents.unfinished == ()
    assert {table: len(parts) for table, parts in contents.parts.items()} == {
        "clips": 4,
        "candidates": 4,
        "scores": 4,
        "pairs": 1,
        "failures": 0,
    }


def test_a_copy_is_intact_and_read_once(out, monkeypatch):
    digests = [check(out).digest(table) for table in SHARDED]
    monkeypatch.setattr(part_files, "stamp", None)
    assert [check(out).digest(table) for table in SHARDED] == digests
    assert len(set(digests)) == 3


def test_a_read_only_copy_is_read_at_every_check(out, built):
    out.chmod(0o555)
    try:
        assert check(out).digest("scores") == check(built).digest("scores")
    finally:
        out.chmod(0o755)


@pytest.mark.parametrize("table", [*SHARDED, "pairs"])
def test_a_missing_part_is_named(out, table):
    part_files.part(out, table, 0).unlink()
    assert faults(out) == {f"{table}/part-00000.parquet": Fault.MISSING}


@pytest.mark.parametrize("table", [*SHARDED, "pairs"])
@pytest.mark.parametrize("place", [100, -60])
def test_a_flipped_bit_is_detected_although_size_and_times_are_restored(out, table, place):
    check(out)
    flip(part_files.part(out, table, 0), place)
    assert faults(out) == {f"{table}/part-00000.parquet": Fault.CHANGED}


@pytest.mark.parametrize("table", SHARDED)
def test_a_copied_part_is_named(out, table):
    shutil.copy2(part_files.part(out, table, 0), part_files.part(out, table, 4))
    shutil.copy2(part_files.part(out, table, 0), out / table / "part-00000 (copy).parquet")
    assert faults(out) == {
        f"{table}/part-00004.parquet": Fault.STRANGE,
        f"{table}/part-00000 (copy).parquet": Fault.STRANGE,
    }


def test_swapped_parts_are_named(out):
    one, other = (part_files.part(out, "scores", shard) for shard in (0, 1))
    one.rename(out / "kept")
    other.rename(one)
    (out / "kept").rename(other)
    assert set(faults(out).values()) == {Fault.CHANGED}


def test_a_part_of_another_run_is_named_even_with_its_ledger(out, twin):
    shutil.copy2(part_files.part(twin, "scores", 0), part_files.part(out, "scores", 0))
    assert faults(out) == {"scores/part-00000.parquet": Fault.CHANGED}
    shutil.copy2(twin / "timings.jsonl", out)
    assert Fault.CHANGED in faults(out).values()


def test_a_table_of_another_run_is_named(out, twin):
    """Whatever their ledger says, they are not what run.yaml describes."""
    for table in (*SHARDED, "pairs"):
        shutil.rmtree(out / table)
        shutil.copytree(twin / table, out / table)
    shutil.copy2(twin / "timings.jsonl", out)
    fault_of = faults(out)
    assert fault_of.pop("pairs/part-00000.parquet") is Fault.OUTDATED
    assert set(fault_of.values()) == {Fault.FOREIGN}


@pytest.mark.parametrize("name", ["shards.jsonl", "timings.jsonl"])
def test_a_missing_layout_or_ledger_is_named(out, name):
    (out / name).unlink()
    assert faults(out) == {name: Fault.MISSING}


@pytest.mark.parametrize(
    "damage",
    [
        '{"parts": {"scores/part-00000.parquet": [1]}}',
        '{"parts": {"scores/part-00000.parquet": "abc"}}',
        '{"parts": {"scores/part-00000.parquet": null}}',
    ],
)
def test_a_ledger_with_other_stamps_is_detected(out, damage):
    with (out / "timings.jsonl").open("a") as ledger_of_run:
        ledger_of_run.write(f"{damage}\n")
    if "null" not in damage:  # no word of a part at all: what was said before holds
        assert check(out).unfinished == ()
    else:
        assert "scores/part-00000.parquet" in faults(out)


@pytest.mark.parametrize("line", ["5", "[]", '{"shard": 0}', '{"shard": 0, "clips": 7}', "{"])
def test_a_damaged_layout_is_named(out, line):
    lines = (out / "shards.jsonl").read_text().splitlines()
    (out / "shards.jsonl").write_text("\n".join([line, *lines[1:]]))
    assert faults(out) == {"shards.jsonl": Fault.CHANGED}


def test_a_layout_without_its_end_is_detected(out):
    lines = (out / "shards.jsonl").read_text().splitlines()
    (out / "shards.jsonl").write_text("\n".join(lines[:3]))
    assert set(faults(out).values()) == {Fault.STRANGE}


def test_failures_of_another_run_are_named(out):
    """The ledger also records that nothing failed."""
    path = part_files.part(out, "failures", 0, "score")
    path.parent.mkdir()
    shutil.copy2(part_files.part(out, "scores", 0), path)
    assert list(faults(out)) == ["failures/part-00000-score.parquet"]


@pytest.mark.parametrize("words", [("seed: 0", "seed: 1"), ("rule: unanimous", "rule: ranked")])
def test_edited_settings_are_refused(out, words):
    path = out / "run.yaml"
    assert words[0] in path.read_text()
    path.write_text(path.read_text().replace(*words))
    with raises(RunMismatchError, path="run.yaml", problem="changed"):
        check(out)


def test_an_interrupted_build_is_unfinished(run, base, tmp_path, monkeypatch):
    write, written = part_files.write, []

    def failing(path, *rest):
        written.append(path)
        if len(written) == 6:
            raise KeyboardInterrupt
        return write(path, *rest)

    with monkeypatch.context() as patched:
        patched.setattr(part_files, "write", failing)
        with pytest.raises(KeyboardInterrupt):
            build(run(), tmp_path / "run", base=base)
    assert check(tmp_path / "run").unfinished
    build(run(), tmp_path / "run", base=base)
    assert check(tmp_path / "run").unfinished == ()


def test_a_partly_grown_run_is_unfinished(run, base, out, monkeypatch):
    """Its parts are the earlier or the new ones, and its pairs are the earlier ones."""
    write = part_files.write

    def failing(path, *rest):
        if path.name == "part-00002.parquet":
            raise KeyboardInterrupt
        return write(path, *rest)

    with monkeypatch.context() as patched:
        patched.setattr(part_files, "write", failing)
        with pytest.raises(KeyboardInterrupt):
            build(run("generators.0.candidates=4"), out, base=base)
    assert faults(out) == {"pairs/part-00000.parquet": Fault.OUTDATED}
    assert check(out, SHARDED).unfinished == (2, 3)
    pair(out, [])
    assert check(out).unfinished == (2, 3)
    build(run("generators.0.candidates=4"), out, base=base)
    assert check(out).unfinished == ()


@pytest.mark.slow
@pytest.mark.timeout(900)
@pytest.mark.parametrize("grown", [False, True])
def test_a_build_that_is_killed_after_any_write_can_be_finished(
    run, base, built, tmp_path, monkeypatch, grown
):
    """Whatever was written last, only pairs have faults, and the same build finishes the run."""
    more = run("generators.0.candidates=4")
    build(more, tmp_path / "whole", base=base)
    whole, killed = tables(tmp_path / "whole"), 0
    write_atomically = LocalFiles.write_atomically
    for last in itertools.count(1):
        out, count = tmp_path / f"run {last}", itertools.count(1)
        if grown:
            shutil.copytree(built, out)

        @contextmanager
        def dying(self, path, last=last, count=count):
            with write_atomically(self, path) as temporary:
                yield temporary
            if next(count) == last:
                raise KeyboardInterrupt

        with monkeypatch.context() as patched:
            patched.setattr(LocalFiles, "write_atomically", dying)
            try:
                build(more, out, base=base)
            except KeyboardInterrupt:
                killed += 1
            else:
                break
        if (out / "run.yaml").exists():
            check(out, MADE_BEFORE_PAIRS)
        build(more, out, base=base)
        assert check(out).unfinished == ()
        assert tables(out) == whole
        shutil.rmtree(out)
    assert killed > 10


@pytest.mark.parametrize("write", ["write_table", "append_json", "write_text"])
def test_pairs_and_settings_that_do_not_match_are_refused_after_a_killed_pair(
    out, monkeypatch, write
):
    """Pairs of one rule with the settings of another are refused until `pair` runs again."""

    def killed(*_):
        raise KeyboardInterrupt

    check(out)
    with monkeypatch.context() as patched:
        patched.setattr(part_files, write, killed)
        with pytest.raises(KeyboardInterrupt):
            pair(out, ["margin.roughness=0.001"])
    if write == "write_table":
        assert check(out).unfinished == ()
    else:
        assert list(faults(out)) == ["pairs/part-00000.parquet"]
    pair(out, ["margin.roughness=0.001"])
    assert check(out).document.pairing["margin"] == {"roughness": 0.001}


def test_pairs_are_outdated_when_scores_are_made_again(out):
    other = check(out).digest("scores")
    path = part_files.part(out, "scores", 0)
    table = part_files.read(path)
    before = part_files.read_facts(path)
    lower = table.set_column(
        table.schema.get_field_index("level"),
        table.schema.field("level"),
        table.column("roughness"),
    )
    ledger.record_parts(out, {ledger.part_name(path): part_files.write_table(path, lower, before)})
    assert faults(out) == {"pairs/part-00000.parquet": Fault.OUTDATED}
    assert check(out, SHARDED).digest("scores") != other


@pytest.fixture
def old(out, tmp_path):
    """The same run in version 1 of the tables."""
    data = read_document(out).as_data()
    later = ("library", "licences")  # what no run of version 1 has
    made_from = {k: v for k, v in data["provenance"].items() if k not in later}
    data["provenance"] = {**made_from, "schema_version": 1}
    found = RunDocument.model_validate(data).with_fingerprint()
    place = tmp_path / "old"
    place.mkdir()
    (place / "run.yaml").write_text(yaml.safe_dump(found.as_data(), sort_keys=False))
    lines = [{"shard": k, "clips": names} for k, names in enumerate(read_clip_ids(out))]
    part_files.write_json_lines(place / "shards.jsonl", lines)
    noted = {}
    for table in SHARDED:
        for shard, names in enumerate(read_clip_ids(out)):
            path = part_files.part(place, table, shard)
            made = provenance.part_record(table, found, names).as_data()
            stamp = part_files.write_table(
                path, part_files.read(part_files.part(out, table, shard)), made
            )
            noted[ledger.part_name(path)] = dataclasses.astuple(stamp)[:6]
    part_files.append_json(place / "timings.jsonl", {"parts": noted})
    pairs = {**found.facts(), "pairing": found.pairing, "stops": {}}
    part_files.write_table(
        part_files.part(place, "pairs", 0), part_files.read(part_files.part(out, "pairs", 0)), pairs
    )
    return place


def test_a_run_of_version_1_is_read(old, capsys):
    assert check(old).unfinished == ()
    assert check(old).digest("pairs")
    assert capsys.readouterr().err.count(f"{old}: ") == 1  # at the first check only
    assert pair(old, [])["pairs"] == 7


@pytest.mark.parametrize("table", [*SHARDED, "pairs"])
def test_a_changed_run_of_version_1_is_refused(old, twin, table):
    shutil.copy2(part_files.part(twin, table, 0), part_files.part(old, table, 0))
    assert f"{table}/part-00000.parquet" in faults(old)


def test_edited_settings_of_version_1_are_refused(old):
    path = old / "run.yaml"
    path.write_text(path.read_text().replace("seed: 0", "seed: 1"))
    with raises(RunMismatchError, path="run.yaml", problem="changed"):
        check(old)


def test_reading_a_run_imports_no_stage():
    """Whoever trains or exports can check a run without what made it."""
    code = (
        "import sys; import gensr_pref.rundir.integrity; print([name for name in sys.modules if "
        "name.startswith(('gensr_pref.corpus', 'gensr_pref.metrics', 'gensr_pref.pairing', "
        "'gensr_pref.generators', 'gensr_pref.building', 'torch'))])"
    )
    assert subprocess.check_output([sys.executable, "-c", code], text=True).strip() == "[]"
