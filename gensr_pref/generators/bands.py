"""Band energies and band gains: what the model reads, and what it generates.

Bands are triangles centred at equal steps of the ERB-rate scale (Glasberg and Moore 1990), at
least one STFT bin apart. The same triangles average energies into bands and spread gains over
bins, so unit gains change nothing.
"""

from __future__ import annotations

import math
from functools import lru_cache

import numpy as np
import torch
from torch import Tensor

from gensr_pref.generators.carrier import BINS, Carrier, power_of

RATE = 16000
GAIN_BANDS = 40
FEATURE_BANDS = 64
GAIN_DB = (-30.0, 15.0)  # a lower floor than -20 dB matters; above 0 for what was clipped or lost
GAIN_CENTRE_DB, GAIN_SCALE_DB = -10.0, 10.0  # so that the latent has about zero mean, unit scale
FEATURE_DB = (-70.0, 40.0)  # relative to the clip's mean power per frame
FLOOR = 1e-6  # power that counts as nothing: 17 dB above what 16-bit rounding leaves in an STFT bin
FEATURES = 3 * FEATURE_BANDS + 1


@lru_cache
def triangles(bands: int) -> Tensor:
    """[bands, BINS] weights; every bin's weights sum to one."""
    top = 21.4 * math.log10(1 + 0.00437 * RATE / 2)
    hertz = (10 ** (np.linspace(0, top, bands) / 21.4) - 1) / 0.00437
    centre = hertz * (BINS - 1) / (RATE / 2)
    for band in range(1, bands):
        centre[band] = max(centre[band], centre[band - 1] + 1)
    centre = np.minimum(centre, np.arange(BINS - bands, BINS))
    weights = [np.interp(np.arange(BINS), centre, row) for row in np.eye(bands)]
    return torch.tensor(np.stack(weights), dtype=torch.float32)


def band_db(spectrum: Tensor, bands: int) -> Tensor:
    """Band energies in dB over `FLOOR`: complex [BINS, F] -> [bands, F]."""
    power = triangles(bands).to(spectrum.device) @ power_of(spectrum)
    return 10 * torch.log10(power + FLOOR)


def features(carrier: Carrier) -> Tensor:
    """What the model is conditioned on: [FEATURES, F].

    Log energies of the carrier in fine bands relative to the clip's level, the same relative to
    each band's tenth percentile over the clip (its noise floor), which bands were missing, and
    which frames were concealed.
    """
    energy = band_db(carrier.spectrum, FEATURE_BANDS)
    level = 10 * torch.log10(power_of(carrier.spectrum).mean() + FLOOR)
    relative = (energy - level).clamp(*FEATURE_DB) / 20
    above = relative - relative.quantile(0.1, dim=-1, keepdim=True)
    missing = (triangles(FEATURE_BANDS) @ carrier.missing)[:, None].expand_as(energy)
    return torch.cat([relative, above, missing, carrier.concealed[None]])


def latent_of(clean: Tensor, carrier: Carrier) -> Tensor:
    """The target y_1 [GAIN_BANDS, F]: gains from the carrier to a clean spectrum [BINS, F]."""
    gain = band_db(clean, GAIN_BANDS) - band_db(carrier.spectrum, GAIN_BANDS)
    return (gain.clamp(*GAIN_DB) - GAIN_CENTRE_DB) / GAIN_SCALE_DB


def apply_latent(latent: Tensor, carrier: Carrier) -> Tensor:
    """The spectrum [BINS, F] of the carrier under the gains of a latent [GAIN_BANDS, F]."""
    gain = (latent * GAIN_SCALE_DB + GAIN_CENTRE_DB).clamp(*GAIN_DB)
    per_bin = triangles(GAIN_BANDS).to(latent.device).T @ gain
    return carrier.spectrum * 10 ** (per_bin / 20)
