"""A network on disk: `model.safetensors` and `config.json`, read strictly.

`config.json` names the architecture and holds all fields of its configuration. `sample_rate` (Hz)
may be absent and is 16000 then.

Neither file is believed before it is checked: settings have types and bounds, and are held against
what the header of the weights states, before memory is taken for a network.
"""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any, TypeVar

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from safetensors.torch import save as serialised

from gensr_pref.errors import ConfigError, MissingWeightsError, Problem
from gensr_pref.generators.tiny.analysis import WIDEBAND, Analysis
from gensr_pref.generators.tiny.autoregressive import Autoregressive
from gensr_pref.generators.tiny.bands import FEATURES, GAIN_BANDS
from gensr_pref.generators.tiny.flow import Flow, FlowConfig
from gensr_pref.generators.tiny.masked import Masked
from gensr_pref.generators.tiny.safetensors_header import stated_tensors
from gensr_pref.generators.tiny.token_model import TokenModel, TokenModelConfig
from gensr_pref.generators.tiny.tokenizer import Tokenizer, TokenizerConfig
from gensr_pref.storage import files
from gensr_pref.untrusted import documents
from gensr_pref.weights import hub

WEIGHTS, CONFIG = "model.safetensors", "config.json"
Shapes = Mapping[str, tuple[int, ...]]
Network = Flow | Autoregressive | Masked | Tokenizer
LARGEST = 4096  # width, dilation, number of groups; 20 times those of the networks here
MOST_CODES = 2**16
MOST_BLOCKS = 64  # of one kind
_FIXED = {"features": FEATURES, "channels": GAIN_BANDS}  # what every network here hears and says
N = TypeVar("N", Flow, Autoregressive, Masked, Tokenizer)
ARCHITECTURES: dict[type[Network], tuple[str, Any]] = {
    Flow: ("flow", FlowConfig),
    Autoregressive: ("autoregressive", TokenModelConfig),
    Masked: ("masked", TokenModelConfig),
    Tokenizer: ("tokenizer", TokenizerConfig),
}


@dataclass(frozen=True)
class Located:
    """Where a checkpoint is on this machine.

    Attributes:
        folder: with `model.safetensors` and `config.json`.
        origin: ``org/name@COMMIT`` where it is of the Hub, else empty.
    """

    folder: Path
    origin: str = ""

    @property
    def revision(self) -> str:
        """The digest of its contents, after its origin.

        Raises:
            MissingWeightsError: a file is missing.
        """
        return f"{self.origin} {revision_of(self.folder)}".lstrip()


def locate(checkpoint: str | Path, revision: str | None = None) -> Located:
    """A checkpoint by its folder, or by its id on the Hub where no folder has that name.

    Args:
        checkpoint: a folder or ``org/name``; see `hub.snapshot` for what is downloaded, and when.
        revision: of an id: a commit, tag or branch; absent = main.

    Raises:
        MissingWeightsError: there is none, or it is not here and connections are forbidden.
        FetchError: the Hub cannot be reached or does not deliver.
        ValueError: a revision of a folder.
    """
    folder, name = Path(checkpoint), str(checkpoint)
    if not folder.exists() and hub.is_id(name):
        found = hub.snapshot(name, revision)
        return Located(found.folder, f"{found.repository}@{found.commit}")
    if revision is not None:
        raise ValueError(f"revision is of a checkpoint on the Hub (org/name), not of {name!r}")
    return Located(folder)


def save(network: Network, folder: Path) -> None:
    """Write a network; each file appears whole or not at all, and is on the disk by then.

    Raises:
        StorageError: there is no room, or it cannot be written.
    """
    weights = {name: value.contiguous() for name, value in network.state_dict().items()}
    with files.atomic(folder / WEIGHTS) as temporary:
        temporary.write_bytes(serialised(weights))
    architecture, _ = ARCHITECTURES[type(network)]
    settings = {"architecture": architecture, **asdict(network.config)}
    files.write_text(folder / CONFIG, json.dumps(settings, indent=2) + "\n")


def load(folder: Path, kind: type[N], device: str = "cpu") -> N:
    """Read a network of a kind.

    Raises:
        MissingWeightsError: a file is missing.
        ConfigError: as `require_loadable`; or a weight is NaN or infinite.
    """
    network = kind(require_loadable(folder, kind))
    path = folder / WEIGHTS
    weights = _read_weights(path)
    if bad := [name for name, one in weights.items() if not torch.isfinite(one).all()]:
        raise ConfigError(
            f"holds NaN or infinite weights: {_few(bad)}.",
            path=path,
            value=bad,
            problem=Problem.INVALID,
        )
    network.load_state_dict(weights)
    if isinstance(network, TokenModel):
        _require_codebooks(path, network)
    return network.eval().requires_grad_(False).to(device)


def require_loadable(folder: Path, kind: type[Network]) -> Any:
    """Refuse a checkpoint that `load` could not read, from its settings and the weights' header.

    No memory is taken for a weight, so this may be asked of anything, before any work.

    Returns:
        The configuration of the network.

    Raises:
        MissingWeightsError: a file is missing.
        ConfigError: a file is not what its name says, a setting has another type or is beyond its
            bound, the network is of another kind, or the weights are not those of the network
            that the settings describe.
    """
    configuration, path = _read_config(folder, kind), folder / WEIGHTS
    try:
        with torch.device("meta"):
            wanted = kind(configuration).state_dict()
    except ValueError as error:
        raise ConfigError(f"{error}.", path=folder / CONFIG, problem=Problem.INVALID) from error
    found = {name: one.shape for name, one in stated_tensors(path).items()}
    _require_same(path, found, {name: tuple(one.shape) for name, one in wanted.items()})
    return configuration


def encoder_weights(folder: Path) -> dict[str, torch.Tensor]:
    """The weights of the encoder in a checkpoint of any paradigm, by their names in it.

    Raises:
        MissingWeightsError: a file is missing.
        ConfigError: the weights cannot be read.
    """
    _require_files(folder)
    weights = _read_weights(folder / WEIGHTS)
    prefix = "encoder."
    return {
        name.removeprefix(prefix): value
        for name, value in weights.items()
        if name.startswith(prefix)
    }


def revision_of(folder: Path) -> str:
    """12 hexadecimal digits of the checkpoint's contents; changes with any weight or setting.

    Raises:
        MissingWeightsError: a file is missing.
    """
    _require_files(folder)
    contents = hashlib.blake2b(digest_size=6)
    for name in (CONFIG, WEIGHTS):
        with (folder / name).open("rb") as file:
            while block := file.read(2**20):
                contents.update(block)
    return contents.hexdigest()


def _require_files(folder: Path) -> None:
    for name in (CONFIG, WEIGHTS):
        try:
            (folder / name).open("rb").close()
        except OSError as error:
            raise MissingWeightsError(
                f"no checkpoint is there ({name}: {error.strerror}). Give a folder that "
                f"holds {WEIGHTS} and {CONFIG}, such as one written by `gensr-pref train`, or the "
                "id org/name of one on the Hugging Face Hub.",
                path=folder,
                problem=Problem.MISSING,
            ) from error


def _read_weights(path: Path) -> dict[str, torch.Tensor]:
    try:
        stated_tensors(path)
        return load_file(path)
    except (OSError, SafetensorError) as error:
        raise ConfigError(
            f"cannot be read as safetensors ({error}).", path=path, problem=Problem.UNREADABLE
        ) from error


def settings_of(folder: Path) -> dict[str, Any]:
    """What `config.json` says; its `sample_rate` is checked, and there if it was absent.

    Raises:
        MissingWeightsError: a file is missing.
        ConfigError: it is not settings, or of a rate that no model here can have.
    """
    _require_files(folder)
    path = folder / CONFIG
    try:
        data = documents.json_of(files.read_text(path))
    except (OSError, ValueError) as error:
        raise ConfigError(
            f"cannot be read as JSON ({error}).", path=path, problem=Problem.UNREADABLE
        ) from error
    given = {"sample_rate": WIDEBAND.rate, **(data if isinstance(data, dict) else {})}
    try:
        Analysis(given["sample_rate"])
    except ValueError as error:
        raise ConfigError(
            f"{path}: {error}.",
            field="sample_rate",
            value=given["sample_rate"],
            path=path,
            problem=Problem.INVALID,
        ) from error
    return given


def _read_config(folder: Path, kind: type[Network]) -> Any:
    architecture, configuration = ARCHITECTURES[kind]
    path, given = folder / CONFIG, settings_of(folder)
    named = given.pop("architecture", None)
    if named != architecture:
        raise ConfigError(
            f"{path} is of {named!r}; {architecture!r} is wanted here.",
            field="architecture",
            path=path,
            value=named,
            problem=Problem.CONFLICT,
        )
    known = {field.name for field in fields(configuration)}
    if set(given) != known:
        raise ConfigError(
            f"not the settings of {architecture!r}. "
            f"Missing: {_few(known - given.keys())}. Unknown: {_few(given.keys() - known)}.",
            path=path,
            value=(sorted(known - given.keys()), sorted(given.keys() - known)),
            problem=Problem.INVALID,
        )
    usual = asdict(configuration())
    for name, value in given.items():
        if wrong := _wrong(name, value, usual[name]):
            raise ConfigError(
                f"{path} says {_short(value)}, and it must be {wrong}.",
                field=name,
                value=value,
                path=path,
                problem=Problem.INVALID,
            )
    return configuration(**{k: tuple(v) if isinstance(v, list) else v for k, v in given.items()})


def _wrong(name: str, value: Any, usual: Any) -> str | None:
    """What a setting must be, where it is not; its type is that of its usual value."""
    if name in _FIXED:
        return None if value == _FIXED[name] else str(_FIXED[name])
    if name == "sample_rate":  # checked with the settings
        return None
    if isinstance(usual, str):
        fits = isinstance(value, str) and len(value) <= 64
        return None if fits else "text of at most 64 characters"
    if isinstance(usual, tuple):
        fits = isinstance(value, list) and len(value) <= MOST_BLOCKS
        fits = fits and all(_is_size(one, LARGEST) for one in value)
        return None if fits else f"at most {MOST_BLOCKS} whole numbers from 1 to {LARGEST}"
    if isinstance(usual, float):
        fits = type(value) in (int, float) and math.isfinite(value) and 0 <= value <= 1
        return None if fits else "a number from 0 to 1"
    most = MOST_CODES if name == "codes" else LARGEST
    return None if _is_size(value, most) else f"a whole number from 1 to {most}"


def _is_size(value: Any, most: int) -> bool:
    return type(value) is int and 1 <= value <= most


def _short(value: Any) -> str:
    shown = repr(value)
    return shown if len(shown) <= 60 else f"{shown[:57]}..."


def _require_codebooks(path: Path, network: TokenModel) -> None:
    found, wanted = network.tokenizer.digest, network.config.tokenizer
    if found != wanted:
        raise ConfigError(
            f"the codebooks in {path} have digest {found}, {CONFIG} names {wanted}: tokens of one "
            "mean other gains under the other.",
            field="tokenizer",
            path=path,
            value=found,
            problem=Problem.CONFLICT,
        )


def _require_same(path: Path, found: Shapes, wanted: Shapes) -> None:
    reshaped = [
        f"{name} {list(found[name])} for {list(wanted[name])}"
        for name in sorted(found.keys() & wanted.keys())
        if found[name] != wanted[name]
    ]
    missing, unknown = wanted.keys() - found.keys(), found.keys() - wanted.keys()
    if missing or unknown or reshaped:
        raise ConfigError(
            f"not the weights of the network in {CONFIG}. Missing: {_few(missing)}. "
            f"Unknown: {_few(unknown)}. Of another shape: {_few(reshaped)}.",
            path=path,
            value=(sorted(missing), sorted(unknown), reshaped),
            problem=Problem.CONFLICT,
        )


def _few(names: object) -> str:
    listed = sorted(names)  # type: ignore[call-overload]
    shown = ", ".join(listed[:3])
    return f"{shown} and {len(listed) - 3} more" if len(listed) > 3 else shown or "none"
