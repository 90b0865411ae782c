"""Tests of UTMOS against a second implementation, with random weights in the published format.

The names and shapes below are those of utmos22_strong_step7459_v1.pt (225 tensors).
"""

import math
import re
from dataclasses import replace
from functools import partial

import numpy as np
import pytest
import torch
from torch.nn import functional

from gensr_pref import audio
from gensr_pref.audio import Sound
from gensr_pref.errors import InputError, MissingWeightsError
from gensr_pref.metrics import wav2vec2
from gensr_pref.metrics.base import ClipSounds
from gensr_pref.metrics.utmos.metric import Utmos
from gensr_pref.schema import Reason
from tests.metrics.fresh import imports_torch
from tests.metrics.sounds import cut, read_csv
from tests.refusals import raises

CONVOLUTIONS = [(10, 5), (3, 2), (3, 2), (3, 2), (3, 2), (2, 2), (2, 2)]  # kernel, stride
LAYERS = 12
W2V = "wav2vec2."


def affine(name, *shape):
    return {f"{name}.weight": shape, f"{name}.bias": shape[:1]}


def layer_shapes(name):
    projections = [f"{name}.self_attn.{which}_proj" for which in "qkv"]
    return {
        **{key: shape for name in projections for key, shape in affine(name, 768, 768).items()},
        **affine(f"{name}.self_attn.out_proj", 768, 768),
        **affine(f"{name}.fc1", 3072, 768),
        **affine(f"{name}.fc2", 768, 3072),
        **affine(f"{name}.self_attn_layer_norm", 768),
        **affine(f"{name}.final_layer_norm", 768),
    }


def published_shapes():
    kernels = {
        f"{W2V}feature_extractor.conv_layers.{index}.0.weight": (512, 512 if index else 1, kernel)
        for index, (kernel, _) in enumerate(CONVOLUTIONS)
    }
    layers = [layer_shapes(f"{W2V}encoder.layers.{index}") for index in range(LAYERS)]
    directions = {
        f"blstm.{kind}_l0{suffix}": shape
        for suffix in ("", "_reverse")
        for kind, shape in {
            "weight_ih": (2048, 1024),
            "weight_hh": (2048, 512),
            "bias_ih": (2048,),
            "bias_hh": (2048,),
        }.items()
    }
    return {
        "domain_emb": (1, 128),
        "judge_emb": (1, 128),
        f"{W2V}mask_emb": (768,),
        **kernels,
        **affine(f"{W2V}feature_extractor.conv_layers.0.2", 512),
        **affine(f"{W2V}layer_norm", 512),
        **affine(f"{W2V}post_extract_proj", 768, 512),
        f"{W2V}encoder.pos_conv.0.bias": (768,),
        f"{W2V}encoder.pos_conv.0.weight_g": (1, 1, 128),
        f"{W2V}encoder.pos_conv.0.weight_v": (768, 48, 128),
        **affine(f"{W2V}encoder.layer_norm", 768),
        **{key: shape for layer in layers for key, shape in layer.items()},
        **directions,
        **affine("projection.0", 2048, 1024),
        **affine("projection.2", 1, 2048),
    }


def random_weights():
    """Draw weights with which no tensor is constant and no signal vanishes or explodes."""
    torch.manual_seed(0)
    weights = {}
    for name, shape in published_shapes().items():
        fan_in = math.prod(shape[1:]) if len(shape) > 1 else 100
        weights[name] = torch.randn(shape) / math.sqrt(fan_in)
        if "layer_norm.weight" in name or ".0.2.weight" in name or "weight_g" in name:
            weights[name] = 1 + 0.1 * torch.randn(shape)
    return weights


@pytest.fixture(scope="session")
def weights():
    return random_weights()


@pytest.fixture(scope="session")
def checkpoint(weights, tmp_path_factory):
    path = tmp_path_factory.mktemp("utmos") / "utmos22_strong_step7459_v1.pt"
    torch.save(weights, path)
    return path


@pytest.fixture(scope="session")
def metric(checkpoint):
    metric = Utmos(str(checkpoint))
    metric.load("cpu")
    return metric


def blank(**changes):
    """Return weights in the published format as a small file: each tensor repeats one zero."""
    shapes = {**published_shapes(), **changes}
    return {name: torch.zeros(()).expand(shape) for name, shape in shapes.items() if shape}


class Restated:
    """The reference network in plain operations on the published names."""

    def __init__(self, weights):
        self.weights = {name: tensor.double() for name, tensor in weights.items()}

    def __call__(self, wave):
        frames = self.context(self.front(torch.tensor(wave).double()))
        given = torch.cat([self.weights["domain_emb"], self.weights["judge_emb"]], 1)
        both = torch.cat([frames, given.expand(len(frames), -1)], 1)
        hidden = torch.cat([self.lstm(both, ""), self.lstm(both.flip(0), "_reverse").flip(0)], 1)
        scores = self.linear("projection.2", self.linear("projection.0", hidden).relu())
        return float(scores.mean() * 2 + 3)

    def linear(self, name, x):
        return x @ self.weights[f"{name}.weight"].T + self.weights[f"{name}.bias"]

    def norm(self, name, x):
        centred = x - x.mean(-1, keepdim=True)
        unit = centred / (centred.square().mean(-1, keepdim=True) + 1e-5).sqrt()
        return unit * self.weights[f"{name}.weight"] + self.weights[f"{name}.bias"]

    def front(self, wave):
        x = wave[None]
        for index, (_, stride) in enumerate(CONVOLUTIONS):
            name = f"{W2V}feature_extractor.conv_layers.{index}"
            x = functional.conv1d(x, self.weights[f"{name}.0.weight"], stride=stride)
            if index == 0:  # every channel by its own mean and variance over time
                x = (x - x.mean(1, keepdim=True)) / (x.var(1, False, keepdim=True) + 1e-5).sqrt()
                gain, bias = self.weights[f"{name}.2.weight"], self.weights[f"{name}.2.bias"]
                x = x * gain[:, None] + bias[:, None]
            x = functional.gelu(x)
        return self.linear(f"{W2V}post_extract_proj", self.norm(f"{W2V}layer_norm", x.T))

    def context(self, x):
        x = self.norm(f"{W2V}encoder.layer_norm", x + functional.gelu(self.positions(x)))
        for index in range(LAYERS):
            name = f"{W2V}encoder.layers.{index}"
            x = self.norm(f"{name}.self_attn_layer_norm", x + self.attention(name, x))
            fed = self.linear(f"{name}.fc2", functional.gelu(self.linear(f"{name}.fc1", x)))
            x = self.norm(f"{name}.final_layer_norm", x + fed)
        return x

    def positions(self, x):
        name = f"{W2V}encoder.pos_conv.0"
        direction = self.weights[f"{name}.weight_v"]
        unit = direction / direction.square().sum((0, 1), keepdim=True).sqrt()
        kernel = unit * self.weights[f"{name}.weight_g"]
        y = functional.conv1d(x.T, kernel, self.weights[f"{name}.bias"], padding=64, groups=16)
        return y[:, :-1].T

    def attention(self, name, x):
        q, k, v = (
            self.linear(f"{name}.self_attn.{which}_proj", x).reshape(len(x), 12, 64).swapaxes(0, 1)
            for which in "qkv"
        )
        attended = (q @ k.swapaxes(1, 2) / 8).softmax(-1) @ v
        return self.linear(f"{name}.self_attn.out_proj", attended.swapaxes(0, 1).flatten(1))

    def lstm(self, x, suffix):
        inputs = x @ self.weights[f"blstm.weight_ih_l0{suffix}"].T
        inputs = inputs + self.weights[f"blstm.bias_ih_l0{suffix}"]
        hidden, cell, out = torch.zeros(512).double(), torch.zeros(512).double(), []
        for row in inputs:
            gates = row + self.weights[f"blstm.weight_hh_l0{suffix}"] @ hidden
            enter, forget, new, leave = (gates + self.weights[f"blstm.bias_hh_l0{suffix}"]).chunk(4)
            cell = forget.sigmoid() * cell + enter.sigmoid() * new.tanh()
            hidden = leave.sigmoid() * cell.tanh()
            out.append(hidden)
        return torch.stack(out)


def scores(metric, *candidates):
    return [answer["utmos"] for answer in metric.score(ClipSounds(candidates))]


def test_the_format_is_the_published_one():
    assert len(published_shapes()) == 225
    numbers = sum(math.prod(shape) for shape in published_shapes().values())
    assert numbers * 4 == pytest.approx(411_179_119, rel=3e-4)  # bytes of the published file


@pytest.mark.slow
def test_scores_equal_a_second_implementation(metric, weights, clip):
    restated = Restated(weights)
    sounds = [cut(clip.clean, 2), cut(clip.candidates[2], 1.23), cut(clip.clean, 0.025)]
    values = scores(metric, *sounds)
    assert values == pytest.approx([restated(sound.wave) for sound in sounds], abs=2e-5)
    assert np.ptp(values) > 0.01  # the weights are such that sounds differ


@pytest.mark.slow
def test_a_score_does_not_depend_on_the_other_candidates(metric, brief):
    sounds = [*brief.candidates, cut(brief.candidates[0], 1), cut(brief.candidates[1], 0.5)]
    alone = [scores(metric, sound)[0] for sound in sounds]
    assert scores(metric, *sounds) == alone
    assert scores(metric, *sounds[::-1]) == alone[::-1]


@pytest.mark.slow
def test_a_batch_gives_the_scores_of_single_candidates(metric, brief, monkeypatch):
    """Candidates of one length share a batch on a GPU; the test forces that on the CPU."""
    alone = metric.score(brief)
    monkeypatch.setattr(
        wav2vec2, "measure_in_batches", partial(wav2vec2.measure_in_batches, together=True)
    )
    for single, batched in zip(alone, metric.score(brief), strict=True):
        assert single["utmos"] == pytest.approx(batched["utmos"], abs=1e-5)


def test_a_candidate_that_is_too_short_fails_alone(metric, clip):
    short = Sound(clip.clean.wave[:399], 16000)
    first, second, third = metric.score(
        replace(clip, candidates=[short, clip.candidates[0], Sound(clip.clean.wave[:400], 16000)])
    )
    assert first.reason == Reason.TOO_SHORT
    assert second["utmos"] == scores(metric, clip.candidates[0])[0]
    assert np.isfinite(third["utmos"])


@pytest.mark.parametrize(
    ("changes", "named"),
    [
        ({"judge_emb": None}, "Missing.*judge_emb"),
        ({"domain_emb": (3, 128)}, r"domain_emb.*\[3, 128\]"),
        ({"phoneme_encoder.weight": (2, 2)}, "Unexpected.*phoneme_encoder"),
        ({f"{W2V}encoder.layers.11.fc1.bias": None}, "Missing"),
    ],
)
def test_another_checkpoint_is_refused(tmp_path, changes, named):
    torch.save(blank(**changes), tmp_path / "other.pt")
    metric = Utmos(str(tmp_path / "other.pt"))
    with raises(InputError, path="other.pt", problem="invalid") as caught:
        metric.load("cpu")
    assert re.search(named, str(caught.value))


def test_a_missing_file_is_reported_at_once():
    with raises(MissingWeightsError, value="utmos", path="nowhere.pt", problem="missing"):
        Utmos("nowhere.pt")


def test_torch_is_not_imported_before_loading(tmp_path):
    path = tmp_path / "weights.pt"
    path.touch()
    assert not imports_torch(f"from gensr_pref.metrics.utmos.metric import Utmos; Utmos('{path}')")


@pytest.mark.corpus
@pytest.mark.slow
def test_the_published_value(shared):
    """Use the real weights, if they are in the cache."""
    try:
        metric = Utmos()
    except MissingWeightsError as error:
        pytest.skip(str(error))
    metric.load("cpu")
    [row] = [row for row in read_csv(shared / "reference_values.csv") if row["metric"] == "utmos"]
    sound = audio.read(shared / "reference_values" / row["file"])
    assert scores(metric, sound) == pytest.approx([float(row["value"])], abs=1e-4)
