"""Your own metric, which votes together with others: python examples/own_metric.py OUT.

In a run file, write `{metric: "own_metric:LogSpectralDistance"}`; on the command line,
`gensr-pref evaluate ... --panel dnsmos,own_metric:LogSpectralDistance`.
"""

import sys
from pathlib import Path

import numpy as np

from gensr_pref import ClipSounds, MetricSpec, Score, audit, build, sample
from gensr_pref.audio import Wave
from gensr_pref.config import plugins


class LogSpectralDistance:
    """Root mean square difference from the clean clip's log spectrum, in dB (Gray, Markel 1976)."""

    def __init__(self, window: int = 512) -> None:
        self.window = window
        self.spec = MetricSpec(
            name="log_spectral_distance",
            scores=(Score("lsd_db", higher_is_better=False, unit="dB", low=0.0),),
            sample_rate=16000,
            needs=frozenset({"clean"}),
            model="own",
            licence="Apache-2.0",
        )

    def load(self, device: str) -> None:
        """Do nothing: this metric has no weights."""

    def score(self, clip: ClipSounds) -> list[dict[str, float]]:
        """Return one dictionary per candidate; the clean spectrum is computed once."""
        clean = self._spectrum(clip.reference().wave)
        return [
            {"lsd_db": float(np.sqrt(np.mean((self._spectrum(one.wave) - clean) ** 2)))}
            for one in clip.candidates
        ]

    def _spectrum(self, wave: Wave) -> Wave:
        frames = np.lib.stride_tricks.sliding_window_view(wave, self.window)[:: self.window // 2]
        power = np.abs(np.fft.rfft(frames * np.hanning(self.window))) ** 2
        return 10 * np.log10(power + 1e-6)


def main(out: Path) -> None:
    """Build twelve clips of the bundled sample, and print the agreement with other metrics."""
    plugins.search(Path(__file__).parent)
    panel = (
        "[{metric: 'own_metric:LogSpectralDistance'}, {metric: speaker_similarity}, {metric: pesq}]"
    )
    settings = ["corpus.limit=12", "engine.kind=serial", f"panel={panel}"]
    summary = build(sample.DEMO, out, overrides=settings)
    print(f"{summary['pairs']} pairs from {summary['clips']} clips")
    for row in audit(out)["agreement"]:
        print(f"{' and '.join(row['scores'])}: Kendall tau {row['kendall_tau']:+.2f}")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
