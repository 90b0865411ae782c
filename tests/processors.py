"""Run the numeric tests as other processors would: ``python -m tests.processors``.

Torch, oneDNN, MKL, NumPy and Numba choose their kernels by the processor's features, so the last
bits of a sum differ between processors. Each library has a setting that disables newer
instructions. This program runs the tests that compare computed numbers once under every
instruction set of this processor, and prints a table. Two libraries are not varied: onnxruntime,
which has no such setting, and OpenBLAS, whose variables some machines set because their processor
needs them.

    python -m tests.processors                      all sets, all numeric tests
    python -m tests.processors --sets AVX2 -- -k padding        one set, and pytest's own options
"""

from __future__ import annotations

import argparse
import os
import re
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

ROOT = Path(__file__).parents[1]
TESTS = ("tests/aligning/test_dpo.py", "tests/aligning/test_align.py", "tests/generators",
         "tests/metrics", "tests/corpus/test_degrade.py", "tests/test_examples.py")  # fmt: skip


@dataclass(frozen=True)
class InstructionSet:
    """What the libraries are told to use.

    Attributes:
        name: of the set.
        below: flags of ``/proc/cpuinfo`` of which the processor needs one, so that it is another
            set than the processor's own.
        environment: the libraries' variables.
    """

    name: str
    below: frozenset[str] = frozenset()
    environment: dict[str, str] = field(default_factory=dict)


AVX512 = frozenset({"avx512f"})
NEWER = frozenset({"avx512_vnni", "avx512_bf16", "avx512_fp16", "amx_tile"})
AVX2 = frozenset({"avx2"})
SETS = (
    InstructionSet("native"),
    InstructionSet("AVX-512", NEWER, {"ONEDNN_MAX_CPU_ISA": "AVX512_CORE"}),
    InstructionSet(
        "AVX2",
        AVX512,
        {"ATEN_CPU_CAPABILITY": "avx2", "ONEDNN_MAX_CPU_ISA": "AVX2", "MKL_CBWR": "AVX2",
         "MKL_ENABLE_INSTRUCTIONS": "AVX2", "NUMBA_CPU_NAME": "haswell"},
    ),
    InstructionSet(
        "SSE",
        AVX2,
        {"ATEN_CPU_CAPABILITY": "default", "ONEDNN_MAX_CPU_ISA": "SSE41",
         "MKL_CBWR": "COMPATIBLE", "MKL_ENABLE_INSTRUCTIONS": "SSE4_2",
         "NUMBA_CPU_NAME": "generic"},
    ),
    InstructionSet("oneDNN-AVX2", AVX512, {"ONEDNN_MAX_CPU_ISA": "AVX2"}),
    InstructionSet("oneDNN-SSE", AVX2, {"ONEDNN_MAX_CPU_ISA": "SSE41"}),
    InstructionSet("ATen-AVX2", AVX512, {"ATEN_CPU_CAPABILITY": "avx2"}),
    InstructionSet("ATen-default", AVX2, {"ATEN_CPU_CAPABILITY": "default"}),
    InstructionSet("MKL-AVX2", AVX512, {"MKL_ENABLE_INSTRUCTIONS": "AVX2"}),
    InstructionSet("MKL-compatible", AVX2, {"MKL_CBWR": "COMPATIBLE"}),
)  # fmt: skip


def available() -> list[InstructionSet]:
    """The sets that differ on this processor; only its own where its flags are not known."""
    flags = _flags()
    return [one for one in SETS if not one.below or one.below & flags]


def environment(chosen: InstructionSet) -> dict[str, str]:
    """The environment of a process that is to use a set."""
    own = {"NPY_DISABLE_CPU_FEATURES": _numpy_features()} if chosen.name == "SSE" else {}
    return {**os.environ, **chosen.environment, **own}


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the tests and print the table; 1 where a test failed."""
    parser = argparse.ArgumentParser(prog="python -m tests.processors")
    parser.add_argument("--sets", nargs="+", choices=[one.name for one in SETS])
    parser.add_argument("pytest", nargs="*", help="tests or options, in place of all numeric tests")
    asked = parser.parse_args(arguments)
    chosen = [one for one in available() if not asked.sets or one.name in asked.sets]
    rows = [_run(one, asked.pytest or ["-m", "not slow", *TESTS]) for one in chosen]
    print(f"\n{'set':<16} {'seconds':>7}  result")
    for name, seconds, _, said, others in rows:
        print(f"{name:<16} {seconds:>7.0f}  {said}")
        for test in others:
            print(f"{'':<25} {test}")
    return int(any(code for _, _, code, _, _ in rows))


def _run(chosen: InstructionSet, options: Sequence[str]) -> tuple[str, float, int, str, list[str]]:
    """The set, seconds, exit code, pytest's last line and the tests that failed or were skipped."""
    print(f"{chosen.name} ...", file=sys.stderr, flush=True)
    began = time.monotonic()
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", *options]
    done = subprocess.run(
        command, cwd=ROOT, env=environment(chosen), capture_output=True, text=True, check=False
    )
    lines = done.stdout.strip().splitlines() or done.stderr.strip().splitlines() or [""]
    others = re.findall(r"^(?:FAILED|ERROR|SKIPPED) .*$", done.stdout, re.MULTILINE)
    return chosen.name, time.monotonic() - began, done.returncode, lines[-1], others


def _flags() -> frozenset[str]:
    try:
        told = Path("/proc/cpuinfo").read_text(encoding="utf-8")
    except OSError:
        return frozenset()
    found = re.search(r"^flags\s*:(.*)$", told, re.MULTILINE)
    return frozenset(found[1].split()) if found else frozenset()


def _numpy_features() -> str:
    """What NumPy's kernels beyond its baseline use here."""
    return " ".join(_dispatched())


def _dispatched() -> Iterator[str]:
    from numpy._core._multiarray_umath import __cpu_dispatch__, __cpu_features__

    return (name for name in __cpu_dispatch__ if __cpu_features__.get(name))


if __name__ == "__main__":
    sys.exit(main())
