"""Checks that a torch device exists on this machine."""

from __future__ import annotations

from gensr_pref.errors import ConfigError, Problem


def require_device(device: str, field: str) -> None:
    """Refuse a name that is not a torch device, or whose device is not on this machine.

    Args:
        device: such as ``cpu``, ``cuda``, ``cuda:1``, ``mps``.
        field: field of the run file or parameter that names the device, for the message.

    Raises:
        ConfigError: torch cannot use the device; the message quotes torch.
    """
    if device == "cpu":
        return
    import torch

    try:
        torch.empty(0, device=device)
    except (RuntimeError, AssertionError) as error:
        reason = str(error).splitlines()[0]
        raise ConfigError(
            f"{device!r} cannot be used here: {reason}",
            field=field,
            value=device,
            problem=Problem.UNSUPPORTED,
        ) from error
