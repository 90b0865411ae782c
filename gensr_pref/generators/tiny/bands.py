"""Band energies, the input of the models, and band gains, their output.

Bands are triangles centred at equal steps of the ERB-rate scale up to half the sample rate, at
least one STFT bin apart:

    ERB-rate(f) = 21.4 log10(1 + 0.00437 f),    f in Hz

(B. R. Glasberg and B. C. J. Moore, Hearing Research 47, 1990). The same triangles average
energies into bands and spread gains over bins, so that unit gains change nothing.
"""

from __future__ import annotations

import math
from functools import lru_cache

import numpy as np
import torch
from torch import Tensor

from gensr_pref.generators.tiny.analysis import WIDEBAND, Analysis
from gensr_pref.generators.tiny.carrier import Carrier, power_of

GAIN_BANDS = 40
FEATURE_BANDS = 64
GAIN_DB = (-30.0, 15.0)  # a floor below -20 dB matters; above 0 for clipped or lost samples
GAIN_CENTRE_DB, GAIN_SCALE_DB = -10.0, 10.0  # give the latent about zero mean and unit scale
FEATURE_DB = (-70.0, 40.0)  # relative to the clip's mean power per frame
FLOOR = 1e-6  # power that counts as silence, at 16 kHz: 17 dB above 16-bit rounding
FEATURES = 3 * FEATURE_BANDS + 1


@lru_cache
def triangles(bands: int, analysis: Analysis = WIDEBAND) -> Tensor:
    """Return the weights [bands, bins] of the triangles; every bin's weights sum to one."""
    rate, bins = analysis.rate, analysis.bins
    top = 21.4 * math.log10(1 + 0.00437 * rate / 2)
    hertz = (10 ** (np.linspace(0, top, bands) / 21.4) - 1) / 0.00437
    centre = hertz * (bins - 1) / (rate / 2)
    for band in range(1, bands):
        centre[band] = max(centre[band], centre[band - 1] + 1)
    centre = np.minimum(centre, np.arange(bins - bands, bins))
    weights = [np.interp(np.arange(bins), centre, row) for row in np.eye(bands)]
    return torch.tensor(np.stack(weights), dtype=torch.float32)


def band_db(spectrum: Tensor, bands: int, analysis: Analysis = WIDEBAND) -> Tensor:
    """Return the band energies [bands, F] of a complex spectrum [bins, F] in dB, `FLOOR` added."""
    power = triangles(bands, analysis).to(spectrum.device) @ power_of(spectrum)
    return 10 * torch.log10(power + analysis.power(FLOOR))


def features(carrier: Carrier) -> Tensor:
    """Return the conditioning input x [FEATURES, F] of the models.

    It holds the log energies of the carrier in fine bands relative to the clip's level, the same
    relative to each band's tenth percentile over the clip (its noise floor), which bands were
    missing, and which frames were concealed.
    """
    analysis = carrier.analysis
    energy = band_db(carrier.spectrum, FEATURE_BANDS, analysis)
    level = 10 * torch.log10(power_of(carrier.spectrum).mean() + analysis.power(FLOOR))
    relative = (energy - level).clamp(*FEATURE_DB) / 20
    above = relative - relative.quantile(0.1, dim=-1, keepdim=True)
    missing = (triangles(FEATURE_BANDS, analysis) @ carrier.missing)[:, None].expand_as(energy)
    return torch.cat([relative, above, missing, carrier.concealed[None]])


def latent_of(clean: Tensor, carrier: Carrier) -> Tensor:
    """Return the target y_1 [GAIN_BANDS, F]: gains from the carrier to a clean spectrum [bins, F].

    In units of the latent: (gain in dB - `GAIN_CENTRE_DB`) / `GAIN_SCALE_DB`.
    """
    energy = band_db(clean, GAIN_BANDS, carrier.analysis)
    gain = energy - band_db(carrier.spectrum, GAIN_BANDS, carrier.analysis)
    return (gain.clamp(*GAIN_DB) - GAIN_CENTRE_DB) / GAIN_SCALE_DB


def apply_latent(latent: Tensor, carrier: Carrier) -> Tensor:
    """Apply the gains of a latent [GAIN_BANDS, F] to the carrier; return a spectrum [bins, F]."""
    gain = (latent * GAIN_SCALE_DB + GAIN_CENTRE_DB).clamp(*GAIN_DB)
    per_bin = triangles(GAIN_BANDS, carrier.analysis).to(latent.device).T @ gain
    return carrier.spectrum * 10 ** (per_bin / 20)
