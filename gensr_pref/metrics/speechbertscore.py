"""SpeechBERTScore: similarity of a candidate's speech content to the clean clip.

With z_i the features of the candidate's frames and r_j those of the clean clip,

    precision = mean over i of max over j of cos(z_i, r_j)

in the configuration that the authors' package (discrete-speech-metrics 1.0.1) recommends: WavLM
large, layer 14, the waveform as it is (WavLM was trained on unit variance), precision rather than
recall or F1. Precision does not penalise what the candidate leaves out.

    T. Saeki et al., "SpeechBERTScore", Interspeech 2024.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from gensr_pref.errors import suggestion
from gensr_pref.metrics.base import Answer, ClipSounds, MetricSpec, Score
from gensr_pref.process import full_precision
from gensr_pref.weights import catalogue

if TYPE_CHECKING:
    from torch import Tensor

# Attention is quadratic in the number of frames: with WavLM large a process peaks at 2.4 GB for
# 30 s and at 3.3 GB for 60 s, and a second of sound costs 1.3 times as much in 30 s as in 10 s.
LONGEST_SECONDS = 30.0


@dataclass(frozen=True)
class _Encoder:
    """Self-supervised model whose features are compared.

    Attributes:
        architecture: its name in `torchaudio.models`.
        layers: number of transformer layers.
        layer: default layer whose output is compared, counted from 1.
    """

    architecture: str
    layers: int
    layer: int


# Layer 14 is the authors' choice. Layer 8 is a convention, not a result: users of their package
# take it from mHuBERT-147, which has the size of HuBERT base.
ENCODERS = {
    "wavlm-large": _Encoder("wavlm_large", layers=24, layer=14),
    "hubert-base": _Encoder("hubert_base", layers=12, layer=8),
}


def _spec(model: str, layer: int, align: bool, file: str = "") -> MetricSpec:
    published = catalogue.get_checkpoint(model)
    return MetricSpec(
        name="speechbertscore",
        scores=(Score("speechbertscore", unit="cosine", low=-1.0, high=1.0),),
        sample_rate=16_000,
        needs=frozenset({"clean"}),
        model=f"{model} layer {layer}{': ' if file else ''}{file}",
        licence=published.licence,
        notice=published.notice,
        longest_seconds=LONGEST_SECONDS,
        align=align,
    )


class SpeechBertScore:
    """Precision of a candidate's features relative to the clean clip's.

    Args:
        model: wavlm-large, or hubert-base, which is cheaper; their scores are not comparable.
        checkpoint: path of torchaudio's file of the model; absent = the file that ``gensr-pref
            fetch`` downloaded.
        layer: of the transformer, from 1; absent = 14 of WavLM large, 8 of HuBERT base.
        align: whether the panel undoes each candidate's delay and polarity first. The authors do
            not: frames are matched at any position.

    Raises:
        ValueError: the model or the layer does not exist.
        MissingWeightsError: the file does not exist.
    """

    paths = ("checkpoint",)
    spec = _spec("wavlm-large", 14, align=False)

    def __init__(
        self,
        model: str = "wavlm-large",
        checkpoint: str | None = None,
        layer: int | None = None,
        align: bool = False,
    ) -> None:
        if model not in ENCODERS:
            raise ValueError(
                f"no model {model!r} for speechbertscore. {suggestion(model, ENCODERS)}"
            )
        self._model, self._encoder = model, ENCODERS[model]
        self._layer = _check_layer(layer, model, self._encoder)
        self._path = catalogue.find_weights(model, checkpoint)
        self.spec = _spec(model, self._layer, align, catalogue.describe_weights(model, checkpoint))

    def load(self, device: str) -> None:
        """Load the encoder up to the layer.

        Raises:
            InputError: the file does not belong to the model.
        """
        import torch
        import torchaudio

        from gensr_pref.metrics.wav2vec2 import fill_weights, read_tensors

        with torch.device("meta"):
            network = getattr(torchaudio.models, self._encoder.architecture)()
        fill_weights(
            network,
            read_tensors(self._path),
            self._path,
            catalogue.get_checkpoint(self._model).file,
        )
        del network.encoder.transformer.layers[self._layer :]
        self._network = network.to(device)
        self._device = device

    def score(self, clip: ClipSounds) -> list[Answer]:
        """Return one mean cosine per candidate, each scored at its true length.

        Raises:
            Unusable: NO_CLEAN; TOO_SHORT, the clean sound is shorter than one frame.
        """
        import torch

        from gensr_pref.metrics.wav2vec2 import measure_in_batches, waveform

        with full_precision(), torch.inference_mode():
            [clean] = self._features(waveform(clip.reference(), self._device))

        def measure(waves: Tensor) -> list[dict[str, float]]:
            return [{"speechbertscore": precision(z, clean)} for z in self._features(waves)]

        return measure_in_batches(clip.candidates, self._device, measure)

    def _features(self, waves: Tensor) -> Tensor:
        """Return unit vectors [B, frames, features] of waveforms [B, T]."""
        from torch.nn.functional import normalize

        layers, _ = self._network.extract_features(waves)
        return normalize(layers[-1], dim=2)


def precision(candidate: Tensor, clean: Tensor) -> float:
    """Return the mean over i of the maximum over j of cos(z_i, r_j).

    Args:
        candidate: unit vectors z [frames, features].
        clean: unit vectors r [frames', features].
    """
    return float((candidate @ clean.T).amax(dim=1).mean())


def _check_layer(layer: int | None, model: str, encoder: _Encoder) -> int:
    if layer is None:
        return encoder.layer
    if not (isinstance(layer, int) and 1 <= layer <= encoder.layers):
        raise ValueError(f"{model} has layers 1 to {encoder.layers}, not {layer!r}; choose one")
    return layer
