"""DNSMOS in torch, for batches of windows on a GPU.

The networks and features of `gensr_pref.metrics.dnsmos.cpu`, dense and window by window. All
arithmetic is float32: TF32, which torch uses in convolutions by default, keeps 10 bits of each
factor and would change scores by more than the 1e-5 to which they agree with speechmos.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import islice

import librosa
import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from gensr_pref.audio import Wave
from gensr_pref.metrics.dnsmos import networks
from gensr_pref.metrics.dnsmos.networks import (
    BANDS,
    FRAME,
    FRAMES,
    HOP,
    MEL_FRAME,
    RATE,
    Array,
    Layer,
    Network,
)
from gensr_pref.process import full_precision

BATCH = 8  # windows; the widest layer of one is 74 MB


class TorchNetworks:
    """Both networks on a device.

    Args:
        device: torch device; on ``cpu`` the results agree with `CpuNetworks`, but take longer.
    """

    def __init__(self, device: str) -> None:
        self._device = torch.device(device)
        self._p835 = TorchP835().to(self._device).eval()
        self._p808 = TorchP808().to(self._device).eval()

    def raw_scores(self, windows: Iterable[Wave]) -> Array:
        """Return the networks' outputs [windows, 4]: signal, background, overall, P.808.

        Args:
            windows: [144160] each, of any number of clips; one batch at a time is in memory.
        """
        with full_precision(), torch.inference_mode():
            scores = [self._batch(batch) for batch in _batches(windows)]
        return np.concatenate(scores)

    def _batch(self, windows: list[Wave]) -> Array:
        samples = torch.from_numpy(np.stack(windows)).to(self._device)
        return torch.cat([self._p835(samples), self._p808(samples)], dim=1).cpu().numpy()


class TorchP835(nn.Module):
    """Network of P.835: windows [B, 144160] to signal, background and overall quality [B, 3].

    The outputs are not yet mapped to MOS.
    """

    def __init__(self) -> None:
        super().__init__()
        graph = networks.read_p835()
        self.register_buffer("filters", _tensor(np.concatenate([graph.real, graph.imaginary]).T))
        self.network = Convolutions(graph.network)

    def forward(self, samples: Tensor) -> Tensor:
        """Compute the power spectrum in bels, at least -12, and apply the network."""
        frames = samples.unfold(1, FRAME, HOP)
        real, imaginary = (frames @ self.get_buffer("filters")).chunk(2, dim=2)
        power = (real.square() + imaginary.square()).clamp(min=1e-12)
        scores: Tensor = self.network(power.log10())
        return scores


class TorchP808(nn.Module):
    """Network of P.808: windows [B, 144160] to overall quality [B, 1] in MOS."""

    def __init__(self) -> None:
        super().__init__()
        hann = librosa.filters.get_window("hann", MEL_FRAME, fftbins=True)
        bands = librosa.filters.mel(sr=RATE, n_fft=MEL_FRAME, n_mels=BANDS)
        self.register_buffer("hann", _tensor(hann))
        self.register_buffer("bands", _tensor(bands.T))
        self.network = Convolutions(networks.read_p808())

    def forward(self, samples: Tensor) -> Tensor:
        """Compute dB relative to the loudest band, at least -80; network of (dB + 40) / 40."""
        padded = F.pad(samples[:, : FRAMES * HOP], (HOP, HOP))
        frames = padded.unfold(1, MEL_FRAME, HOP) * self.get_buffer("hann")
        mel = torch.fft.rfft(frames).abs().square() @ self.get_buffer("bands")
        decibel = 10 * mel.clamp(min=1e-10).log10()
        decibel = decibel - decibel.amax(dim=(1, 2), keepdim=True)
        scores: Tensor = self.network((decibel.clamp(min=-80) + 40) / 40)
        return scores


class Convolutions(nn.Module):
    """A `Network` in torch: features [B, T, F] to outputs [B, N]."""

    def __init__(self, network: Network) -> None:
        super().__init__()
        self.stages = nn.ModuleList(
            nn.Sequential(*(part for layer in stage for part in (_convolution(layer), nn.ReLU())))
            for stage in network.stages
        )
        dense = [part for layer in network.dense for part in (_linear(layer), nn.ReLU())]
        self.dense = nn.Sequential(*dense[:-1])

    def forward(self, features: Tensor) -> Tensor:
        """Apply the stages with pooling between them, the global maximum, and the dense layers."""
        first, *rest = self.stages
        x = first(features[:, None])
        for stage in rest:
            x = stage(F.max_pool2d(x, 2))
        outputs: Tensor = self.dense(x.amax(dim=(2, 3)))
        return outputs


def _batches(windows: Iterable[Wave]) -> Iterator[list[Wave]]:
    remaining = iter(windows)
    while batch := list(islice(remaining, BATCH)):
        yield batch


def _convolution(layer: Layer) -> nn.Module:
    outputs, channels = layer.weight.shape[:2]
    return _with_weights(nn.Conv2d(channels, outputs, 3, padding=1), layer.weight, layer.bias)


def _linear(layer: Layer) -> nn.Module:
    return _with_weights(nn.Linear(*layer.weight.shape), layer.weight.T, layer.bias)


def _with_weights(module: nn.Module, weight: Array, bias: Array) -> nn.Module:
    module.load_state_dict({"weight": _tensor(weight), "bias": _tensor(bias)})
    return module


def _tensor(values: Array) -> Tensor:
    return torch.from_numpy(np.array(values, np.float32))
