"""Tests of DPO on the shipped models: invariants that hold whatever is learnt."""

import math
from dataclasses import fields, replace
from types import SimpleNamespace

import numpy as np
import pytest
import torch

from gensr_pref.aligning import align as align_module
from gensr_pref.aligning.align import align
from gensr_pref.aligning.alignment_run import held_out_clips, start_alignment
from gensr_pref.aligning.batches import Batching, stratified_times
from gensr_pref.aligning.recipe import Dpo
from gensr_pref.aligning.step import alignment_step, evaluate_held_out, pair_losses
from gensr_pref.config import run_file
from gensr_pref.generators.tiny.flow import Flow
from gensr_pref.generators.tiny.masked import Masked
from gensr_pref.generators.tiny.pretrained import from_pretrained
from gensr_pref.rundir.part_files import read_json_lines

every_paradigm = pytest.mark.parametrize("paradigm", ["fm", "ar", "mgm"])
LN_2 = math.log(2)


def recipe(paradigm: str, run, *overrides: str) -> Dpo:
    data = {
        "recipe": "dpo",
        "generator": {"use": f"{paradigm}-tiny"},
        "pairs": {"source": {"kind": "run", "path": str(run)}},
        "device": "cpu",
        "batch": 4,
        "learning_rate": 1e-4,
        "warm_up": 0,
        "schedule": "constant",
        "log_every": 1,
    }
    return run_file.parse(run_file.override(data, list(overrides)), Dpo, "test")


def begun(paradigm: str, run, tmp_path, *overrides: str):
    return start_alignment(
        recipe(paradigm, run, f"cache={run.parent / 'cache'}", *overrides), run, tmp_path
    )


def moved(alignment, seed: int = 0) -> None:
    """Let the policy differ from the reference."""
    randomness = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for weights in alignment.inputs.generator.policy.parameters():
            weights.add_(0.02 * weights.std() * torch.randn(weights.shape, generator=randomness))


class Float64Batching(Batching):
    """Batches whose features, targets, times and noise are in float64."""

    def make_batch(self, pairs, epoch):
        batch = super().make_batch(pairs, epoch)
        drawn = {name: getattr(batch.rows, name) for name in ("x", "target", "t", "draw")}
        doubled = {
            name: value.double()
            for name, value in drawn.items()
            if value is not None and value.is_floating_point()
        }
        return replace(batch, rows=replace(batch.rows, **doubled))


def in_float64(alignment) -> None:
    """Let policy and reference compute in float64, where what is equal on paper is to 1e-12.

    In float32 the kernels differ by processor, by shape and even by where in memory a row begins,
    and a sum over a clip's tokens moves by 1e-6 of itself.
    """
    for one in (alignment.policy, alignment.reference):
        one.double()
    batching = alignment.batching
    named = {field.name: getattr(batching, field.name) for field in fields(batching)}
    alignment.batching = Float64Batching(**named)


def gradient(alignment, batch) -> torch.Tensor:
    policy = alignment.inputs.generator.policy
    policy.zero_grad()
    pair_losses(alignment, batch, "test")["loss"].mean().backward()
    return torch.cat([
        (torch.zeros_like(w) if w.grad is None else w.grad).flatten() for w in policy.parameters()
    ])  # fmt: skip


@every_paradigm
def test_a_policy_equal_to_the_reference_has_the_loss_ln_2(paradigm, run, tmp_path) -> None:
    alignment = begun(paradigm, run, tmp_path)
    in_float64(alignment)
    found = pair_losses(
        alignment, alignment.batching.make_batch(alignment.training[:4], 0), "first"
    )
    assert found["preference"].tolist() == pytest.approx([LN_2] * 4, abs=1e-9)
    assert found["margin"].abs().max() < 1e-8
    assert ((found["accuracy"] == 0.5) == (found["margin"] == 0)).all()


@every_paradigm
@pytest.mark.parametrize("draws", [1, 3])
def test_padding_and_batch_mates_change_nothing(paradigm, draws, run, tmp_path) -> None:
    alignment = begun(paradigm, run, tmp_path, f"draws={draws}")
    moved(alignment)
    in_float64(alignment)
    batching, frames = alignment.batching, alignment.inputs.data.x_at[:, 1]
    pairs = alignment.training[np.argsort(frames[alignment.inputs.data.clip[alignment.training]])]
    chosen = pairs[[0, 1, -2, -1]]
    assert frames[alignment.inputs.data.clip[chosen]].std() > 0
    with torch.no_grad():
        together = batching.make_batch(chosen, 0)
        values = together.split(alignment.policy(together.rows))
        for place, pair in enumerate(chosen):
            alone = batching.make_batch(np.array([pair]), 0)
            value = alone.split(alignment.policy(alone.rows))[..., 0]
            torch.testing.assert_close(values[..., place], value, rtol=1e-11, atol=0)


@every_paradigm
def test_swapping_the_sides_mirrors_the_gradient(paradigm, run, tmp_path) -> None:
    alignment = begun(paradigm, run, tmp_path)
    in_float64(alignment)
    alignment.values._folder = None  # kept: in float32, of the sides as they are in the table
    data, pairs = alignment.inputs.data, alignment.training[:3]
    straight = gradient(alignment, alignment.batching.make_batch(pairs, 0))
    swapped = replace(data, chosen=data.rejected, rejected=data.chosen)
    mirrored = gradient(alignment, replace(alignment.batching, data=swapped).make_batch(pairs, 0))
    assert straight.norm() > 0
    assert (straight + mirrored).norm() < 1e-9 * straight.norm()


@every_paradigm
@pytest.mark.parametrize("smoothing", [0.0, 0.1])
def test_loss_and_gradient_equal_an_independent_formula(paradigm, smoothing, run, tmp_path) -> None:
    """In float64, clip by clip without padding."""
    alignment = begun(paradigm, run, tmp_path, f"objective.label_smoothing={smoothing}", "draws=2")
    moved(alignment)
    in_float64(alignment)
    alignment.values._folder = None  # what other tests kept is of float32
    batch = alignment.batching.make_batch(alignment.training[:3], 0)
    found = pair_losses(alignment, batch, "formula")["loss"].detach()
    of_ours = gradient(alignment, batch)
    policy = alignment.inputs.generator.policy
    reference = alignment.inputs.reference.policy
    policy.zero_grad()
    beta = {"ar": 0.1, "mgm": 10.0, "fm": 1000.0}[paradigm]
    expected = []
    for pair in range(3):
        h = (
            sum(
                beta
                * (_utility(policy, batch, 0, k, pair) - _utility(reference, batch, 0, k, pair))
                - beta
                * (_utility(policy, batch, 1, k, pair) - _utility(reference, batch, 1, k, pair))
                for k in range(2)
            )
            / 2
        )
        expected.append(
            (1 - smoothing) * torch.log1p(torch.exp(-h)) + smoothing * torch.log1p(torch.exp(h))
        )
    expected = torch.stack(expected)
    torch.testing.assert_close(found, expected.detach(), rtol=1e-9, atol=1e-9)
    expected.mean().backward()
    theirs = torch.cat([
        (torch.zeros_like(w) if w.grad is None else w.grad).flatten() for w in policy.parameters()
    ])  # fmt: skip
    assert (of_ours - theirs).norm() < 1e-9 * theirs.norm()


def _utility(policy, batch, side: int, k: int, pair: int) -> torch.Tensor:
    """u of a row as the papers write it, on the clip alone."""
    rows, number = batch.rows, (side * batch.draws + k) * len(batch.pairs) + pair
    frames = int(rows.frames[pair])
    condition = policy.condition(rows.x[pair : pair + 1, :, :frames])
    if isinstance(policy, Flow):
        y_1, y_0 = (part[number, :frames].T[None] for part in (rows.target, rows.draw))
        t = rows.t[number : number + 1]
        v = policy.velocity((1 - t) * y_0 + t * y_1, t, condition).double()
        return -((v - (y_1.double() - y_0.double())) ** 2).sum() / v.numel()
    tokens = rows.target[number : number + 1, :, : 1 + frames]
    inputs = policy.decoder_input(condition)
    first = policy.clip_logits(tokens[..., 0], inputs)[0].double().log_softmax(-1)
    total = first.gather(-1, tokens[0, :, :1]).sum()
    if isinstance(policy, Masked):
        hidden = rows.draw[number, :, 1 : 1 + frames]
        logits = policy.logits(tokens, ~hidden[None], inputs)
        count = int(hidden.sum()) + 8
    else:
        z = policy.residuals(tokens[..., 1:], inputs)
        known = rows.draw[number : number + 1, :frames]
        logits = policy.logits(tokens[..., 0], inputs, z, known, z)
        hidden, count = torch.ones(8, frames, dtype=torch.bool), 1
    log_p = logits[0].double().log_softmax(-1)
    for frame in range(frames):
        for group in range(8):
            if hidden[group, frame]:
                total = total + log_p[frame, group, tokens[0, group, 1 + frame]]
    return total / count


@every_paradigm
def test_one_batch_can_be_overfitted(paradigm, run, tmp_path) -> None:
    alignment = begun(paradigm, run, tmp_path, "draws=2")
    pairs = alignment.training[:4]
    for step in range(60):
        alignment.step = min(step, alignment.steps - 1)
        seen = alignment_step(alignment, pairs, 0)
        if seen["accuracy"] == 1 and seen["preference"] < 0.2:
            break
    assert seen["accuracy"] == 1
    assert seen["preference"] < 0.2
    assert seen["reward_chosen"] > seen["reward_rejected"]


@every_paradigm
def test_an_interrupted_training_ends_with_the_same_weights(
    paradigm, run, tmp_path, monkeypatch
) -> None:
    made = recipe(
        paradigm, run, "steps=4", "batch=2", "save_every=2", "anchor.weight=1", "ema=0.9",
        "pairs.labels=random", f"cache={run.parent / 'cache'}",
    )  # fmt: skip
    align(made, tmp_path / "whole", base=run)
    saved = align_module.save_state

    def killed(alignment, out) -> None:
        saved(alignment, out)
        raise KeyboardInterrupt

    monkeypatch.setattr(align_module, "save_state", killed)
    with pytest.raises(KeyboardInterrupt):
        align(made, tmp_path / "parts", base=run)
    monkeypatch.undo()
    assert not (tmp_path / "parts" / "model.safetensors").exists()
    align(made, tmp_path / "parts", base=run)
    whole, parts = ((tmp_path / name) / "model.safetensors" for name in ("whole", "parts"))
    assert whole.read_bytes() == parts.read_bytes()
    steps = [
        [row["step"] for row in read_json_lines(tmp_path / name / "log.jsonl") if "loss" in row]
        for name in ("whole", "parts")
    ]
    assert steps == [[1, 2, 3, 4]] * 2


@every_paradigm
def test_the_result_is_a_checkpoint_that_samples(paradigm, run, tmp_path) -> None:
    result = align(recipe(paradigm, run, "steps=2"), tmp_path, base=run)
    generator = from_pretrained(tmp_path)
    assert generator.paradigm == paradigm
    [candidate] = generator.sample(np.full((1, 8000), 0.01, np.float32), [8000], [1])
    assert candidate.audio.shape == (8000,)
    assert result["steps"] == 2
    assert 0 <= result["held_out"]["accuracy"] <= 1


@every_paradigm
def test_reference_values_are_computed_once_per_draw(paradigm, run, tmp_path, monkeypatch) -> None:
    first = begun(paradigm, run, tmp_path, f"cache={tmp_path / 'cache'}")
    moved(first)
    in_float64(first)
    pairs = first.training[:3]
    before = pair_losses(first, first.batching.make_batch(pairs, 0), "pass-000")
    again = begun(paradigm, run, tmp_path, f"cache={tmp_path / 'cache'}")
    moved(again)
    in_float64(again)
    monkeypatch.setattr(again.reference, "forward", None)
    after = pair_losses(again, again.batching.make_batch(pairs[::-1].copy(), 0), "pass-000")
    torch.testing.assert_close(after["margin"].flip(0), before["margin"], rtol=1e-9, atol=1e-8)
    with pytest.raises(TypeError):
        pair_losses(again, again.batching.make_batch(pairs, 1), "pass-001")


@every_paradigm
def test_a_draw_depends_on_the_pair_and_the_pass(paradigm, run, tmp_path) -> None:
    batching = begun(paradigm, run, tmp_path).batching
    pairs = np.array([0, 1, 2])
    a, b, c = (
        batching.make_batch(pairs, 0),
        batching.make_batch(pairs[::-1], 0),
        batching.make_batch(pairs, 1),
    )
    ours, theirs = a.rows.draw.view(2, 2, 3, -1), a.rows.draw.view(2, 2, 3, -1)[1]
    assert torch.equal(ours[0], theirs)  # the same for both sides
    assert torch.equal(a.rows.t.view(2, 2, 3), b.rows.t.view(2, 2, 3).flip(2))
    assert not torch.equal(a.rows.t, c.rows.t)
    assert not torch.equal(a.rows.draw, c.rows.draw)


def test_draws_are_stratified_and_antithetic() -> None:
    for number in range(20):
        t = stratified_times(4, True, torch.Generator().manual_seed(number))
        assert t[0] + t[1] == pytest.approx(1)
        assert t[2] + t[3] == pytest.approx(1)
        assert sorted(int(4 * one) for one in t) == [0, 1, 2, 3]
        odd = stratified_times(3, True, torch.Generator().manual_seed(number))
        assert sorted(int(3 * one) for one in odd) == [0, 1, 2]
        free = stratified_times(5, False, torch.Generator().manual_seed(number))
        assert [int(5 * one) for one in free] == [0, 1, 2, 3, 4]


def test_opposite_draws_have_opposite_noise(run, tmp_path) -> None:
    rows = begun("fm", run, tmp_path, "draws=2").batching.make_batch(np.array([0]), 0).rows
    assert torch.equal(rows.draw[0], -rows.draw[1])
    assert rows.t[0] + rows.t[1] == pytest.approx(1)


def test_random_labels_swap_about_half_of_the_pairs(run, tmp_path) -> None:
    straight = begun("fm", run, tmp_path)
    random = begun("fm", run, tmp_path, "pairs.labels=random")
    pairs = np.arange(len(random.inputs.data.ids))
    flipped = random.batching.make_batch(pairs, 0).flipped
    assert 0 < flipped.sum() < len(pairs)
    assert torch.equal(flipped, random.batching.make_batch(pairs, 1).flipped)
    one = int(torch.nonzero(flipped)[0])
    ours = random.batching.make_batch(np.array([one]), 0).rows.target
    theirs = straight.batching.make_batch(np.array([one]), 0).rows.target
    assert torch.equal(ours, theirs.view(2, 2, *theirs.shape[1:]).flip(0).flatten(0, 1))
    assert not straight.batching.make_batch(pairs, 0).flipped.any()


def test_reference_values_do_not_depend_on_the_labels(run, tmp_path) -> None:
    cache = f"cache={tmp_path / 'cache'}"
    straight, random = (
        begun("fm", run, tmp_path, cache, f"pairs.labels={kind}") for kind in ("given", "random")
    )
    for one in (straight, random):
        in_float64(one)
    pairs = np.arange(6)
    kept = pair_losses(straight, straight.batching.make_batch(pairs, 0), "pass-000")
    assert kept["margin"].abs().max() < 1e-8
    random.reference.forward = None  # what is kept is enough
    found = pair_losses(random, random.batching.make_batch(pairs, 0), "pass-000")
    assert found["margin"].abs().max() < 1e-8  # of beta 1000: the same values, sides swapped


def test_held_out_pairs_have_other_clips_and_constant_draws(run, tmp_path) -> None:
    alignment = begun("fm", run, tmp_path)
    data = alignment.inputs.data
    assert not set(data.clip[alignment.training]) & set(data.clip[alignment.held_out])
    assert len(alignment.held_out)
    moved(alignment)
    in_float64(alignment)
    assert evaluate_held_out(alignment) == pytest.approx(evaluate_held_out(alignment), rel=1e-9)


@pytest.mark.parametrize("clips", [1, 2, 3, 40])
def test_at_least_one_of_few_clips_is_held_out_and_never_all(clips) -> None:
    data = SimpleNamespace(
        clip=np.repeat(np.arange(clips), 3), clips=[f"clip-{k}" for k in range(clips)]
    )
    for seed in range(20):
        drawn = held_out_clips(seed, data, np.arange(3 * clips))
        assert min(1, clips - 1) <= len(drawn) <= max(0, clips - 1)
        assert list(drawn) == list(held_out_clips(seed, data, np.arange(3 * clips)))
