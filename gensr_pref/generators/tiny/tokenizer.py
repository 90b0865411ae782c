"""Tokens of band gains: product quantisation of a frame's gains by groups of neighbouring bands.

Token g of a frame is the index of the code in codebook g that is nearest to the gains of the
group's bands. A clip's tokens are `[groups, 1 + F]`: one column per frame, preceded by one column
for the clip as a whole, the average gain of each group over the clip in uniform steps (`levels`).
The first column is generated first and conditions all others, so that candidates can differ in
how much they suppress, and where.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor, nn

from gensr_pref.generators.tiny.bands import GAIN_BANDS, GAIN_CENTRE_DB, GAIN_DB, GAIN_SCALE_DB

ITERATIONS = 40  # of Lloyd's algorithm


@dataclass(frozen=True)
class TokenizerConfig:
    """Shape of a `Tokenizer`, stored beside its codebooks."""

    groups: int = 8
    codes: int = 64
    channels: int = GAIN_BANDS
    sample_rate: int = 16000  # Hz; determines the bands of the gains


class Tokenizer(nn.Module):
    """Codebooks [groups, codes, bands of a group], as a buffer: they are not trained further.

    Raises:
        ValueError: the number of bands is not a multiple of the number of groups.
    """

    codebook: Tensor

    def __init__(self, config: TokenizerConfig) -> None:
        super().__init__()
        self.config = config
        self.groups, self.codes, self.channels = config.groups, config.codes, config.channels
        if self.channels % self.groups:
            raise ValueError(f"{self.channels} bands do not divide into {self.groups} groups")
        shape = self.groups, self.codes, self.channels // self.groups
        self.register_buffer("codebook", torch.zeros(shape))

    @property
    def digest(self) -> str:
        """Digest of the codebooks, 12 hexadecimal digits; if equal, tokens are compatible."""
        values = self.codebook.detach().cpu().float().numpy()
        return hashlib.blake2b(values.tobytes(), digest_size=6).hexdigest()

    def levels(self) -> Tensor:
        """Return the values [codes] of the first column's tokens, in units of the latent."""
        low, high = ((db - GAIN_CENTRE_DB) / GAIN_SCALE_DB for db in GAIN_DB)
        return torch.linspace(low, high, self.codes, device=self.codebook.device)

    def encode(self, latent: Tensor) -> Tensor:
        """Quantise gains [B, channels, F] to tokens [B, groups, 1 + F]."""
        grouped = self._split_groups(latent.float())
        columns = [_nearest(g, c) for g, c in zip(grouped, self.codebook, strict=True)]
        frames = torch.stack(columns, 1)
        mean = self.group_mean(self.frames(frames))
        first = (mean[..., None] - self.levels()).abs().argmin(-1)
        return torch.cat([first[..., None], frames], -1)

    def decode(self, tokens: Tensor) -> Tensor:
        """Return the gains [B, channels, F] of tokens [B, groups, 1 + F].

        The first column contributes nothing to the sound.
        """
        return self.frames(tokens[..., 1:])

    def frames(self, tokens: Tensor) -> Tensor:
        """Return the gains [B, channels, F] of tokens of frames [B, groups, F]."""
        groups = torch.arange(self.groups, device=tokens.device)[None, :, None]
        gains = self.codebook[groups, tokens.long()]  # [B, groups, F, bands]
        return gains.transpose(2, 3).flatten(1, 2)

    def group_mean(self, latent: Tensor) -> Tensor:
        """Average [B, channels, F] over frames and over the bands of each group: [B, groups]."""
        rows, _, frames = latent.shape
        return latent.reshape(rows, self.groups, -1, frames).mean((2, 3))

    def _split_groups(self, latent: Tensor) -> Tensor:
        rows, _, frames = latent.shape
        return latent.reshape(rows, self.groups, -1, frames).permute(1, 0, 3, 2)


def _nearest(points: Tensor, codes: Tensor) -> Tensor:
    """Return the index of the nearest code [K, D] of every point [..., D]; the first of equals."""
    distance = codes.square().sum(-1) - 2 * points @ codes.T
    return distance.argmin(-1)


def fit_tokenizer(
    latents: Tensor, groups: int, codes: int, seed: int, sample_rate: int = 16000
) -> Tokenizer:
    """Fit a tokenizer by k-means (Lloyd's algorithm) to the frames of latents [N, channels, F].

    The initial codes are distinct frames drawn from the seed. A code without points is moved to the
    point that is farthest from its own code.

    Raises:
        ValueError: there are fewer distinct frames than codes.
    """
    tokenizer = Tokenizer(TokenizerConfig(groups, codes, latents.shape[1], sample_rate))
    rng = np.random.default_rng(seed)
    grouped = tokenizer._split_groups(latents.float()).flatten(1, 2)
    for group, points in enumerate(grouped):
        tokenizer.codebook[group] = _k_means(points, codes, rng)
    return tokenizer


def _k_means(points: Tensor, codes: int, rng: np.random.Generator) -> Tensor:
    """Return the centres [codes, D] of points [P, D]."""
    distinct = torch.unique(points, dim=0)
    if len(distinct) < codes:
        raise ValueError(f"{len(distinct)} different frames cannot give {codes} codes")
    centres: Tensor = distinct[torch.from_numpy(rng.choice(len(distinct), codes, replace=False))]
    for _ in range(ITERATIONS):
        nearest = _nearest(points, centres)
        count = torch.bincount(nearest, minlength=codes)
        total = torch.zeros_like(centres).index_add_(0, nearest, points)
        centres = total / count.clamp(min=1)[:, None]
        empty = torch.nonzero(count == 0)[:, 0]
        if len(empty):
            far = (points - centres[nearest]).square().sum(-1).topk(len(empty)).indices
            centres[empty] = points[far]
    return centres
