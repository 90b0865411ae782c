"""A flow on disk: `model.safetensors` and `config.json`, read strictly."""

from __future__ import annotations

import hashlib
import json
from dataclasses import fields
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file

from gensr_pref.errors import ConfigError, MissingWeightsError
from gensr_pref.generators.flow import Flow, FlowConfig

WEIGHTS, CONFIG = "model.safetensors", "config.json"


def save_flow(flow: Flow, folder: Path) -> None:
    """Write a flow; each file appears whole or not at all."""
    folder.mkdir(parents=True, exist_ok=True)
    part = folder / f"{WEIGHTS}.part"
    save_file({name: value.contiguous() for name, value in flow.state_dict().items()}, part)
    part.replace(folder / WEIGHTS)
    part = folder / f"{CONFIG}.part"
    part.write_text(json.dumps(flow.config.as_json(), indent=2) + "\n", encoding="utf-8")
    part.replace(folder / CONFIG)


def load_flow(folder: Path, device: str = "cpu") -> Flow:
    """Read a flow.

    Raises:
        MissingWeightsError: a file is missing.
        ConfigError: a file is not what its name says, or the weights are not those of the
            network that the configuration describes.
    """
    revision_of(folder)  # refuses a folder without a checkpoint
    flow = Flow(_read_config(folder / CONFIG))
    path = folder / WEIGHTS
    try:
        weights = load_file(path)
    except (OSError, SafetensorError) as error:
        raise ConfigError(f"{path}: cannot be read as safetensors ({error}).") from error
    _require_same(path, weights, flow.state_dict())
    flow.load_state_dict(weights)
    return flow.eval().requires_grad_(False).to(device)


def revision_of(folder: Path) -> str:
    """12 hexadecimal digits of the checkpoint's contents; changes with any weight or setting.

    Raises:
        MissingWeightsError: a file is missing.
    """
    contents = hashlib.blake2b(digest_size=6)
    for name in (CONFIG, WEIGHTS):
        try:
            contents.update((folder / name).read_bytes())
        except OSError as error:
            raise MissingWeightsError(
                f"no checkpoint in {str(folder)!r} ({name}: {error.strerror}). Give a folder that "
                f"holds {WEIGHTS} and {CONFIG}, such as one written by `gensr-pref train`."
            ) from error
    return contents.hexdigest()


def _read_config(path: Path) -> FlowConfig:
    try:
        data = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise ConfigError(f"{path}: cannot be read as JSON ({error}).") from error
    known = {field.name for field in fields(FlowConfig)}
    given = set(data) if isinstance(data, dict) else set()
    if given != known:
        raise ConfigError(
            f"{path}: not the settings of a flow. Missing: {_few(known - given)}. "
            f"Unknown: {_few(given - known)}."
        )
    settings: dict[str, Any] = {k: tuple(v) if isinstance(v, list) else v for k, v in data.items()}
    return FlowConfig(**settings)


def _require_same(
    path: Path, found: dict[str, torch.Tensor], wanted: dict[str, torch.Tensor]
) -> None:
    reshaped = [
        f"{name} {list(found[name].shape)} for {list(wanted[name].shape)}"
        for name in sorted(found.keys() & wanted.keys())
        if found[name].shape != wanted[name].shape
    ]
    missing, unknown = wanted.keys() - found.keys(), found.keys() - wanted.keys()
    if missing or unknown or reshaped:
        raise ConfigError(
            f"{path}: not the weights of the network in {CONFIG}. Missing: {_few(missing)}. "
            f"Unknown: {_few(unknown)}. Of another shape: {_few(reshaped)}."
        )


def _few(names: object) -> str:
    listed = sorted(names)  # type: ignore[call-overload]
    shown = ", ".join(listed[:3])
    return f"{shown} and {len(listed) - 3} more" if len(listed) > 3 else shown or "none"
