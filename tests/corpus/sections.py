"""Corpus sections of run files, for tests."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from gensr_pref.config.run_file import Corpus


def corpus(**fields: Any) -> Corpus:
    defaults = {"source": {"kind": "folder", "path": "speech"}, "segment_seconds": (1, 3)}
    return Corpus(**{**defaults, **fields})


def noise_of(sample: Path) -> dict[str, Any]:
    return {"probability": 0.9, "source": {"kind": "folder", "path": str(sample / "noise")}}


def everything(sample: Path) -> dict[str, Any]:
    return {
        "reverb": {"probability": 0.5},
        "clipping": {"probability": 0.5},
        "band_limit": {"probability": 0.5},
        "noise": {**noise_of(sample), "snr_db": (-10, 10)},
        "codec": {"probability": 0.5, "names": ["gsm", "vorbis", "ulaw"]},
        "packet_loss": {"probability": 0.5},
    }
