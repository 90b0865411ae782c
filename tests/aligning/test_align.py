"""Tests of the trainer's options: objectives, crops, stopping, averages, alarms, the command."""

import json
import os
import shutil
import sys

import numpy as np
import pytest
import torch
import yaml

from gensr_pref.aligning import align as align_module
from gensr_pref.aligning import objectives
from gensr_pref.aligning.align import align
from gensr_pref.aligning.average import average_checkpoints
from gensr_pref.aligning.recipe import Average, Dpo
from gensr_pref.aligning.step import alignment_step, pair_losses, scheduled_learning_rate
from gensr_pref.cli.main import main
from gensr_pref.config import run_file
from gensr_pref.errors import ConfigError
from gensr_pref.generators.tiny.base import SHIPPED
from gensr_pref.generators.tiny.pretrained import from_pretrained
from gensr_pref.rundir.part_files import read_json_lines
from tests.aligning.test_dpo import begun, every_paradigm, gradient, in_float64, moved, recipe
from tests.commands import finish
from tests.refusals import raises


def test_ipo_starts_at_a_quarter_and_is_zero_at_its_margin() -> None:
    zero = torch.zeros(3)
    assert objectives.ipo(zero, zero, 7.0).tolist() == [0.25] * 3
    gain = torch.tensor([0.05], dtype=torch.float64, requires_grad=True)
    loss = objectives.ipo(gain, torch.zeros(1), 10.0)
    loss.backward()
    assert (loss.item(), gain.grad.item()) == (0, 0)
    w, l_, beta = torch.tensor([0.3]), torch.tensor([-0.1]), 2.0
    paper = (w - l_ - 1 / (2 * beta)) ** 2
    torch.testing.assert_close(objectives.ipo(w, l_, beta), beta**2 * paper)


def test_label_smoothing_gives_a_finite_optimum() -> None:
    margin = torch.linspace(-8, 8, 1001, dtype=torch.float64)
    loss = objectives.dpo(margin, torch.zeros(1001), 1.0, 0.1)
    assert margin[loss.argmin()].item() == pytest.approx(np.log(9), abs=0.02)  # sigma = .9


def test_accuracy_counts_a_tie_as_half() -> None:
    found = objectives.accuracy(torch.tensor([1.0, 0.0, -1.0]), torch.zeros(3))
    assert found.tolist() == [1, 0.5, 0]


@every_paradigm
def test_fine_tuning_needs_no_reference(paradigm, run, tmp_path) -> None:
    alignment = begun(paradigm, run, tmp_path, "objective.name=sft", "objective.reduction=mean")
    alignment.reference.forward = None
    pairs, seen = alignment.training[:4], []
    for step in range(8):
        alignment.step = min(step, alignment.steps - 1)
        seen.append(alignment_step(alignment, pairs, 0)["loss"])
    assert seen[-1] < seen[0]


@every_paradigm
def test_sum_and_mean_differ_by_the_tokens_that_count(paradigm, run, tmp_path) -> None:
    """So beta of the mean, times that number, is beta of the sum."""
    one = {}
    for reduction in ("sum", "mean"):
        alignment = begun(
            paradigm,
            run,
            tmp_path,
            f"objective.reduction={reduction}",
            "objective.beta=1",
            "draws=1",
        )
        moved(alignment)
        in_float64(alignment)
        alignment.values._folder = None  # what other tests kept is of float32
        batch = alignment.batching.make_batch(alignment.training[:1], 0)
        one[reduction] = pair_losses(alignment, batch, "test")["reward_chosen"].item()
    rows = batch.rows
    count = {
        "fm": 1,
        "ar": rows.target[0].numel(),
        "mgm": 0 if paradigm != "mgm" else int(rows.draw[0].sum()),
    }[paradigm]
    assert one["sum"] == pytest.approx(count * one["mean"], rel=1e-9)


@every_paradigm
def test_a_crop_cuts_both_sides_and_the_features(paradigm, run, tmp_path) -> None:
    alignment = begun(paradigm, run, tmp_path, "crop=20")
    batch = alignment.batching.make_batch(alignment.training[:6], 0)
    extra = 0 if paradigm == "fm" else 1
    assert set(batch.rows.frames.tolist()) == {20}
    assert set(batch.rows.lengths.tolist()) == {20 + extra}
    data = alignment.inputs.data
    number = int(alignment.training[0])
    x = data.features(int(data.clip[number])).astype(np.float32)
    [start] = [k for k in range(len(x)) if np.array_equal(x[k : k + 20].T, batch.rows.x[0].numpy())]
    for side, place in ((data.chosen, 0), (data.rejected, 1)):
        target = data.target(int(side[number]))
        row = batch.rows.target[place * batch.draws * len(batch.pairs)].numpy()
        whole = row if paradigm == "fm" else row.T[1:]
        np.testing.assert_array_equal(whole, target[extra + start :][:20])
        if extra:
            np.testing.assert_array_equal(row.T[0], target[0])
    assert pair_losses(alignment, batch, "crop")["margin"].abs().max() == 0


@every_paradigm
def test_biases_alone_learn_a_preference(paradigm, run, tmp_path) -> None:
    alignment = begun(paradigm, run, tmp_path, "train=biases", "learning_rate=3e-3", "warm_up=0")
    policy = alignment.inputs.generator.policy
    before = {name: value.clone() for name, value in policy.state_dict().items()}
    pairs, seen = alignment.training[:4], []
    for step in range(6):
        alignment.step = min(step, alignment.steps - 1)
        seen.append(alignment_step(alignment, pairs, 0)["preference"])
    assert seen[-1] < seen[0]
    changed = {name for name, value in policy.state_dict().items() if (value != before[name]).any()}
    assert any(name.endswith(".bias") for name in changed)
    assert all(before[name].ndim < 2 or name.endswith("bias") for name in changed)


@every_paradigm
def test_a_decoder_alone_is_trained_on_the_encoders_output(paradigm, run, tmp_path) -> None:
    whole = begun(paradigm, run, tmp_path)
    part = begun(paradigm, run, tmp_path, "train=decoder")
    name = {"fm": "field", "ar": "blocks", "mgm": "blocks"}[paradigm]
    encoder = {k: v.clone() for k, v in part.inputs.generator.policy.encoder.state_dict().items()}
    for alignment in (whole, part):
        moved_decoder = getattr(alignment.inputs.generator.policy, name)
        with torch.no_grad():
            for weights in moved_decoder.parameters():
                weights.mul_(1.02)
    pairs = part.training[:4]
    a, b = (
        pair_losses(one, one.batching.make_batch(pairs, 0), "all")["margin"].detach()
        for one in (whole, part)
    )
    assert a.abs().max() > 0
    torch.testing.assert_close(a, b, rtol=0.05, atol=0.05 * float(a.abs().max()))  # float16
    alignment_step(part, pairs, 0)
    for key, value in part.inputs.generator.policy.encoder.state_dict().items():
        assert torch.equal(value, encoder[key])
    assert gradient(part, part.batching.make_batch(pairs, 0)).norm() > 0


def test_accumulated_parts_are_the_whole_batch(run, tmp_path) -> None:
    found = []
    for parts in (1, 2):
        alignment = begun("fm", run, tmp_path, f"accumulate={parts}", "batch=4")
        in_float64(alignment)  # Adam's first step turns with the sign of the least gradient
        alignment.values._folder = None  # what other tests kept is of float32
        alignment_step(alignment, alignment.training[:4], 0)
        policy = alignment.inputs.generator.policy
        found.append(torch.cat([w.detach().flatten() for w in policy.parameters()]))
    start = torch.cat([w.flatten() for w in alignment.inputs.reference.policy.parameters()])
    assert not torch.equal(found[0], start)
    assert (found[0] - found[1]).norm() < 1e-6 * (found[0] - start).norm()


def test_the_best_held_out_accuracy_is_kept(run, tmp_path, monkeypatch) -> None:
    accuracies = iter([0.5, 0.8, 0.7, 0.6, 0.9])
    weights = []

    def looked(alignment):
        policy = alignment.inputs.generator.policy
        weights.append({k: v.clone() for k, v in policy.state_dict().items()})
        return {"accuracy": next(accuracies)}

    monkeypatch.setattr(align_module, "evaluate_held_out", looked)
    words = ("steps=20", "batch=2", "draws=2", "evaluate_every=1", "early_stop=2")
    result = align(recipe("fm", run, *words), tmp_path, base=run)
    assert result["steps"] == 4
    assert result["best_step"] == 2
    kept = from_pretrained(tmp_path).policy.state_dict()
    for name, value in weights[1].items():
        assert torch.equal(kept[name], value)
    again = align(recipe("fm", run, *words), tmp_path, base=run)
    assert (again["steps"], again["best_step"]) == (4, 2)


@every_paradigm
def test_checkpoints_are_averaged(paradigm, run, tmp_path) -> None:
    words = ("steps=1", "batch=2", f"cache={run.parent / 'cache'}")
    for seed in (0, 1):
        align(recipe(paradigm, run, *words, f"seed={seed}"), tmp_path / str(seed), base=run)
    made = run_file.parse(
        {"generator": {"use": f"{paradigm}-tiny"}, "checkpoints": ["0", "1"]}, Average, "test"
    )
    average_checkpoints(made, tmp_path, tmp_path / "mean")
    parts = [from_pretrained(tmp_path / name).policy.state_dict() for name in ("0", "1", "mean")]
    for name, value in parts[2].items():
        torch.testing.assert_close(value, (parts[0][name] + parts[1][name]) / 2)
    other = {"fm": "ar", "ar": "mgm", "mgm": "fm"}[paradigm]
    shutil.copytree(SHIPPED / f"{other}-tiny", tmp_path / "other")
    mixed = made.model_copy(update={"checkpoints": ["0", "other"]})
    value = {"fm": "autoregressive", "ar": "masked", "mgm": "flow"}[paradigm]
    facts = {"value": value, "path": "other/config.json", "problem": "conflict"}
    with raises(ConfigError, field="checkpoints.1.options.architecture", **facts):
        average_checkpoints(mixed, tmp_path, tmp_path / "mixed")


def test_an_alarm_is_in_the_log(run, tmp_path) -> None:
    result = align(
        recipe("fm", run, "epochs=6", "learning_rate=0.003", "batch=8"), tmp_path, base=run
    )
    assert any("sigmoid is flat" in alarm for alarm in result["alarms"])
    logged = [row["alarm"] for row in read_json_lines(tmp_path / "log.jsonl") if "alarm" in row]
    assert logged == result["alarms"]


def test_the_learning_rate_warms_up_and_falls_to_zero(run) -> None:
    made = recipe("fm", run, "learning_rate=1", "warm_up=10", "schedule=cosine")
    assert scheduled_learning_rate(made, 0, 100) == pytest.approx(0.1)
    assert scheduled_learning_rate(made, 50, 100) == pytest.approx(0.5)
    assert scheduled_learning_rate(made, 99, 100) < 0.001
    constant = recipe("fm", run, "learning_rate=1", "warm_up=10")
    assert scheduled_learning_rate(constant, 99, 100) == 1


def test_the_command_aligns_and_prints_how_to_use_the_result(run, tmp_path, capsys) -> None:
    made = recipe("fm", run, "steps=1", f"cache={tmp_path / 'cache'}").model_dump(mode="json")
    path = tmp_path / "dpo.yaml"
    path.write_text(yaml.safe_dump(made), encoding="utf-8")
    assert main(["train", str(path), "--out", str(tmp_path / "out"), "--json"]) == 0
    result = json.loads(capsys.readouterr().out)
    assert result["checkpoint"] == str(tmp_path / "out")
    # u is a mean square of about 1, to 1e-6 in float32; beta is 1000.
    assert result["training"]["preference"] == pytest.approx(np.log(2), abs=1e-3)
    assert main(["train", str(path), "--out", str(tmp_path / "out")]) == 0
    assert "{use: fm-tiny, options: {checkpoint: " in capsys.readouterr().out


@pytest.mark.parametrize(
    ("override", "field", "problem"),
    [
        ("accumulate=3", "batch", "conflict"),
        ("objective={name: ipo, label_smoothing: 0.1}", "objective.label_smoothing", "conflict"),
        ("objective.beta=0", "objective.beta", "invalid"),
        ("pairs.source={kind: run}", "pairs.source.path", "missing"),
    ],
)
def test_a_wrong_field_is_named(override, field, problem, run) -> None:
    with raises(ConfigError, field=field, problem=problem):
        recipe("fm", run, override)


def test_bfloat16_is_close_to_float32(run, tmp_path) -> None:
    found = {}
    for precision in ("float32", "bfloat16"):
        alignment = begun("mgm", run, tmp_path, f"precision={precision}")
        batch = alignment.batching.make_batch(alignment.training[:4], 0)
        with torch.no_grad():
            found[precision] = alignment.policy(batch.rows)
        # Beta is 10, and u of policy and reference the same but for how a kernel rounds.
        rounding = torch.finfo(getattr(torch, precision)).eps * found[precision].abs().max()
        assert pair_losses(alignment, batch, "precise")["margin"].abs().max() <= 10 * rounding
    torch.testing.assert_close(found["bfloat16"], found["float32"], rtol=0.02, atol=0)
    assert not torch.equal(found["bfloat16"], found["float32"])


def test_the_recipe_has_all_its_defaults(run) -> None:
    assert run_file.dump_fields(recipe("fm", run))["objective"]["label_smoothing"] == 0
    assert Dpo.model_fields["reference_differs"].default == "refuse"


@pytest.mark.slow
def test_two_processes_give_the_same_weights_as_one(run, tmp_path) -> None:
    path = tmp_path / "dpo.yaml"
    weights = []
    for processes in (1, 2):
        out = tmp_path / str(processes)
        made = recipe("mgm", run, "steps=3", "draws=1", f"cache={tmp_path / 'cache'}")
        path.write_text(yaml.safe_dump(made.model_dump(mode="json")), encoding="utf-8")
        launch = ["-m", "torch.distributed.run", "--standalone", "--nproc_per_node", str(processes)]
        command = [*launch, "-m", "gensr_pref.cli", "train", str(path), "--out", str(out)]
        environment = {**os.environ, "OMP_NUM_THREADS": "1", "ACCELERATE_USE_CPU": "true"}
        finish([sys.executable, *command], env=environment)
        policy = from_pretrained(out).policy
        weights.append(torch.cat([w.flatten() for w in policy.state_dict().values()]))
    begun_at = from_pretrained(SHIPPED / "mgm-tiny").policy.state_dict().values()
    start = torch.cat([w.flatten() for w in begun_at])
    assert (weights[0] - weights[1]).norm() < 0.01 * (weights[0] - start).norm()
