"""Tests of Whisper, with tiny networks saved in the published format."""

import subprocess
import sys

import numpy as np
import pytest
import torch
import whisper

from gensr_pref.audio import Sound
from gensr_pref.errors import InputError, MissingWeightsError, Unusable
from gensr_pref.metrics.base import ClipSounds
from gensr_pref.metrics.wer.metric import WordErrorRate
from gensr_pref.metrics.wer.whisper import Whisper
from gensr_pref.schema import Reason
from gensr_pref.weights.catalogue import CACHE
from tests.metrics.sounds import cut
from tests.metrics.wer.whisper_files import (
    MULTILINGUAL,
    constant_network,
    get_tokenizer,
    network,
    save,
)
from tests.refusals import raises

TONE = Sound(np.sin(np.arange(16000) / 9).astype(np.float32) * 0.1, 16000)


def load_recogniser(made, folder):
    recogniser = Whisper(save(made, folder / "tiny.pt"))
    recogniser.load("cpu")
    return recogniser


def recogniser_that_outputs(text, folder, **options):
    """Return an English-only recogniser whose transcript is always `text`."""
    tokenizer = get_tokenizer(False)
    tokens = [*tokenizer.encode(text), tokenizer.eot]
    return load_recogniser(constant_network(tokens, start=1, **options), folder)


@pytest.fixture(scope="module")
def random(tmp_path_factory):
    return load_recogniser(network(), tmp_path_factory.mktemp("whisper"))


def test_the_transcript_is_the_networks_output(tmp_path):
    recogniser = recogniser_that_outputs(" Ten mice, and a cat.", tmp_path)
    assert recogniser.transcribe([TONE, TONE], "en") == ["Ten mice, and a cat."] * 2
    assert recogniser.transcribe([], "en") == []


def test_transcripts_equal_whispers_own_greedy_decoding(random, clip):
    own = whisper.load_model(str(random._path), device="cpu")
    for sound in clip.candidates[:2]:
        mel = whisper.log_mel_spectrogram(whisper.pad_or_trim(sound.wave))
        options = whisper.DecodingOptions(language="en", without_timestamps=True, fp16=False)
        assert random.transcribe([sound], "en") == [own.decode(mel, options).text]


def test_a_transcript_does_not_depend_on_the_batch(random, clip):
    sounds = [*clip.candidates[:2], cut(clip.clean, 1.0)]
    alone = [random.transcribe([sound], "en")[0] for sound in sounds]
    assert len(set(alone)) > 1
    assert random.transcribe(sounds, "en") == alone
    assert random.transcribe(sounds[::-1], "en") == alone[::-1]


@pytest.mark.slow
def test_error_rates_do_not_depend_on_the_batch(random, clip):
    metric = WordErrorRate("whisper", str(random._path))
    metric.load("cpu")
    together = metric.score(clip)
    for candidate, answer in zip(clip.candidates, together, strict=True):
        assert metric.score(ClipSounds([candidate], text=clip.text, language="en")) == [answer]


@pytest.mark.parametrize("loudness", [0.05, 10.0])
def test_silence_gives_no_text_only_if_the_words_are_uncertain(tmp_path, loudness):
    """The rule of whisper.transcribe: no speech more likely than 0.6, and log-probability <= -1."""
    tokenizer = get_tokenizer(False)
    recogniser = recogniser_that_outputs(
        " thanks", tmp_path, loudness=loudness, no_speech=tokenizer.no_speech
    )
    assert recogniser.transcribe([TONE], "en") == ["thanks" if loudness == 10.0 else ""]


def test_an_uncertain_transcript_of_speech_is_used(tmp_path):
    assert recogniser_that_outputs(" thanks", tmp_path, loudness=0.05).transcribe([TONE], "en") == [
        "thanks"
    ]


def test_a_loop_ends_and_is_a_transcript(tmp_path):
    """A network that never ends its text gives 224 tokens, all of which are used."""
    made = constant_network([], start=1)
    word = get_tokenizer(False).encode(" la")[0]
    with torch.no_grad():
        made.decoder.token_embedding.weight[word] = 1.0
        made.decoder.ln.bias += 1.0
    [text] = load_recogniser(made, tmp_path).transcribe([TONE], "en")
    assert text.split() == ["la"] * 224


def test_an_english_only_model_knows_english(random):
    assert random.language_of(TONE) == "en"
    assert random.languages == ("en",)
    with raises(Unusable, reason="unknown_language") as caught:
        random.transcribe([TONE], "fr")
    assert caught.value.reason is Reason.UNKNOWN_LANGUAGE


def test_a_multilingual_model_receives_the_language(tmp_path):
    tokenizer = get_tokenizer(True, num_languages=99, language="fr")
    tokens = [*tokenizer.encode(" Dix souris"), tokenizer.eot]
    recogniser = load_recogniser(constant_network(tokens, MULTILINGUAL, start=3), tmp_path)
    assert recogniser.transcribe([TONE], "fr") == ["Dix souris"]
    with raises(Unusable, reason="unknown_language"):  # large-v3 does
        recogniser.transcribe([TONE], "yue")


def test_a_multilingual_model_detects_the_language(tmp_path):
    tokenizer = get_tokenizer(True, num_languages=99)
    recogniser = load_recogniser(
        constant_network([tokenizer.to_language_token("sw")], MULTILINGUAL), tmp_path
    )
    assert recogniser.language_of(TONE) == "sw"


def test_missing_weights_are_named(tmp_path, monkeypatch):
    monkeypatch.setenv(CACHE, str(tmp_path))
    with raises(MissingWeightsError, value="whisper-tiny.en", problem="missing"):
        Whisper("tiny.en")
    with raises(MissingWeightsError, value="whisper", path="none.pt", problem="missing"):
        Whisper(str(tmp_path / "none.pt"))


def test_the_model_name_identifies_the_file(random, tmp_path):
    other = Whisper(save(network(seed=1), tmp_path / "tiny.pt"))
    assert random.model.startswith("openai-whisper ")
    assert "tiny.pt, SHA-256 " in random.model
    assert other.model != random.model


def test_an_unknown_model_is_named():
    with raises(InputError, value="tinny.en", problem="unknown") as caught:
        Whisper("tinny.en")
    assert {"base", "tiny.en"} <= set(caught.value.known)


@pytest.mark.parametrize("name", ["mine", "mine.bin", "tiny.en"])
def test_a_file_is_accepted_under_any_name(tmp_path, monkeypatch, name):
    save(network(MULTILINGUAL), tmp_path / name)
    monkeypatch.chdir(tmp_path)
    recogniser = Whisper(name)
    assert f"{name}, SHA-256 " in recogniser.model
    assert recogniser.languages is None  # until it is loaded, whatever it is called
    recogniser.load("cpu")
    assert len(recogniser.languages) == 99


class Code:
    """Content of a hostile file: an object whose unpickling runs code."""

    def __reduce__(self):
        return print, ("this must not run",)


@pytest.mark.parametrize(
    "content", [b"not a checkpoint", {"dims": {}}, {"model_state_dict": {}}, {"dims": Code()}]
)
def test_a_file_that_is_no_checkpoint_is_refused(tmp_path, content, console):
    path = tmp_path / "other.pt"
    if isinstance(content, bytes):
        path.write_bytes(content)
    else:
        torch.save(content, path)
    recogniser = Whisper(str(path))
    with raises(InputError, path=path) as caught:
        recogniser.load("cpu")
    assert caught.value.problem in ("unreadable", "invalid")
    console.require_nothing()


def test_the_constructor_imports_no_torch(random):
    script = (
        "import sys\n"
        "from gensr_pref.metrics.wer.metric import WordErrorRate\n"
        f"WordErrorRate('whisper', {str(random._path)!r})\n"
        "sys.exit('torch' in sys.modules)"
    )
    subprocess.run([sys.executable, "-c", script], check=True)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("n_audio_state", 100_000),
        ("n_text_layer", 10_000),
        ("n_vocab", 10**9),
        ("n_text_ctx", 10**6),
        ("n_audio_ctx", "1500"),
        ("n_text_head", 0),
        ("n_audio_head", 2.0),
    ],
)
def test_stated_sizes_are_compared_with_the_weights(name, value, tmp_path):
    path = save(network(), tmp_path / "lies.pt")
    content = torch.load(path, weights_only=True)
    content["dims"][name] = value
    torch.save(content, path)
    with raises(InputError, path="lies.pt", problem="invalid") as caught:
        Whisper(str(path)).load("cpu")
    assert f"dims.{name}" in str(caught.value.__cause__)
