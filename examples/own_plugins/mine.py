"""Your own generator, metric and pair rule in one file."""

import numpy as np

from gensr_pref import Candidate, MetricSpec, Pair, Score, orient_scores


class SpectralGate:
    """A generator that mutes the spectrum below a threshold, which is drawn from the seed."""

    name = "spectral-gate"
    revision = "1"
    sample_rate = 16000

    def load(self, device):
        """Do nothing: there are no weights."""

    def sample(self, noisy, lengths, seeds):
        """Return one candidate per row."""
        rows = zip(noisy, lengths, seeds, strict=True)
        return [self._gated(row[:length], seed) for row, length, seed in rows]

    def _gated(self, wave, seed):
        quantile = np.random.default_rng(seed).uniform(0.3, 0.9)
        spectrum = np.fft.rfft(wave)
        loud = np.abs(spectrum) >= np.quantile(np.abs(spectrum), quantile)
        audio = np.fft.irfft(spectrum * loud, len(wave)).astype(np.float32)
        return Candidate(audio, {"quantile": float(quantile)})


class Crest:
    """A metric: peak over root mean square, in dB."""

    spec = MetricSpec(
        name="crest",
        scores=(Score("crest_db", True, unit="dB", low=0.0, votes=True),),
        sample_rate=16000,
        model="own",
        licence="Apache-2.0",
    )

    def load(self, device):
        """Do nothing: there are no weights."""

    def score(self, clip):
        """Return one dictionary per candidate."""
        return [{"crest_db": self._crest(sound.wave)} for sound in clip.candidates]

    def _crest(self, wave):
        return float(20 * np.log10(np.abs(wave).max() / np.sqrt(np.mean(wave**2))))


def best_against_worst(ballot, pairing):
    """Pair the best with the worst candidate by the first voting score, if they differ."""
    first = next(k for k, vote in enumerate(ballot.votes) if vote.votes)
    value = orient_scores(ballot)[:, first]
    best, worst = int(np.nanargmax(value)), int(np.nanargmin(value))
    gap = float(value[best] - value[worst])
    return [Pair(best, worst, gap)] if gap > 0 else []
