"""Tests of speaker similarity: resemblyzer's values, and external encoders."""

import re
import shutil
from dataclasses import replace
from importlib.resources import files

import numpy as np
import pytest

from gensr_pref.audio import Sound
from gensr_pref.config import plugins
from gensr_pref.errors import InputError, MissingWeightsError, UnknownPluginError, Unusable
from gensr_pref.metrics.base import ClipSounds
from gensr_pref.metrics.panel import Panel
from gensr_pref.metrics.speaker import registry, resemblyzer
from gensr_pref.metrics.speaker.metric import SpeakerSimilarity
from gensr_pref.metrics.speaker.resemblyzer import remove_pauses
from gensr_pref.schema import Reason
from tests.metrics.sounds import cut, noisy
from tests.metrics.speaker import tiny_onnx
from tests.metrics.unusable import (
    assert_candidates_do_not_matter_to_each_other,
    assert_refuses_what_holds_no_signal,
)
from tests.refusals import raises, refuses_option


@pytest.fixture(scope="module")
def metric():
    return load_metric()


def load_metric(*args, **options):
    metric = SpeakerSimilarity(*args, **options)
    metric.load("cpu")
    return metric


def stock(wave):
    """Compute an embedding by the package alone."""
    from resemblyzer import VoiceEncoder, preprocess_wav

    return VoiceEncoder("cpu", verbose=False).embed_utterance(preprocess_wav(wave))


def concatenate(prompts, count):
    return np.concatenate([sound.wave for sound, _ in prompts[:count]])


def test_pauses_are_removed_as_by_resemblyzer(metric, prompts):
    """The bits are equal for speech, for amplified quiet speech, and if that clips."""
    from resemblyzer import preprocess_wav

    quiet = concatenate(prompts, 2) * np.float32(0.003)
    clicking = quiet.copy()
    clicking[20_000] = 0.9
    for wave in (concatenate(prompts, 5), quiet, clicking, prompts[0][0].wave[:480], quiet[:479]):
        with np.errstate(invalid="ignore"):
            expected = preprocess_wav(wave)
        speech = remove_pauses(wave)
        assert speech.dtype == expected.dtype
        assert np.array_equal(speech, expected)


@pytest.mark.parametrize("seconds", [0.5, 1.6, 2.0, 3.1, 4.7, 8.0])
def test_the_embedding_is_resemblyzers(metric, prompts, seconds):
    """The last segment is padded with zeros or left out, as in the package."""
    wave = concatenate(prompts, 6)[: round(seconds * 16_000)]
    [embedding] = metric._encoder.embed([Sound(wave, 16_000)])
    assert embedding == pytest.approx(stock(wave), abs=1e-6)


def test_the_embedding_is_resemblyzers_over_several_batches(metric, prompts, monkeypatch):
    monkeypatch.setattr(resemblyzer, "SEGMENTS_PER_BATCH", 3)
    monkeypatch.setattr(resemblyzer, "VAD_CHUNK", 480 * 7)
    wave = concatenate(prompts, 6)
    [embedding] = metric._encoder.embed([Sound(wave, 16_000)])
    assert embedding == pytest.approx(stock(wave), abs=1e-6)


def test_candidates_do_not_matter_to_each_other(metric, clip):
    assert_candidates_do_not_matter_to_each_other(metric, clip)


def test_a_sound_without_a_signal_is_refused(metric, clip):
    assert_refuses_what_holds_no_signal(metric, clip)


def test_clipped_and_longer_candidates_are_scored_and_too_short_ones_fail(metric, clip):
    clipped = Sound(np.clip(clip.clean.wave * 20, -1, 1), 16_000)
    longer = Sound(np.append(clip.clean.wave, clip.clean.wave), 16_000)
    brief = cut(clip.clean, 0.1)
    first, second, third = metric.score(replace(clip, candidates=[clipped, longer, brief]))
    assert 0.2 < first["speaker_similarity"] < 0.9
    assert second["speaker_similarity"] > 0.9
    assert isinstance(third, Unusable)
    assert third.reason is Reason.NO_SPEECH


def test_the_reference_of_the_comparison_is_an_option(clip):
    against = {name: load_metric(against=name) for name in ("clean_or_noisy", "clean", "noisy")}
    to_clean, to_noisy = against["clean"].score(clip), against["noisy"].score(clip)
    assert to_clean != to_noisy
    assert against["clean_or_noisy"].score(clip) == to_clean
    assert against["clean_or_noisy"].score(replace(clip, clean=None)) == to_noisy
    for name, without in (("clean", {"clean": None}), ("noisy", {"noisy": None})):
        with raises(Unusable, reason="no_clean"):
            against[name].score(replace(clip, **without))
    with raises(Unusable, reason="no_clean"):
        against["clean_or_noisy"].score(replace(clip, clean=None, noisy=None))


def test_weights_in_resemblyzers_format_can_be_given(metric, clip, tmp_path):
    published = files("resemblyzer") / "pretrained.pt"
    shutil.copy(str(published), tmp_path / "mine.pt")
    own = load_metric(checkpoint=tmp_path / "mine.pt")
    assert own.score(clip) == metric.score(clip)
    assert "mine.pt, SHA-256" in own.spec.model
    assert "pretrained.pt" in metric.spec.model


def test_a_checkpoint_that_holds_code_is_not_run(tmp_path):
    import torch

    class Code:
        def __reduce__(self):
            return (pytest.fail, ("it ran",))

    torch.save({"model_state": Code()}, tmp_path / "code.pt")
    with raises(InputError, path="code.pt", problem="unreadable"):
        load_metric(checkpoint=tmp_path / "code.pt")


@pytest.fixture
def onnx_file(tmp_path):
    def write(**options):
        path = tmp_path / "encoder.onnx"
        path.write_bytes(tiny_onnx.encoder(**options))
        return str(path)

    return write


@pytest.mark.parametrize("rank", [1, 2, 3])
def test_an_onnx_file_embeds_each_sound_alone(onnx_file, clip, rank):
    metric = load_metric(onnx_file(rank=rank))
    waves = [sound.wave.astype(float) for sound in (clip.clean, *clip.candidates)]
    vectors = [(np.abs(w).sum(), np.linalg.norm(w), w.max()) for w in waves]
    unit = [np.asarray(vector) / np.linalg.norm(vector) for vector in vectors]
    similarities = [answer["speaker_similarity"] for answer in metric.score(clip)]
    assert similarities == pytest.approx([unit[0] @ other for other in unit[1:]], abs=1e-6)
    assert "encoder.onnx, SHA-256" in metric.spec.model
    assert metric.spec.scores[0].low == -1
    assert_candidates_do_not_matter_to_each_other(metric, clip)
    assert_refuses_what_holds_no_signal(metric, clip)


def test_the_embedding_of_an_onnx_file_is_selected_by_name(onnx_file, clip):
    metric = load_metric(onnx_file(outputs=("logits", "embeddings")))
    assert metric._encoder._output == "embeddings"
    assert metric.score(clip)[0]["speaker_similarity"] > 0


@pytest.mark.parametrize(
    ("options", "names"),
    [
        ({"outputs": ("a", "b")}, ["a", "b"]),
        ({"outputs": ("embed_a", "embed_b")}, ["embed_a", "embed_b"]),
        ({"rank": 4}, ["wave"]),
        ({"inputs": ("wave", "mask")}, ["wave", "mask"]),
    ],
)
def test_onnx_files_of_other_networks_are_refused(onnx_file, options, names):
    with raises(InputError, path="encoder.onnx", problem="unsupported") as caught:
        load_metric(onnx_file(**options))
    assert [one.split()[0] for one in re.split(r", (?=[a-z])", caught.value.value)] == names


def test_an_onnx_file_that_gives_one_number_is_refused(onnx_file, clip):
    with pytest.raises(ValueError, match="'embedding'"):
        load_metric(onnx_file(size=1)).score(clip)


class Loudest:
    """Encoder as a user would write it."""

    model = "loudest"
    licence = "MIT"
    sample_rate = 8000
    lowest = -1.0
    longest_seconds = 5.0

    def __init__(self, checkpoint=None):
        self.checkpoint = checkpoint

    def load(self, device):
        self.device = device

    def embed(self, sounds):
        return [np.eye(4, dtype=np.float32)[int(sound.wave.max() > 0.5)] for sound in sounds]


class Long(Loudest):
    def embed(self, sounds):
        return [np.full(4, np.nan if sound.wave.max() > 0.5 else 1.0) for sound in sounds]


class Forgetful(Loudest):
    def embed(self, sounds):
        return super().embed(sounds)[:1]


def test_an_encoder_can_be_a_class_of_the_user(clip):
    metric = load_metric(f"{__name__}:Loudest", checkpoint="somewhere")
    assert (metric._encoder.device, metric._encoder.checkpoint) == ("cpu", "somewhere")
    assert (metric.spec.sample_rate, metric.spec.longest_seconds) == (8000, 5.0)
    loud = Sound(clip.clean.wave / np.abs(clip.clean.wave).max(), 16_000)
    quiet = Sound(loud.wave * np.float32(0.1), 16_000)
    answers = metric.score(ClipSounds([loud, quiet], clean=quiet))
    assert [answer["speaker_similarity"] for answer in answers] == [0.0, 1.0]


def test_a_vector_that_is_not_of_norm_1_gives_no_number(clip):
    for answer in load_metric(f"{__name__}:Long").score(clip):
        assert isinstance(answer, ValueError)
        assert "norm" in str(answer)


def test_a_wrong_number_of_vectors_is_refused(clip):
    with pytest.raises(ValueError, match=r"\b1\b.*\b3\b"):
        load_metric(f"{__name__}:Forgetful").score(clip)


@pytest.mark.parametrize(
    ("encoder", "known", "problem"),
    [
        ("resemblizer", ("resemblyzer",), "unknown"),
        ("no_such_module:Encoder", (), "unknown"),
        (f"{__name__}:Absent", (), "failed"),
    ],
)
def test_unknown_encoders_are_refused(encoder, known, problem):
    with raises(UnknownPluginError, field="encoder", value=encoder, known=known, problem=problem):
        SpeakerSimilarity(encoder)


def test_an_unknown_comparison_is_refused():
    refuses_option(SpeakerSimilarity, "against", against="text")


def test_missing_files_are_reported(tmp_path):
    with raises(MissingWeightsError, path="absent.pt", problem="missing"):
        SpeakerSimilarity(checkpoint=tmp_path / "absent.pt")
    with raises(MissingWeightsError, path="absent.onnx", problem="missing"):
        SpeakerSimilarity(str(tmp_path / "absent.onnx"))


def test_an_onnx_file_takes_no_checkpoint(onnx_file):
    refuses_option(SpeakerSimilarity, "checkpoint", encoder=onnx_file(), checkpoint="weights.pt")


def test_the_constructor_imports_no_heavy_package():
    import subprocess
    import sys

    program = (
        "import sys; from gensr_pref.metrics.speaker.metric import SpeakerSimilarity; "
        "SpeakerSimilarity(); "
        "assert not {'torch', 'resemblyzer', 'onnxruntime', 'librosa'} & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", program], check=True)


def test_noise_lowers_the_score(metric, clip):
    loud = replace(clip, candidates=[noisy(clip.clean, level) for level in (0.001, 0.02, 0.2)])
    similarities = [answer["speaker_similarity"] for answer in metric.score(loud)]
    assert similarities == sorted(similarities, reverse=True)


def test_the_built_in_encoders_can_be_made():
    for name in plugins.names("speaker encoder"):
        assert registry.make_encoder(name).sample_rate == 16_000


def test_a_clean_clip_that_cannot_be_used_is_not_replaced_by_the_noisy_one(clip):
    quiet = Sound(clip.noisy.wave * np.float32(0.5), 16_000)
    silent = Sound(np.zeros(16_000, np.float32), 16_000)
    panel = Panel(["speaker_similarity"])
    [fault] = panel.score([quiet], clean=silent, noisy=clip.noisy)
    assert fault.failures == {"speaker_similarity": Reason.NO_CLEAN}
    assert "the clean clip is silent" in fault.details["speaker_similarity"]
    [without] = panel.score([quiet], noisy=clip.noisy)
    assert without.notes == {"speaker_reference": "noisy"}
    [against] = panel.score([quiet], clean=clip.clean, noisy=silent)
    assert against.notes == {"speaker_reference": "clean"}
