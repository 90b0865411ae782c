"""Tests of NISQA: published values, checkpoints in the published format, and errors."""

import os
import pickle
import re
import warnings
from dataclasses import replace

import numpy as np
import pytest
import torch
from scipy.signal import resample_poly, upfirdn

from gensr_pref import audio
from gensr_pref.audio import Sound
from gensr_pref.errors import InputError, MissingWeightsError, Unusable
from gensr_pref.metrics.base import ClipSounds
from gensr_pref.metrics.nisqa.metric import ARGS, Nisqa, mel_decibel, split_segments
from gensr_pref.metrics.nisqa.network import NisqaNetwork
from tests.metrics.sounds import cut, noisy, read_csv
from tests.refusals import raises, require_length

# Other projects' names of the five scores, between "nisqa_" and "_pred".
THEIRS = {
    "mos": "nisqa",
    "noi": "nisqa_noisiness",
    "dis": "nisqa_discontinuity",
    "col": "nisqa_coloration",
    "loud": "nisqa_loudness",
}


def published_name(name):
    """``cnn.conv1.weight`` -> ``cnn.model.conv1.weight``; pools have a number in between."""
    parts = name.split(".")
    parts.insert(2 if parts[0] == "pool_layers" else 1, "model")
    return ".".join(parts)


def random_checkpoint(args=ARGS):
    with torch.random.fork_rng():
        torch.manual_seed(0)
        weights = NisqaNetwork().state_dict()
    return {
        "args": dict(args),
        "model_state_dict": {published_name(name): weight for name, weight in weights.items()},
    }


@pytest.fixture
def save_checkpoint(tmp_path):
    """Function that saves an object as a checkpoint and returns its path."""

    def save(checkpoint):
        path = tmp_path / "nisqa.tar"
        torch.save(checkpoint, path)
        return str(path)

    return save


@pytest.fixture(scope="module")
def nisqa(tmp_path_factory):
    path = tmp_path_factory.mktemp("nisqa") / "nisqa.tar"
    torch.save(random_checkpoint(), path)
    return load_metric(path)


@pytest.fixture(scope="module")
def real(shared):
    return load_metric(shared / "models" / "nisqa" / "nisqa.tar")


def load_metric(path):
    metric = Nisqa(str(path))
    metric.load("cpu")
    return metric


def score_one(metric, sound):
    [answer] = metric.score(ClipSounds([sound]))
    if isinstance(answer, Exception):
        raise answer
    return answer


def mos(metric, sound):
    return np.array(list(score_one(metric, sound).values()))


def versa_48k(wave):
    """Resample 16 kHz to 48 kHz as versa does."""
    return resample_poly(wave, 3, 1)


def resampy_48k(wave):
    """Resample 16 kHz to 48 kHz as ClearerVoice does: resampy 0.4's "kaiser_best"."""
    taps = np.arange(-150, 151) / 3
    sinc = 0.917347 * np.sinc(0.917347 * taps) * np.kaiser(301, 12.9846)
    return upfirdn(sinc, wave, 3)[150 : 150 + 3 * len(wave)]


@pytest.mark.corpus
@pytest.mark.parametrize(
    ("project", "at_48k", "allowed"),
    # ClearerVoice states no tolerance; 9e-4 is as near as resampy itself comes.
    [("versa", versa_48k, 1e-4), ("clearervoice", resampy_48k, 1e-3)],
)
def test_published_values_of_other_projects(real, shared, project, at_48k, allowed):
    """Both projects resample 16 kHz to 48 kHz first, each by its own resampler."""
    rows = read_csv(shared / "reference_values.csv")
    rows = [row for row in rows if row["file"].startswith(project)]
    rows = [row for row in rows if row["metric"].lower().startswith("nisqa")]
    for row in rows:
        wave = audio.read(shared / "reference_values" / row["file"]).wave
        upsampled = Sound(np.asarray(at_48k(wave.astype(float)), np.float32), 48_000)
        ours = score_one(real, upsampled)[THEIRS[row["metric"].split("_")[1]]]
        assert ours == pytest.approx(float(row["value"]), abs=allowed), row
    assert len(rows) == {"versa": 5, "clearervoice": 10}[project]


@pytest.mark.corpus
def test_values_of_the_official_predictor(real, shared):
    """They are from gabrielmittag/NISQA at fe84f0f, on the files at their own 16 kHz."""
    expected = {
        "versa/test2_test.wav": [0.8283831, 1.8785472, 2.5060654, 1.0370530, 1.5954345],
        "clearervoice/noisy/audio_1.wav": [1.4488730, 1.5890057, 3.2322730, 2.0424488, 2.0358446],
        "clearervoice/noisy/audio_2.wav": [2.3331745, 1.7143700, 4.2868680, 3.8778615, 3.3911912],
    }
    for file, values in expected.items():
        scores = mos(real, audio.read(shared / "reference_values" / file))
        assert scores == pytest.approx(values, abs=1e-5)


@pytest.mark.corpus
def test_more_noise_lowers_the_mos_and_the_noisiness_score(real, prompts):
    clean = prompts[0][0]
    drop = mos(real, clean) - mos(real, noisy(clean, 0.03))
    assert drop[0] > 1
    assert drop[1] > 1


@pytest.mark.corpus
def test_random_checkpoints_have_the_format_of_the_published_one(shared):
    path = shared / "models" / "nisqa" / "nisqa.tar"
    published = torch.load(path, "cpu", weights_only=True)["model_state_dict"]
    ours = random_checkpoint()["model_state_dict"]
    assert {name: w.shape for name, w in ours.items()} == {
        name: w.shape for name, w in published.items()
    }


def test_features_are_librosas_without_its_warnings(clip):
    """librosa warns of empty filters below 40 kHz, and of a sound shorter than an FFT."""
    for sound in (clip.clean, cut(clip.clean, 0.2), clip.clean.at(48_000)):
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", UserWarning)
            expected = librosa_decibel(sound)
        assert mel_decibel(sound) == pytest.approx(expected, abs=1e-4)


def librosa_decibel(sound):
    """Compute features as the official predictor does."""
    import librosa

    magnitudes = librosa.feature.melspectrogram(
        y=sound.wave,
        sr=sound.rate,
        n_fft=4096,
        hop_length=sound.rate // 100,
        win_length=sound.rate // 50,
        pad_mode="reflect",
        power=1.0,
        n_mels=48,
        fmax=20_000,
    )
    return librosa.amplitude_to_db(magnitudes, amin=1e-4, top_db=80.0)


def test_segments_overlap_and_begin_every_4_frames():
    features = np.arange(48 * 40, dtype=np.float32).reshape(48, 40)
    segments = split_segments(features)
    assert segments.shape == (7, 48, 15)  # the last begins at frame 24 and ends at 39
    assert np.array_equal(segments[6], features[:, 24:39])


def test_a_checkpoint_gives_five_finite_scores(nisqa, clip):
    for answer in nisqa.score(clip):
        assert list(answer) == [score.name for score in nisqa.spec.scores]
        assert all(np.isfinite(value) for value in answer.values())


def test_a_score_depends_on_its_candidate_alone_bit_for_bit(nisqa, clip):
    candidates = [*clip.candidates, cut(clip.clean, 1.3), clip.clean.at(48_000)]
    together = nisqa.score(ClipSounds(candidates, clip.clean))
    reversed_ = nisqa.score(ClipSounds(candidates[::-1]))
    assert together == reversed_[::-1]
    assert together == [score_one(nisqa, candidate) for candidate in candidates]
    assert len({answer["nisqa"] for answer in together}) == len(candidates)


def test_a_bad_candidate_fails_alone(nisqa, clip):
    short = cut(clip.clean, 0.1)
    first, bad, last = nisqa.score(
        replace(clip, candidates=[clip.candidates[0], short, clip.clean])
    )
    assert (first, last) == (score_one(nisqa, clip.candidates[0]), score_one(nisqa, clip.clean))
    assert isinstance(bad, Unusable)


@pytest.mark.parametrize("rate", [8_000, 11_025, 16_000, 48_000])
def test_a_sound_needs_15_frames(nisqa, clip, rate):
    shortest = 14 * int(rate * 0.01)
    wave = clip.clean.at(rate).wave
    assert np.isfinite(mos(nisqa, Sound(wave[:shortest], rate))).all()
    with raises(Unusable, reason="too_short"):
        score_one(nisqa, Sound(wave[: shortest - 1], rate))


def test_a_sound_longer_than_the_spec_states_is_refused(nisqa):
    """The features of 52 s are given directly, 10 ms per frame."""
    longest = round(nisqa.spec.longest_seconds * 100) + 1
    assert len(split_segments(np.zeros((48, longest), np.float32))) == 1300
    with raises(Unusable, reason="too_long"):
        split_segments(np.zeros((48, longest + 1), np.float32))


@pytest.mark.parametrize("rate", [8_000, 44_100, 48_000])
def test_a_sounds_own_rate_is_used(nisqa, clip, rate):
    assert np.isfinite(mos(nisqa, clip.clean.at(rate))).all()
    assert mos(nisqa, clip.clean.at(rate)) != pytest.approx(mos(nisqa, clip.clean), abs=1e-6)


def test_unusual_sounds_get_finite_scores(nisqa, clip):
    direct_current = np.full(16_000, 0.1, np.float32)
    clipped = np.clip(clip.clean.wave * 100, -1, 1)
    beyond_full_scale = clip.clean.wave * 10
    for wave in (direct_current, clipped, beyond_full_scale):
        assert np.isfinite(mos(nisqa, Sound(wave, 16_000))).all()


def test_loading_does_not_change_the_random_state_of_the_process(save_checkpoint):
    path = save_checkpoint(random_checkpoint())
    before = torch.get_rng_state()
    load_metric(path)
    assert torch.equal(torch.get_rng_state(), before)


def test_it_stays_on_the_cpu_whatever_the_device(nisqa, save_checkpoint, clip):
    other = Nisqa(save_checkpoint(random_checkpoint()))
    other.load("cuda:7")
    assert other.score(clip) == nisqa.score(clip)


def test_missing_weights_are_reported(tmp_path, monkeypatch):
    with raises(MissingWeightsError, value="nisqa", path="nowhere.tar", problem="missing"):
        Nisqa(str(tmp_path / "nowhere.tar"))
    monkeypatch.setenv("GENSR_PREF_CACHE", str(tmp_path))
    with raises(MissingWeightsError, value="nisqa", problem="missing"):
        Nisqa()


@pytest.mark.parametrize(
    ("name", "value"), [("model", "NISQA"), ("td", "lstm"), ("ms_sr", 16_000), ("pool", None)]
)
def test_another_model_is_refused(save_checkpoint, name, value):
    """nisqa_tts.tar and nisqa_mos_only.tar say model NISQA."""
    path = save_checkpoint(random_checkpoint({**ARGS, name: value}))
    with raises(InputError, path="nisqa.tar", problem="invalid") as caught:
        load_metric(path)
    assert {name, repr(value)} <= set(re.split(r"[ ,]+", str(caught.value.__cause__)))


def checkpoint_without(name):
    checkpoint = random_checkpoint()
    del checkpoint["model_state_dict"][name]
    return checkpoint


def checkpoint_reshaped(name):
    checkpoint = random_checkpoint()
    checkpoint["model_state_dict"][name] = torch.zeros(3)
    return checkpoint


@pytest.mark.parametrize(
    "checkpoint",
    [
        checkpoint_without("cnn.model.conv6.weight"),
        checkpoint_reshaped("pool_layers.4.model.linear3.bias"),
        {"model_state_dict": {}},
        {"args": None, "model_state_dict": {}},
        torch.zeros(3),
    ],
    ids=["a weight is missing", "another shape", "no args", "empty args", "a tensor"],
)
def test_a_checkpoint_of_another_format_is_refused(save_checkpoint, checkpoint):
    with raises(InputError, path="nisqa.tar", problem="invalid") as refused:
        load_metric(save_checkpoint(checkpoint))
    require_length(refused.value, 600)


@pytest.mark.parametrize("content", [b"", b"not a checkpoint", b"PK\x03\x04 cut off"])
def test_a_file_that_is_no_checkpoint_is_refused(tmp_path, content):
    path = tmp_path / "nisqa.tar"
    path.write_bytes(content)
    with raises(InputError, path="nisqa.tar", problem="unreadable"):
        load_metric(path)


class Malice:
    """Object whose unpickling makes a folder."""

    def __init__(self, folder):
        self.folder = folder

    def __reduce__(self):
        return os.mkdir, (str(self.folder),)


def save_as_plain_pickle(checkpoint, path):
    path.write_bytes(pickle.dumps(checkpoint, protocol=2))  # torch warns of a later protocol


@pytest.mark.parametrize("save", [torch.save, save_as_plain_pickle])
def test_a_pickle_that_would_run_code_is_refused(tmp_path, save):
    path, mark = tmp_path / "nisqa.tar", tmp_path / "it ran"
    save({**random_checkpoint(), "extra": Malice(mark)}, path)
    with raises(InputError, path="nisqa.tar", problem="unreadable"):
        load_metric(path)
    assert not mark.exists()
