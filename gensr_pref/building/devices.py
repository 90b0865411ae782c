"""The devices of this machine."""

from __future__ import annotations

from gensr_pref.errors import ConfigError, Problem


def require_device(device: str, field: str) -> None:
    """Refuse what is no torch device, or is not on this machine.

    Args:
        device: such as ``cpu``, ``cuda``, ``cuda:1``, ``mps``.
        field: where it was asked for, for the message.

    Raises:
        ConfigError: the message says what torch says.
    """
    if device == "cpu":
        return
    import torch

    try:
        torch.empty(0, device=device)
    except (RuntimeError, AssertionError) as error:
        told = str(error).splitlines()[0]
        raise ConfigError(
            f"{device!r} cannot be used here: {told}",
            field=field,
            value=device,
            problem=Problem.UNSUPPORTED,
        ) from error
