"""Tests of SpeechBERTScore: features against torchaudio's bundles, the score by its definition.

Weights are random, in files named and laid out as PyTorch publishes them.
"""

from dataclasses import replace
from functools import partial

import numpy as np
import pytest
import torch
import torchaudio

from gensr_pref import audio
from gensr_pref.audio import Sound
from gensr_pref.errors import InputError, MissingWeightsError, Unusable
from gensr_pref.metrics import wav2vec2
from gensr_pref.metrics.base import ClipSounds
from gensr_pref.metrics.speechbertscore import ENCODERS, SpeechBertScore, precision
from gensr_pref.metrics.wav2vec2 import waveform
from gensr_pref.process import full_precision
from gensr_pref.schema import Reason
from tests.metrics.fresh import imports_torch
from tests.metrics.sounds import cut, read_csv
from tests.refusals import raises, refuses_option

BUNDLES = {
    "wavlm-large": torchaudio.pipelines.WAVLM_LARGE,
    "hubert-base": torchaudio.pipelines.HUBERT_BASE,
}
# The published files are older than torch's present names of a weight-normed layer's weights.
OLDER = {
    "parametrizations.weight.original0": "weight_g",
    "parametrizations.weight.original1": "weight_v",
}


def published_name(name):
    for new, old in OLDER.items():
        name = name.replace(new, old)
    return name


def random_weights(model):
    torch.manual_seed(0)
    network = getattr(torchaudio.models, ENCODERS[model].architecture)()
    return {published_name(name): tensor for name, tensor in network.state_dict().items()}


def blank_weights(model):
    """Return weights in the published format as a small file: each tensor repeats one zero."""
    with torch.device("meta"):
        network = getattr(torchaudio.models, ENCODERS[model].architecture)()
    shapes = {published_name(name): tensor.shape for name, tensor in network.state_dict().items()}
    return {name: torch.zeros(()).expand(shape) for name, shape in shapes.items()}


@pytest.fixture(scope="module")
def hub(tmp_path_factory):
    """A folder that torch.hub takes for its cache."""
    folder = tmp_path_factory.mktemp("hub")
    (folder / "checkpoints").mkdir()
    before = torch.hub.get_dir()
    torch.hub.set_dir(str(folder))
    yield folder / "checkpoints"
    torch.hub.set_dir(before)


def load_metric(model, hub, **options):
    path = hub / BUNDLES[model]._path
    if not path.exists():
        torch.save(random_weights(model), path)
    metric = SpeechBertScore(model, str(path), **options)
    metric.load("cpu")
    return metric


@pytest.fixture(scope="module")
def hubert(hub):
    return load_metric("hubert-base", hub)


def by_definition(candidate, clean):
    """Mean over the candidate's frames of the largest cosine with a frame of the clean clip."""
    best = []
    for frame in candidate.double().numpy():
        norms = np.linalg.norm(clean.double().numpy(), axis=1) * np.linalg.norm(frame)
        best.append((clean.double().numpy() @ frame / norms).max())
    return np.mean(best)


def bundle_features(model, sound, layer):
    """The waveform is used as it is: the authors' package does not normalise it, the bundle may."""
    network = BUNDLES[model].get_model()
    network = getattr(network, "model", network)
    with torch.inference_mode():
        layers, _ = network.extract_features(torch.tensor(sound.wave)[None], num_layers=layer)
    return layers[-1][0]


@pytest.mark.slow
@pytest.mark.parametrize(
    ("model", "options", "layer"),
    [("hubert-base", {}, 8), ("hubert-base", {"layer": 12}, 12), ("wavlm-large", {}, 14)],
)
def test_features_and_score_equal_the_bundles_and_the_definition(hub, clip, model, options, layer):
    metric = load_metric(model, hub, **options)
    noisy = Sound(clip.candidates[2].wave[8000:24000], 16000)  # so that recall is another number
    clean = cut(clip.clean, 1.5)
    theirs = [bundle_features(model, sound, layer) for sound in (clean, noisy)]
    for sound, features in zip((clean, noisy), theirs, strict=True):
        unit = features / features.norm(dim=1, keepdim=True)
        with full_precision(), torch.inference_mode():
            [features] = metric._features(waveform(sound, "cpu"))
        torch.testing.assert_close(features, unit, rtol=0, atol=1e-7)
    [answer] = metric.score(ClipSounds([noisy], clean))
    expected = by_definition(theirs[1], theirs[0])
    assert answer["speechbertscore"] == pytest.approx(expected, abs=1e-6)
    assert expected < 0.9999
    assert by_definition(theirs[0], theirs[1]) != pytest.approx(expected, abs=1e-5)  # recall


def test_precision_does_not_penalise_omissions():
    both, first = torch.tensor([[1.0, 0.0], [0.0, 1.0]]), torch.tensor([[1.0, 0.0]])
    assert precision(first, both) == 1
    assert precision(both, first) == 0.5
    assert precision(-first, first) == -1


@pytest.mark.slow
def test_the_score_of_the_clean_clip_itself_is_1(hubert, clip):
    [answer] = hubert.score(replace(clip, candidates=[clip.clean]))
    assert answer["speechbertscore"] == pytest.approx(1, abs=1e-6)


@pytest.mark.slow
def test_a_score_does_not_depend_on_the_other_candidates(hubert, brief):
    clip = replace(brief, candidates=[*brief.candidates, cut(brief.candidates[0], 1)])
    alone = [
        hubert.score(replace(clip, candidates=[candidate]))[0] for candidate in clip.candidates
    ]
    assert hubert.score(clip) == alone
    backwards = replace(clip, candidates=clip.candidates[::-1])
    assert hubert.score(backwards) == alone[::-1]


@pytest.mark.slow
def test_a_batch_gives_the_scores_of_single_candidates(hubert, brief, monkeypatch):
    """Candidates of one length share a batch on a GPU; the test forces that on the CPU."""
    alone = hubert.score(brief)
    monkeypatch.setattr(
        wav2vec2, "measure_in_batches", partial(wav2vec2.measure_in_batches, together=True)
    )
    for single, batched in zip(alone, hubert.score(brief), strict=True):
        assert single["speechbertscore"] == pytest.approx(batched["speechbertscore"], abs=1e-5)


def test_the_clean_clip_is_encoded_once(hubert, clip, monkeypatch):
    encoded = []
    features = hubert._features
    monkeypatch.setattr(hubert, "_features", lambda sound: encoded.append(sound) or features(sound))
    hubert.score(clip)
    assert len(encoded) == 1 + len(clip.candidates)


@pytest.mark.slow
def test_a_sound_that_is_too_short_or_has_no_clean_clip_gets_a_reason(hubert, brief):
    short = Sound(brief.clean.wave[:399], 16000)
    first, second = hubert.score(replace(brief, candidates=[short, brief.candidates[0]]))
    assert first.reason == Reason.TOO_SHORT
    assert second == hubert.score(replace(brief, candidates=brief.candidates[:1]))[0]
    for clean, reason in [(short, Reason.TOO_SHORT), (None, Reason.NO_CLEAN)]:
        with pytest.raises(Unusable) as caught:
            hubert.score(replace(brief, clean=clean))
        assert caught.value.reason == reason


@pytest.mark.parametrize(
    ("options", "option"),
    [
        ({"model": "wavlm-larg"}, "model"),
        ({"layer": 0}, "layers"),
        ({"layer": "14"}, "layers"),
        ({"model": "hubert-base", "layer": 13}, "layers"),
    ],
)
def test_options_are_checked_before_the_file(options, option):
    refuses_option(SpeechBertScore, option, **options, checkpoint="nowhere.pth")


@pytest.mark.parametrize("model", ENCODERS)
def test_every_layer_exists(model):
    weights = blank_weights(model)
    name = "encoder.transformer.layers.{}.final_layer_norm.weight"
    assert name.format(ENCODERS[model].layers - 1) in weights
    assert name.format(ENCODERS[model].layers) not in weights


def test_another_models_file_is_refused(tmp_path):
    path = tmp_path / "hubert.pth"
    torch.save(blank_weights("hubert-base"), path)
    SpeechBertScore("hubert-base", str(path)).load("cpu")
    with raises(InputError, path="hubert.pth", problem="invalid"):
        SpeechBertScore("wavlm-large", str(path)).load("cpu")


def test_a_missing_file_is_reported_at_once():
    with raises(MissingWeightsError, value="hubert-base", path="nowhere.pth", problem="missing"):
        SpeechBertScore("hubert-base", "nowhere.pth")


def test_options_are_stated_in_the_spec(tmp_path):
    (tmp_path / "weights.pth").touch()
    spec = SpeechBertScore("wavlm-large", str(tmp_path / "weights.pth"), layer=9, align=True).spec
    assert spec.model.startswith("wavlm-large layer 9: weights.pth, SHA-256 ")
    assert spec.align
    assert spec.needs == {"clean"}
    assert "CC BY-SA" in spec.notice


def test_torch_is_not_imported_before_loading(tmp_path):
    path = tmp_path / "weights.pt"
    path.touch()
    assert not imports_torch(
        "from gensr_pref.metrics.speechbertscore import SpeechBertScore\n"
        f"SpeechBertScore(checkpoint='{path}')"
    )


@pytest.mark.corpus
@pytest.mark.slow
def test_the_published_value(shared):
    """Use the real weights, if they are in the cache."""
    try:
        metric = SpeechBertScore()
    except MissingWeightsError as error:
        pytest.skip(str(error))
    metric.load("cpu")
    rows = read_csv(shared / "reference_values.csv")
    [row] = [row for row in rows if row["metric"] == "speech_bert"]
    files = row["file"], row["reference_file"]
    candidate, clean = (audio.read(shared / "reference_values" / file) for file in files)
    [answer] = metric.score(ClipSounds([candidate], clean))
    assert answer["speechbertscore"] == pytest.approx(float(row["value"]), abs=1e-4)
