"""The network of NISQA v2: a CNN on each segment, self-attention over segments, attention pooling.

Module names and sizes are those of the published checkpoint.

    G. Mittag, B. Naderi, A. Chehadi, S. Möller, "NISQA: A deep CNN-self-attention model for
    multidimensional speech quality prediction with crowdsourced datasets", Interspeech 2021.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Mapping

import torch
from torch import Tensor, nn

WIDTH = 64  # of a segment's embedding
DIMENSIONS = 5  # MOS, noisiness, discontinuity, coloration, loudness


class NisqaNetwork(nn.Module):
    """Network from the segments of one sound to its five scores."""

    def __init__(self) -> None:
        super().__init__()
        self.cnn = _segment_cnn()
        self.time_dependency = _self_attention()
        self.pool_layers = nn.ModuleList(AttentionPooling() for _ in range(DIMENSIONS))

    def forward(self, segments: Tensor) -> Tensor:
        """Return the five scores [5] of the segments [N, 48, 15], in dB, of one sound."""
        embedded = self.time_dependency(self.cnn(segments[:, None]))
        return torch.cat([pool(embedded) for pool in self.pool_layers])

    def load_published(self, weights: Mapping[str, Tensor]) -> None:
        """Load a published state dict, whose names have one more level: ``cnn.model.conv1``.

        Raises:
            RuntimeError: a weight is missing, unknown or of another shape.
        """
        ours = {name.replace(".model.", "."): weight for name, weight in weights.items()}
        self.load_state_dict(ours, assign=True)


class AttentionPooling(nn.Module):
    """Mean over time with learned attention weights, followed by a linear layer to one number."""

    def __init__(self) -> None:
        super().__init__()
        self.linear1 = nn.Linear(WIDTH, 128)
        self.linear2 = nn.Linear(128, 1)
        self.linear3 = nn.Linear(WIDTH, 1)

    def forward(self, embedded: Tensor) -> Tensor:
        """Pool [N, 64] to [1]."""
        attention = self.linear2(self.linear1(embedded).relu()).softmax(dim=0)
        score: Tensor = self.linear3((attention * embedded).sum(dim=0))
        return score


def _segment_cnn() -> nn.Sequential:
    """Return the CNN on segments: [N, 1, 48, 15] -> [N, 384]."""
    return nn.Sequential(
        OrderedDict(
            {
                **_convolution(1, 1, 16, pool=(24, 7)),
                **_convolution(2, 16, 32, pool=(12, 5)),
                **_convolution(3, 32, 64),
                **_convolution(4, 64, 64, pool=(6, 3)),
                **_convolution(5, 64, 64),
                **_convolution(6, 64, 64, padding=(1, 0)),  # over all 3 remaining columns
                "flatten": nn.Flatten(),
            }
        )
    )


def _convolution(
    index: int,
    channels_in: int,
    channels_out: int,
    pool: tuple[int, int] | None = None,
    padding: tuple[int, int] = (1, 1),
) -> dict[str, nn.Module]:
    layers = {
        f"conv{index}": nn.Conv2d(channels_in, channels_out, 3, padding=padding),
        f"bn{index}": nn.BatchNorm2d(channels_out),
        f"relu{index}": nn.ReLU(),
    }
    return layers if pool is None else {**layers, f"pool{index}": nn.AdaptiveMaxPool2d(pool)}


def _self_attention() -> nn.Sequential:
    """Return the self-attention over segments: [N, 384] -> [N, 64]."""
    layers = [nn.TransformerEncoderLayer(WIDTH, nhead=1, dim_feedforward=64) for _ in range(2)]
    return nn.Sequential(
        OrderedDict(
            linear=nn.Linear(384, WIDTH), norm1=nn.LayerNorm(WIDTH), layers=nn.Sequential(*layers)
        )
    )
