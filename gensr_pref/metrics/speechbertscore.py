"""SpeechBERTScore: how much of what a candidate says, and how, is found in the clean clip.

With z the features of the candidate's frames and r those of the clean clip's,

    precision = mean over i of max over j of cos(z_i, r_j)

as the authors' package (discrete-speech-metrics 1.0.1) recommends it: WavLM large, layer 14, the
waveform as it is (not scaled to unit variance, as WavLM was trained), precision rather than recall
or F1. Precision asks nothing of what the candidate leaves out.

    T. Saeki et al., "SpeechBERTScore", Interspeech 2024.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from gensr_pref.errors import nearest
from gensr_pref.metrics.base import Answer, ClipSounds, MetricSpec, Score
from gensr_pref.weights import catalogue

if TYPE_CHECKING:
    from torch import Tensor

# Attention compares every frame with every other: with WavLM large a process peaks at 2.4 GB for
# 30 s and at 3.3 GB for 60 s, and a second of sound costs 1.3 times as much in 30 s as in 10 s.
LONGEST_SECONDS = 30.0


@dataclass(frozen=True)
class _Encoder:
    """A self-supervised model whose features can be compared.

    Attributes:
        architecture: its name in `torchaudio.models`.
        layers: of its transformer.
        layer: whose output is compared unless the run file says otherwise, counted from 1.
    """

    architecture: str
    layers: int
    layer: int


# Layer 14 is the authors' choice. Layer 8 is what users of their package take of mHuBERT-147, which
# has the size of HuBERT base: a convention, not a result.
ENCODERS = {
    "wavlm-large": _Encoder("wavlm_large", layers=24, layer=14),
    "hubert-base": _Encoder("hubert_base", layers=12, layer=8),
}


def _spec(model: str, layer: int, align: bool, file: str = "") -> MetricSpec:
    published = catalogue.named(model)
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
    """Precision of a candidate's features against the clean clip's.

    Args:
        model: wavlm-large, or hubert-base, which is cheaper; their scores do not compare.
        checkpoint: the file torchaudio publishes of it; absent = where ``gensr-pref fetch`` puts
            it.
        layer: of the transformer, from 1; absent = 14 of WavLM large, 8 of HuBERT base.
        align: let the panel undo each candidate's delay and polarity first. The authors do not:
            frames are matched wherever they are alike.

    Raises:
        ValueError: no such model or layer.
        MissingWeightsError: the file is not there.
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
            raise ValueError(f"no model {model!r} for speechbertscore. {nearest(model, ENCODERS)}")
        self._model, self._encoder = model, ENCODERS[model]
        self._layer = _check_layer(layer, model, self._encoder)
        self._path = catalogue.find(model, checkpoint)
        self.spec = _spec(model, self._layer, align, catalogue.identity(model, checkpoint))

    def load(self, device: str) -> None:
        """Load the encoder, as far as the layer.

        Raises:
            InputError: the file is not that model's.
        """
        import torch
        import torchaudio

        from gensr_pref.metrics.wav2vec2 import fill_weights, read_tensors

        with torch.device("meta"):
            network = getattr(torchaudio.models, self._encoder.architecture)()
        fill_weights(
            network, read_tensors(self._path), self._path, catalogue.named(self._model).file
        )
        del network.encoder.transformer.layers[self._layer :]
        self._network = network.to(device)
        self._device = device

    def score(self, clip: ClipSounds) -> list[Answer]:
        """One mean cosine per candidate, each at its true length.

        Raises:
            Unusable: NO_CLEAN; TOO_SHORT, the clean sound does not fill one frame.
        """
        from gensr_pref.metrics.precision import full_precision
        from gensr_pref.metrics.wav2vec2 import measure_in_batches, waveform

        with full_precision():
            [clean] = self._features(waveform(clip.reference(), self._device))

        def measure(waves: Tensor) -> list[dict[str, float]]:
            return [{"speechbertscore": precision(z, clean)} for z in self._features(waves)]

        return measure_in_batches(clip.candidates, self._device, measure)

    def _features(self, waves: Tensor) -> Tensor:
        """Unit vectors [B, frames, features] of waveforms [B, T]."""
        from torch.nn.functional import normalize

        layers, _ = self._network.extract_features(waves)
        return normalize(layers[-1], dim=2)


def precision(candidate: Tensor, clean: Tensor) -> float:
    """Mean over the candidate's frames of the largest cosine with a frame of the clean sound.

    Args:
        candidate: unit vectors [frames, features].
        clean: unit vectors [frames', features].
    """
    return float((candidate @ clean.T).amax(dim=1).mean())


def _check_layer(layer: int | None, model: str, encoder: _Encoder) -> int:
    if layer is None:
        return encoder.layer
    if not (isinstance(layer, int) and 1 <= layer <= encoder.layers):
        raise ValueError(f"{model} has layers 1 to {encoder.layers}, not {layer!r}; choose one")
    return layer
