"""Tests of continued training: it needs the same inputs, and only one process uses a folder."""

import json
import os
import shutil
import subprocess
import sys
import time
from pathlib import Path

import pytest
import torch

from gensr_pref.aligning import align as align_module
from gensr_pref.aligning import exported_pairs
from gensr_pref.aligning.align import align
from gensr_pref.aligning.average import average_checkpoints
from gensr_pref.aligning.file_digests import FileDigests
from gensr_pref.aligning.pairs import UnchangedPairs
from gensr_pref.aligning.pretrain.recipe import Tokenize
from gensr_pref.aligning.pretrain.tokenizer import tokenize
from gensr_pref.aligning.pretrain.train import pretrain
from gensr_pref.aligning.recipe import Average
from gensr_pref.building.pair import pair
from gensr_pref.config import run_file
from gensr_pref.errors import InputError, RunMismatchError, StorageError, UnwrittenError
from gensr_pref.exporting.dataset import ExportOptions
from gensr_pref.exporting.export_run import export
from gensr_pref.generators.tiny.base import SHIPPED
from gensr_pref.generators.tiny.checkpoint import save_network
from gensr_pref.generators.tiny.pretrained import from_pretrained
from gensr_pref.storage import local_files
from tests.aligning.pretrain.test_train import recipe as pretraining
from tests.aligning.test_dpo import recipe
from tests.refusals import raises

ONE = ("steps=1", "batch=2")


@pytest.fixture
def mine(run, tmp_path, unrendered_figures) -> Path:
    """A copy of the run, for tests that change it."""
    return Path(shutil.copytree(run, tmp_path / "mine"))


@pytest.fixture
def once(mine, tmp_path):
    """Trains for a step in the same folder, from the same paths; one cache for all of it."""

    def train(*overrides: str, paradigm: str = "fm"):
        words = (*ONE, f"cache={tmp_path / 'cache'}", *overrides)
        return align(recipe(paradigm, mine, *words), tmp_path / "out", base=tmp_path)

    return train


def other_weights(folder: Path, amount: float = 0.01, paradigm: str = "fm") -> Path:
    """A checkpoint that differs from the one that ships."""
    generator = from_pretrained(SHIPPED / f"{paradigm}-tiny")
    with torch.no_grad():
        for value in generator.policy.parameters():
            value.add_(amount * torch.ones_like(value))
    save_network(generator.policy, folder)
    return folder


def test_a_training_with_the_same_content_continues(once) -> None:
    once()
    assert once()["steps"] == 1


def test_other_pairs_behind_the_same_path_are_refused(once, mine, tmp_path) -> None:
    once()
    before = (tmp_path / "out" / "model.safetensors").read_bytes()
    pair(mine, ["pairs_per_clip=1"])
    with raises(RunMismatchError, path="out", value=["pairs"], problem="changed"):
        once()
    assert (tmp_path / "out" / "model.safetensors").read_bytes() == before
    pair(mine, ["pairs_per_clip=9"])
    assert once()["steps"] == 1


def test_other_weights_behind_the_same_path_are_refused(once, tmp_path) -> None:
    use = (f"generator.options.checkpoint={other_weights(tmp_path / 'start')}",
           "reference_differs=allow")  # fmt: skip
    once(*use)
    other_weights(tmp_path / "start", 0.02)
    with raises(RunMismatchError, path="out", value=["generator", "reference"], problem="changed"):
        once(*use)


def test_an_export_that_was_rebuilt_in_place_is_refused(once, mine, tmp_path) -> None:
    there = tmp_path / "exported"
    words = ("pairs.source.kind=export", f"pairs.source.path={there}")
    export(mine, there, ExportOptions())
    once(*words)
    export(mine, there, ExportOptions())  # the same bytes
    assert once(*words)["steps"] == 1
    pair(mine, ["pairs_per_clip=1"])
    export(mine, there, ExportOptions())
    with raises(RunMismatchError, path="out", value=["pairs"], problem="changed"):
        once(*words)


def test_a_dataset_at_another_commit_is_refused(once, mine, tmp_path, monkeypatch) -> None:
    """The commit is asked for once, and what is read is of that commit."""
    import datasets

    export(mine, tmp_path / "exported", ExportOptions())
    commits, opened = iter("aab"), []
    loaded = datasets.load_dataset

    def load(name, config, revision, streaming):
        opened.append((name, revision))
        return loaded(str(tmp_path / "exported"), config, streaming=streaming)

    monkeypatch.setattr(exported_pairs, "_commit", lambda name, revision: next(commits))
    monkeypatch.setattr(datasets, "load_dataset", load)
    words = ("pairs.source.kind=huggingface", "pairs.source.path=us/pairs")
    once(*words)
    once(*words)
    with raises(RunMismatchError, path="out", value=["pairs"], problem="changed"):
        once(*words)
    assert opened == [("us/pairs", commit) for commit in "aab"]


def test_pairs_that_change_while_they_are_read_are_not_kept(mine, tmp_path) -> None:
    export(mine, tmp_path / "exported", ExportOptions())
    known = FileDigests(tmp_path)
    source = exported_pairs.PairsOfExport(tmp_path / "exported", ["fm-tiny"], False, known)
    clips = UnchangedPairs(source, source.content).clips()
    next(clips)
    pair(mine, ["pairs_per_clip=1"])
    export(mine, tmp_path / "exported", ExportOptions())
    with raises(InputError, field="pairs.source", problem="changed"):
        list(clips)


def test_a_state_of_another_training_is_refused(once, mine, tmp_path) -> None:
    once()
    align(recipe("fm", mine, *ONE, "seed=1"), tmp_path / "other", base=tmp_path)
    shutil.copy(tmp_path / "other" / "state.pt", tmp_path / "out" / "state.pt")
    with raises(RunMismatchError, path="state.pt", problem="changed"):
        once()


def test_a_damaged_state_is_refused(once, tmp_path) -> None:
    once()
    path = tmp_path / "out" / "state.pt"
    whole = path.read_bytes()
    for share in (0.2, 0.5, 0.9):
        place = int(share * len(whole))
        flipped = whole[:place] + bytes([whole[place] ^ 0x10]) + whole[place + 1 :]
        for content in (flipped, whole[:place]):
            path.write_bytes(content)
            with raises(StorageError, path="state.pt", problem="damaged"):
                once()


@pytest.mark.parametrize(
    ("text", "path", "problem"),
    [
        ("{", "out/recipe.json", "unreadable"),
        ("[]", "out/recipe.json", "damaged"),
        ('{"seed": 0}', "out", "unsupported"),
        ("", "out/recipe.json", "unreadable"),
    ],
)
def test_a_damaged_claim_is_refused(once, tmp_path, text, path, problem) -> None:
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "recipe.json").write_text(text)
    with raises(RunMismatchError, path=path, problem=problem):
        once()


def test_a_result_of_unknown_origin_is_not_overwritten(once, tmp_path) -> None:
    other_weights(tmp_path / "out")
    with raises(RunMismatchError, value="recipe.json", path="out", problem="missing"):
        once()


def test_mistakes_do_not_claim_the_folder(once) -> None:
    for mistake in (
        "pairs.source.path=nowhere",
        "pairs.generators=[nobody]",
        "generator.options.checkpoint=nowhere",
        "generator.use=fm-tinny",
        "pairs.generators=[ar-tiny]",  # found only while features are made
    ):
        with pytest.raises(InputError):
            once(mistake)
    assert once()["steps"] == 1


def tokenizing(**changes) -> Tokenize:
    data = pretraining().model_dump(mode="json", include={"speech", "degrade", "seconds"})
    return run_file.parse(
        {**data, "recipe": "tokenize", "rooms": 0, "examples": 2, "codes": 2, **changes},
        Tokenize, "test",
    )  # fmt: skip


def averaging(*checkpoints: str) -> Average:
    return run_file.parse(
        {"generator": {"use": "fm-tiny"}, "checkpoints": list(checkpoints)}, Average, "test"
    )


def speech(folder: Path) -> Path:
    """Two recordings of the sample."""
    from gensr_pref import sample

    folder.mkdir()
    for path in sorted((sample.FOLDER / "speech").iterdir())[:2]:
        shutil.copy(path, folder)
    return folder


def of(folder: str) -> list[dict]:
    return [{"source": {"kind": "folder", "path": folder}}]


@pytest.mark.parametrize(
    ("work", "made"),
    [(pretrain, lambda **more: pretraining(steps=1, rooms=0, **more)), (tokenize, tokenizing)],
)
def test_speech_is_part_of_the_claim(work, made, tmp_path) -> None:
    folder = speech(tmp_path / "speech")
    with pytest.raises(InputError):
        work(made(speech=of("speach")), tmp_path, tmp_path / "out")
    work(made(speech=of("speech")), tmp_path, tmp_path / "out")
    work(made(speech=of("speech")), tmp_path, tmp_path / "out")
    one, other = sorted(folder.iterdir())
    shutil.copy(other, one)
    with raises(RunMismatchError, path="out", value=["speech"], problem="changed"):
        work(made(speech=of("speech")), tmp_path, tmp_path / "out")


def test_rooms_of_another_recipe_are_not_used(tmp_path) -> None:
    drawn = {}
    for seed in (0, 1):
        pretrain(pretraining(steps=1, seed=seed), tmp_path, tmp_path / str(seed))
        shutil.rmtree(tmp_path / "rooms", ignore_errors=True)
        found = sorted((tmp_path / str(seed) / "rooms").rglob("*.wav"))
        drawn[seed] = [path.read_bytes() for path in found]
    assert drawn[0] != drawn[1]
    shutil.copytree(tmp_path / "0" / "rooms", tmp_path / "mixed" / "rooms")
    pretrain(pretraining(steps=1, seed=1), tmp_path, tmp_path / "mixed")
    weights = [(tmp_path / name / "model.safetensors").read_bytes() for name in ("1", "mixed")]
    assert weights[0] == weights[1]


def test_an_average_of_other_checkpoints_is_refused(tmp_path) -> None:
    for number in (0, 1):
        other_weights(tmp_path / str(number), 0.01 * number)
    average_checkpoints(averaging("0", "1"), tmp_path, tmp_path / "mean")
    average_checkpoints(averaging("0", "1"), tmp_path, tmp_path / "mean")
    other_weights(tmp_path / "1", 0.05)
    with raises(RunMismatchError, path="mean", value=["checkpoints.1"], problem="changed"):
        average_checkpoints(averaging("0", "1"), tmp_path, tmp_path / "mean")
    with raises(
        RunMismatchError,
        path="mean",
        value=["checkpoints", "checkpoints.0", "checkpoints.1"],
        problem="conflict",
    ):
        average_checkpoints(averaging("1", "0"), tmp_path, tmp_path / "mean")


HOLDS = """
import sys
from pathlib import Path
from gensr_pref.aligning.training_folder import lock_folder
with lock_folder(Path(sys.argv[1])):
    Path(sys.argv[2]).touch()
    sys.stdin.read()
"""


def test_one_process_at_a_time_trains_in_a_folder(once, tmp_path) -> None:
    out = tmp_path / "out"
    held = tmp_path / "held"
    other = subprocess.Popen([sys.executable, "-c", HOLDS, out, held], stdin=subprocess.PIPE)
    try:
        while not held.exists() and other.poll() is None:
            time.sleep(0.01)
        assert held.exists()
        for work, made in (
            (lambda made, base, _: once(), None),
            (pretrain, pretraining(steps=1)),
            (tokenize, tokenizing()),
            (average_checkpoints, averaging("0", "1")),
        ):
            with raises(RunMismatchError, path="out", problem="busy"):
                work(made, tmp_path, out)
        assert not (out / "recipe.json").exists()
    finally:
        other.communicate()
    assert once()["steps"] == 1


def test_a_checkpoint_is_on_the_disk_before_it_gets_its_name(once, tmp_path, monkeypatch) -> None:
    flushed = []
    monkeypatch.setattr(
        local_files, "_flush_file", lambda path: flushed.append(path.stat().st_size)
    )
    once()
    names = ("state.pt", "model.safetensors", "config.json", "recipe.json")
    assert {(tmp_path / "out" / name).stat().st_size for name in names} <= set(flushed)


def test_a_training_that_cannot_be_saved_keeps_the_earlier_state(
    once, tmp_path, monkeypatch
) -> None:
    once("steps=1")
    before = (tmp_path / "out" / "state.pt").read_bytes()

    def full(*_, **__):
        raise RuntimeError("[enforce fail] . PytorchStreamWriter failed writing file")

    monkeypatch.setattr(torch, "save", full)
    with raises(UnwrittenError, path="state.pt", problem="unwritable"):
        once("steps=1")
    assert (tmp_path / "out" / "state.pt").read_bytes() == before


def test_a_folder_from_before_content_was_recorded_is_refused(once, tmp_path) -> None:
    once()
    path = tmp_path / "out" / "recipe.json"
    begun = json.loads(path.read_text())
    del begun["made_from"]
    path.write_text(json.dumps(begun))
    with raises(RunMismatchError, path="out", problem="unsupported"):
        once()


def test_the_evaluation_interval_matters_only_with_early_stopping(run) -> None:
    assert "evaluate_every" in align_module._changeable_fields(recipe("fm", run))
    assert "evaluate_every" not in align_module._changeable_fields(
        recipe("fm", run, "early_stop=2")
    )


def test_a_digest_is_remembered_and_a_change_is_noticed(tmp_path, monkeypatch) -> None:
    path = tmp_path / "a.wav"
    path.write_bytes(b"one")
    monkeypatch.setattr("gensr_pref.aligning.file_digests._SETTLED_NS", -1)
    first = FileDigests(tmp_path).get_all([path])
    seen = path.stat()
    with monkeypatch.context() as patch:
        patch.setattr("gensr_pref.aligning.file_digests.file_digest", None)
        assert FileDigests(tmp_path).get_all([path]) == first
    path.write_bytes(b"two")
    os.utime(path, ns=(seen.st_atime_ns, seen.st_mtime_ns))  # as a copy that keeps times
    assert FileDigests(tmp_path).get_all([path]) != first
    (tmp_path / "digests.json").write_text("damaged")
    assert FileDigests(tmp_path).get_all([path]) != first
