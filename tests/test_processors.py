"""Tests of what must hold on every processor, under other instruction sets of this one."""

import os

import pytest

from tests.processors import available, environment, main

INVARIANTS = ["tests/aligning/test_dpo.py", "-k", "padding or formula or ln_2"]


def test_sets_leave_newer_instructions_unused() -> None:
    named = {one.name: environment(one) for one in available()}
    assert named["native"] == dict(os.environ)
    if "SSE" in named:
        assert named["SSE"]["ATEN_CPU_CAPABILITY"] == "default"
        assert named["SSE"]["NPY_DISABLE_CPU_FEATURES"]


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_invariants_hold_under_the_oldest_instructions() -> None:
    if "SSE" not in {one.name for one in available()}:
        pytest.skip("this processor has no older instruction set that can be asked for")
    assert main(["--sets", "SSE", "--", *INVARIANTS]) == 0
