"""Loading the generator of a checkpoint of any paradigm."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from gensr_pref.errors import ConfigError
from gensr_pref.generators.tiny.ar_tiny import AutoregressiveTiny
from gensr_pref.generators.tiny.checkpoint import locate
from gensr_pref.generators.tiny.checkpoint_settings import CONFIG, read_settings
from gensr_pref.generators.tiny.fm_tiny import FlowMatchingTiny
from gensr_pref.generators.tiny.mgm_tiny import MaskedTiny

Pretrained = FlowMatchingTiny | AutoregressiveTiny | MaskedTiny
_BY_ARCHITECTURE: dict[str, type[Pretrained]] = {
    "flow": FlowMatchingTiny,
    "autoregressive": AutoregressiveTiny,
    "masked": MaskedTiny,
}


def from_pretrained(
    checkpoint: str | Path, revision: str | None = None, device: str = "cpu", **options: Any
) -> Pretrained:
    """Load the generator of a checkpoint: flow matching, autoregressive or masked.

    Args:
        checkpoint: a folder with `model.safetensors` and `config.json`, such as `gensr-pref train`
            writes, or ``org/name`` on the Hugging Face Hub.
        revision: commit, tag or branch of a checkpoint on the Hub; absent = main, as it was when
            it was first downloaded (``gensr-pref fetch org/name`` updates it).
        device: torch device.
        options: sampling options of the generator, such as ``temperature``.

    Raises:
        MissingWeightsError: the checkpoint does not exist, or is not on this machine while
            connections are forbidden.
        FetchError: the Hub cannot be reached or does not deliver.
        ConfigError: the checkpoint belongs to no generator, or its files do not fit each other.
        ValueError: an option outside its range, or a revision of a folder.
    """
    located = locate(checkpoint, revision)
    architecture = str(read_settings(located.folder).architecture)
    if architecture not in _BY_ARCHITECTURE:
        raise ConfigError(
            f"architecture {architecture!r} belongs to no generator.",
            path=located.folder / CONFIG,
            value=architecture,
            known=_BY_ARCHITECTURE,
        )
    commit = located.origin.rpartition("@")[2] or None
    kind = _BY_ARCHITECTURE[architecture]
    generator = kind(checkpoint=str(checkpoint), revision=commit, **options)
    generator.load(device)
    return generator
