"""Tests of the scripts in examples/."""

import importlib.util
import json
from pathlib import Path

import numpy as np
import pytest
import torch

from gensr_pref import audio, sample
from gensr_pref.audio import Sound
from gensr_pref.generators.base import Rows
from gensr_pref.metrics.base import ClipSounds

EXAMPLES = Path(__file__).parents[1] / "examples"
RATE = 16000


def example(name):
    spec = importlib.util.spec_from_file_location(name, EXAMPLES / f"{name}.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_log_spectral_distance_by_hand():
    """Half the amplitude is 6.02 dB less at every frequency."""
    clean = np.random.default_rng(0).uniform(-0.5, 0.5, RATE).astype(np.float32)
    candidates = [Sound(wave, RATE) for wave in (clean, clean / 2)]
    scored = example("own_metric").LogSpectralDistance().score(
        ClipSounds(candidates, clean=Sound(clean, RATE))
    )  # fmt: skip
    assert scored[0]["lsd_db"] == 0
    assert scored[1]["lsd_db"] == pytest.approx(20 * np.log10(2), abs=0.01)


@pytest.fixture
def gate():
    made = example("own_generator").BandGate()
    made.load("cpu")
    torch.manual_seed(0)
    torch.nn.init.normal_(made.policy[2].weight, 0, 0.3)
    return made


@pytest.fixture
def noisy():
    return audio.read(sorted((sample.FOLDER / "speech").glob("*.flac"))[0]).at(RATE).wave[:RATE]


def rows(x, tokens, lengths):
    count = len(tokens)
    return Rows(x, torch.tensor(lengths), torch.arange(count), tokens.long(),
                torch.tensor(lengths), torch.full((count,), 0.5))  # fmt: skip


def test_padding_changes_no_likelihood(gate, noisy):
    x = gate.hear(noisy)
    tokens = torch.from_numpy(gate.sample(noisy[None], [len(noisy)], [3])[0].tokens)
    frames = x.shape[1]
    alone = gate.log_likelihood(gate.policy, rows(x[None], tokens[None], [frames]))
    pad = (0, 9)
    padded = gate.log_likelihood(
        gate.policy,
        rows(torch.nn.functional.pad(x, pad)[None], torch.nn.functional.pad(tokens, pad)[None],
             [frames]),
    )  # fmt: skip
    assert alone.item() < -100
    assert padded.item() == pytest.approx(alone.item(), rel=1e-6)


def test_what_it_saves_is_what_it_loads(gate, noisy, tmp_path):
    gate.save(tmp_path)
    again = example("own_generator").BandGate(checkpoint=str(tmp_path))
    again.load("cpu")
    assert again.revision != "untrained"
    one, other = (g.sample(noisy[None], [len(noisy)], [5])[0] for g in (gate, again))
    assert np.array_equal(one.audio, other.audio)
    assert np.array_equal(one.tokens, other.tokens)


def test_encoding_the_input_itself_opens_every_gate(gate, noisy):
    assert (gate.encode(noisy, noisy) == 0).all()
    assert (gate.encode(noisy, noisy * np.float32(0.5)) == 1).all()


@pytest.mark.slow
def test_a_metric_of_ones_own_makes_pairs(tmp_path, capsys):
    example("own_metric").main(tmp_path / "run")
    told = capsys.readouterr().out
    assert "pairs from 12 clips" in told
    assert "lsd_db and speaker_similarity: Kendall tau" in told


@pytest.mark.slow
def test_a_generator_of_ones_own_gets_better_on_clips_it_has_not_seen(tmp_path):
    pytest.importorskip("gensr_pref.aligning.align")
    example("own_generator").main(tmp_path)
    found = json.loads((tmp_path / "evaluation" / "evaluation.json").read_text())
    for score in ("si_sdr", "stoi"):  # the second chose no pair
        assert found["policies"]["dpo"]["scores"][score]["difference"][1] > 0
        assert found["policies"]["placebo"]["scores"][score]["difference"][1] < 0


@pytest.mark.slow
def test_building_training_and_evaluating_in_one_file(tmp_path, capsys):
    pytest.importorskip("gensr_pref.aligning.align")
    example("build_and_train").main(tmp_path)
    found = json.loads((tmp_path / "evaluation" / "evaluation.json").read_text())
    assert found["policies"]["dpo"]["scores"]["pesq_wb"]["difference"] is not None
    assert "dpo against base" in capsys.readouterr().out
