"""On what kind of machine a part was computed.

The same run gives the same bytes on machines of one kind: the last bits of a model's arithmetic
depend on the processor's instructions and on the libraries' versions.
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
    """What decides the last bits of computed numbers, as far as it can be known.

    Attributes:
        processor: the model's name, such as ``AMD EPYC 9654``.
        instructions: what torch's kernels use of it, such as ``AVX512``.
        accelerator: the model's name of a GPU; empty where none is used.
        threads: of torch in the process that computed.
        torch, numpy, onnxruntime: versions; empty where it is not installed.
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

    def as_json(self) -> dict[str, Any]:
        """Its fields."""
        return asdict(self)

    @classmethod
    def from_json(cls, found: Mapping[str, Any]) -> Machine:
        """What `as_json` gave, of this version or a later one.

        Raises:
            TypeError: a field is missing.
        """
        return cls(**{one.name: found[one.name] for one in fields(cls) if one.name in found})


def this_machine(device: str) -> Machine:
    """The machine that this process computes on.

    Args:
        device: torch's, that the models are on, such as ``cpu`` or ``cuda:1``.
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


def mixture_notices(found: Mapping[str, Mapping[Machine, int]]) -> list[str]:
    """What to say where the parts of one stage were computed on machines of several kinds.

    Args:
        found: stage -> machine -> shards, as `ledger.machines` returns it.
    """
    return [
        f"{stage}: computed on {len(kinds)} kinds of machine, whose last bits may differ "
        f"(see {PAGE}): " + "; ".join(f"{count} shards on {one}" for one, count in kinds.items())
        for stage, kinds in found.items()
        if len(kinds) > 1
    ]


def _processor() -> str:
    try:
        told = Path("/proc/cpuinfo").read_text(encoding="utf-8", errors="replace")
    except OSError:
        told = ""
    found = re.search(r"^model name\s*:\s*(.+)$", told, re.MULTILINE)
    return found[1].strip() if found else platform.processor() or platform.machine()


def _version(name: str) -> str:
    try:
        return metadata.version(name)
    except metadata.PackageNotFoundError:
        return ""
