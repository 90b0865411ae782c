"""Whisper as a recogniser, with deterministic decoding.

Decoding is greedy, at temperature 0, without timestamps. If a transcript looks bad, the package's
`transcribe` decodes again at a higher temperature, which is random; here the first transcript is
used.

    A. Radford et al., "Robust speech recognition via large-scale weak supervision", ICML 2023; the
    code is openai-whisper's.
"""

from __future__ import annotations

import os
import warnings
from collections.abc import Iterator, Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Any

from gensr_pref.audio import Sound
from gensr_pref.errors import InputError, Unusable
from gensr_pref.metrics import torch_checkpoint
from gensr_pref.metrics.wer.recogniser import Transcript
from gensr_pref.schema import Reason
from gensr_pref.tables.languages import language_code
from gensr_pref.weights import catalogue

# A sound holds no speech if the network predicts so and is unsure of its transcript: the thresholds
# of `whisper.transcribe` (openai-whisper 20250625).
NO_SPEECH = 0.6  # probability
UNSURE = -1.0  # mean log-probability of the tokens

BATCH = 16  # sounds decoded at once on a GPU

PREFIX = "whisper-"  # of the names of its checkpoints in `gensr_pref.weights.catalogue`


class Whisper:
    """Whisper with one checkpoint.

    A transcript that repeats itself in a loop, or that was hallucinated from noise, counts as a
    transcript: the words are unintelligible, and the error rate is high. A loop ends after half the
    decoder's context (224 tokens).

    On a CPU sounds are decoded one at a time, because the last bits of the network's outputs depend
    on the size of the batch. On a GPU they are decoded in batches, and that dependence can decide
    between two words that are equally likely.

    Args:
        model: path of a file with ``dims`` and ``model_state_dict``, or the name of a published
            model, such as ``tiny.en`` or ``large-v3-turbo``.

    Attributes:
        languages: supported languages; None before it is loaded, except for ``.en`` models.

    Raises:
        InputError: there is neither a model nor a file of that name.
        MissingWeightsError: the model's file does not exist.
    """

    licence = "MIT"
    sample_rate = 16_000
    # The network's window. A longer sound would have to be cut at pauses, which differ between
    # candidates, and a word that is cut in two is an error that no candidate made.
    longest_seconds = 30.0

    def __init__(self, model: str = "large-v3-turbo") -> None:
        english = model.endswith(".en") and not _is_file(model)
        self.languages: tuple[str, ...] | None = ("en",) if english else None
        self._path, which = _checkpoint(model)
        self.model = f"openai-whisper {version('openai-whisper')}: {which}"

    def load(self, device: str) -> None:
        """Load the checkpoint, which may hold only tensors and plain values.

        Raises:
            InputError: the file is not a Whisper checkpoint.
        """
        self._network = torch_checkpoint.read_checkpoint(
            self._path, "a Whisper checkpoint", _network
        ).to(device)
        self._device = device
        self._own_codes = _own_codes(self._network)
        self.languages = tuple(self._own_codes)
        _open_tokenizer(self._network)

    def language_of(self, sound: Sound) -> str:
        """Return the language whose token is most probable; English for an English-only model."""
        if not self._network.is_multilingual:
            return "en"
        _, probabilities = self._network.detect_language(self._mel(sound))
        return language_code(max(probabilities, key=probabilities.get))

    def transcribe(
        self, sounds: Sequence[Sound], language: str, text: str | None = None
    ) -> list[Transcript]:
        """Return the text of each sound, in order; empty if it holds no speech. `text` is not used.

        Raises:
            Unusable: UNKNOWN_LANGUAGE.
        """
        if language not in (self.languages or ()):
            raise Unusable(Reason.UNKNOWN_LANGUAGE, f"{self.model} does not know {language!r}")
        step = 1 if self._device == "cpu" else BATCH
        starts = range(0, len(sounds), step)
        own = self._own_codes[language]
        return [text for i in starts for text in self._decode(sounds[i : i + step], own)]

    def _decode(self, sounds: Sequence[Sound], language: str) -> Iterator[str]:
        import torch
        from whisper import DecodingOptions

        options = DecodingOptions(
            language=language, without_timestamps=True, fp16=self._device != "cpu"
        )
        mel = torch.stack([self._mel(sound) for sound in sounds])
        for result in self._network.decode(mel, options):
            silent = result.no_speech_prob > NO_SPEECH and result.avg_logprob <= UNSURE
            yield "" if silent else result.text

    def _mel(self, sound: Sound) -> Any:
        """Return the log-mel spectrogram [80 or 128, 3000] of a sound, zero-padded to 30 s."""
        import torch
        from whisper import log_mel_spectrogram, pad_or_trim

        wave = torch.tensor(sound.wave)  # a copy: the array is read-only
        mel = log_mel_spectrogram(pad_or_trim(wave), self._network.dims.n_mels)
        return mel.to(self._device)


def _checkpoint(model: str) -> tuple[Path, str]:
    """Return the path of a model's file, and a short description of it."""
    if _is_file(model):
        path = catalogue.find_weights("whisper", model)
        return path, f"{path.name}, SHA-256 {catalogue.sha256_of(path)[:12]}"
    published = [n.removeprefix(PREFIX) for n in catalogue.CATALOGUE if n.startswith(PREFIX)]
    if model not in published:
        raise InputError(f"no Whisper model and no file {model!r}.", value=model, known=published)
    return catalogue.find_weights(PREFIX + model), catalogue.describe_weights(PREFIX + model)


def _is_file(model: str) -> bool:
    """Return whether `model` is a path; an existing file has priority over a published name."""
    return os.sep in model or model.endswith(".pt") or Path(model).is_file()


def _network(content: Any) -> Any:
    """Make the network of a checkpoint, on the CPU.

    `whisper.load_model` is not used, because it downloads a model if it takes the path for a name.
    """
    from whisper.model import ModelDimensions
    from whisper.model import Whisper as Network

    _require_dimensions(content["dims"], content["model_state_dict"])
    network = Network(ModelDimensions(**content["dims"]))
    network.load_state_dict(content["model_state_dict"])
    return network.eval()


def _require_dimensions(dims: Any, weights: Any) -> None:
    """Compare the stated sizes with those of the weights, before memory is allocated.

    Raises:
        ValueError: a size is not that of the weights.
        KeyError: a size or a weight is missing.
    """
    convolution = weights["encoder.conv1.weight"]
    embedding = weights["decoder.token_embedding.weight"]
    sizes = {
        "n_mels": convolution.shape[1],
        "n_audio_ctx": len(weights["encoder.positional_embedding"]),
        "n_audio_state": convolution.shape[0],
        "n_audio_layer": _blocks("encoder", weights),
        "n_vocab": len(embedding),
        "n_text_ctx": len(weights["decoder.positional_embedding"]),
        "n_text_state": embedding.shape[1],
        "n_text_layer": _blocks("decoder", weights),
    }
    for name, size in sizes.items():
        if type(dims[name]) is not int or dims[name] != size:
            raise ValueError(f"dims.{name} is {dims[name]!r}, but the weights have {size}")
    for side in ("audio", "text"):
        heads = dims[f"n_{side}_head"]
        state = sizes[f"n_{side}_state"]
        if type(heads) is not int or heads < 1 or state % heads:
            raise ValueError(f"dims.n_{side}_head is {heads!r}, which does not divide {state}")


def _blocks(side: str, weights: Any) -> int:
    return len({name.split(".")[2] for name in weights if name.startswith(f"{side}.blocks.")})


def _own_codes(network: Any) -> dict[str, str]:
    """Map our language codes to Whisper's: Javanese, ``jv``, is ``jw`` there."""
    if not network.is_multilingual:
        return {"en": "en"}
    from whisper.tokenizer import LANGUAGES

    return {language_code(own): own for own in tuple(LANGUAGES)[: network.num_languages]}


def _open_tokenizer(network: Any) -> None:
    """Make the package read its vocabulary, which it caches; it leaves the file open."""
    from whisper.tokenizer import get_tokenizer

    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ResourceWarning)
        get_tokenizer(network.is_multilingual, num_languages=network.num_languages)
