"""Your own generator, aligned with its own pairs: python examples/own_generator.py OUT.

At first the generator is untrained: it attenuates each band of each frame by a random level.
SI-SDR decides which of two candidates is better. From such pairs the generator learns where the
noise is.
"""

import sys
from pathlib import Path

import numpy as np
import torch
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from gensr_pref import Candidate, Rows, align, build, evaluate, sample
from gensr_pref.config import plugins
from gensr_pref.identity import file_digest

BANDS, WINDOW, HOP = 8, 512, 256
LEVELS = torch.tensor([1.0, 0.5, 0.2, 0.05])  # the gain of each token
WEIGHTS = "band-gate.safetensors"


class BandGate:
    """A generator of tokens [BANDS, F], the gains of bands; independent given the clip."""

    name, paradigm, sample_rate = "band-gate", "ar", 16000
    paths = ("checkpoint",)  # options that are paths, which may be relative to the run file

    def __init__(self, checkpoint: str | None = None) -> None:
        self.weights = Path(checkpoint) / WEIGHTS if checkpoint else None
        self.revision = file_digest(self.weights)[:12] if self.weights else "untrained"

    def load(self, device: str) -> None:
        """Load the trained network, or make one that gives all levels the same probability."""
        self.policy = nn.Sequential(
            nn.Conv1d(2 * BANDS, 64, 1), nn.SiLU(), nn.Conv1d(64, BANDS * len(LEVELS), 1)
        )
        for parameter in self.policy[2].parameters():
            nn.init.zeros_(parameter)
        nn.init.orthogonal_(self.policy[0].weight, generator=torch.Generator().manual_seed(0))
        if self.weights:
            self.policy.load_state_dict(load_file(self.weights))
        self.policy.to(device).eval()

    @torch.inference_mode()
    def sample(self, noisy, lengths, seeds):
        """Return one candidate per row; each prefers some levels at random, which can be learnt."""
        return [self._one(row[:n], s) for row, n, s in zip(noisy, lengths, seeds, strict=True)]

    def _one(self, wave, seed):
        device = next(self.policy.parameters()).device
        random = torch.Generator().manual_seed(seed)
        logits = self._logits(self.policy, self.hear(wave)[None].to(device))[0].cpu()
        liking = torch.randn(BANDS, len(LEVELS), 1, generator=random)
        uniform = torch.rand(logits.shape, generator=random)
        tokens = (logits + liking - (-uniform.log()).log()).argmax(dim=1)
        gains = LEVELS[tokens].repeat_interleave(WINDOW // 2 // BANDS, dim=0)
        spectrum = _stft(wave)
        spectrum[:-1] *= gains
        audio = torch.istft(
            spectrum, WINDOW, HOP, window=torch.hann_window(WINDOW), length=len(wave)
        )
        return Candidate(audio.numpy(), tokens=tokens.int().numpy())

    # `gensr-pref train` also needs these methods: see `Alignable` in generators/base.py.

    def hear(self, noisy) -> Tensor:
        """Return [2 * BANDS, F]: log energy of the bands, absolute and above each band's floor."""
        level = _energy(_stft(noisy)).add(1e-6).log10()
        return torch.cat([level, level - level.quantile(0.2, dim=1, keepdim=True)])

    def encode(self, noisy, clean):
        """Return tokens [BANDS, F]: the gains nearest to those that give the clean energy."""
        gain = (_energy(_stft(clean)) / _energy(_stft(noisy)).clamp(min=1e-9)).sqrt()
        return (gain[:, None] - LEVELS[:, None]).abs().argmin(dim=1).int().numpy()

    def log_likelihood(self, policy: nn.Module, rows: Rows) -> Tensor:
        """Return [N]: the sum over the tokens of each row, without padding."""
        log_p = self._logits(policy, rows.x).log_softmax(dim=2)[rows.clip]
        of_target = log_p.gather(2, rows.target[:, :, None])[:, :, 0]
        return (of_target * rows.valid[:, None]).sum(dim=(1, 2))

    def save(self, folder: Path) -> None:
        """Write the file that the option `checkpoint` loads."""
        save_file(self.policy.state_dict(), folder / WEIGHTS)

    def _logits(self, policy: nn.Module, x: Tensor) -> Tensor:
        """Map [B, 2 * BANDS, F] to logits [B, BANDS, LEVELS, F]."""
        return policy(x).unflatten(1, (BANDS, len(LEVELS)))


def _stft(wave) -> Tensor:
    """Return the complex spectrum [WINDOW / 2 + 1, F]."""
    window = torch.hann_window(WINDOW)
    return torch.stft(
        torch.from_numpy(np.array(wave)), WINDOW, HOP, window=window, return_complex=True
    )


def _energy(spectrum: Tensor) -> Tensor:
    """Return the mean power of each band, [BANDS, F]."""
    return spectrum[:-1].abs().square().unflatten(0, (BANDS, -1)).mean(dim=1)


def main(out: Path) -> None:
    """Build pairs, train, and evaluate both models on held-out clips."""
    plugins.search(Path(__file__).parent)
    settings = ["generators=[{use: 'own_generator:BandGate', candidates: 8}]", "engine.kind=serial",
                "panel=[{metric: si_sdr, vote: true}, {metric: stoi, vote: false}]",
                "corpus.languages=null", "corpus.segment_seconds=[1, 3]", "corpus.degrade={noise: "
                "{probability: 1, source: {kind: folder, path: noise}, snr_db: [-2, 8]}}",
                "pairing.pairs_per_clip=8",
                "corpus.validation={share: 0.3, by: source}"]  # fmt: skip
    build(sample.DEMO, out / "run", overrides=settings)
    recipe = {"generator": {"use": "own_generator:BandGate"}, "learning_rate": 0.002,
              "pairs": {"source": {"kind": "run", "path": "run"}}}  # fmt: skip
    print(align(recipe, out / "dpo", base=out))
    evaluation = {"clips": "run", "samples": 4, "engine": {"kind": "serial"},
              "generators": [{"use": "own_generator:BandGate", "name": "base"},
                             {"use": "own_generator:BandGate", "name": "dpo",
                              "options": {"checkpoint": "dpo"}}]}  # fmt: skip
    evaluate(evaluation, out / "evaluation", base=out)
    print((out / "evaluation" / "evaluation.md").read_text(encoding="utf-8"))


if __name__ == "__main__":
    main(Path(sys.argv[1]))
