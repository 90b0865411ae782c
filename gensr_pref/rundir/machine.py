"""The kind of machine that a part was computed on.

The same run gives the same bytes on machines of one kind. The last bits of a model's arithmetic
depend on the processor's instructions and on the versions of the libraries.
"""

from __future__ import annotations

import platform
import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from importlib import metadata
from pathlib import Path
from typing import Any

PAGE = "docs/run-directory.md"


@dataclass(frozen=True)
class Machine:
    """What determines the last bits of computed numbers, as far as it is known.

    Attributes:
        processor: model name, such as ``AMD EPYC 9654``.
        instructions: instruction set that torch's kernels use, such as ``AVX512``.
        accelerator: model name of the GPU; empty if none is used.
        threads: number of torch's threads in the process that computed the part.
        torch, numpy, onnxruntime: versions; empty if the library is not installed.
    """

    processor: str
    instructions: str
    accelerator: str
    threads: int
    torch: str
    numpy: str
    onnxruntime: str

    def __str__(self) -> str:
        name = f"{self.processor} ({self.instructions})"
        parts = [name, *filter(None, [self.accelerator])]
        parts += [f"{library} {version}" for library, version in self._versions() if version]
        return ", ".join([*parts, f"{self.threads} thread{'' if self.threads == 1 else 's'}"])

    def _versions(self) -> list[tuple[str, str]]:
        return [(name, getattr(self, name)) for name in ("torch", "numpy", "onnxruntime")]

    def as_json(self) -> dict[str, str | int]:
        """Return the fields by name."""
        return asdict(self)

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Machine:
        """Return the machine that `as_json` of this version, or of a later one, described.

        Raises:
            TypeError: a field is missing.
        """
        return cls(**{field.name: data[field.name] for field in fields(cls) if field.name in data})


def this_machine(device: str) -> Machine:
    """Return the machine that this process computes on.

    Args:
        device: torch device of the models, such as ``cpu`` or ``cuda:1``.
    """
    import torch

    cuda = device.startswith("cuda")
    return Machine(
        _processor(),
        torch.backends.cpu.get_cpu_capability(),
        torch.cuda.get_device_name(device) if cuda else "" if device == "cpu" else device,
        torch.get_num_threads(),
        *(_version(name) for name in ("torch", "numpy", "onnxruntime")),
    )


def mixture_notices(machines: Mapping[str, Mapping[Machine, int]]) -> list[str]:
    """Return a notice for each stage whose parts were computed on several kinds of machine.

    Args:
        machines: stage -> machine -> number of shards, as `ledger.machines` returns it.
    """
    return [
        f"{stage}: computed on {len(kinds)} kinds of machine, whose last bits may differ "
        f"(see {PAGE}): " + "; ".join(f"{count} shards on {kind}" for kind, count in kinds.items())
        for stage, kinds in machines.items()
        if len(kinds) > 1
    ]


def _processor() -> str:
    try:
        description = Path("/proc/cpuinfo").read_text(encoding="utf-8", errors="replace")
    except OSError:
        description = ""
    match = re.search(r"^model name\s*:\s*(.+)$", description, re.MULTILINE)
    return match[1].strip() if match else platform.processor() or platform.machine()


def _version(name: str) -> str:
    try:
        return metadata.version(name)
    except metadata.PackageNotFoundError:
        return ""
