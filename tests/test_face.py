"""What `import gensr_pref` offers, and what it costs."""

import json
import subprocess
import sys

import pytest

import gensr_pref

EXPECTED = {
    "Candidate", "GensrPrefError", "MetricSpec", "MetricUse", "Panel", "Reason", "Run", "Score",
    "Sound", "Unusable", "align", "audit", "build", "evaluate", "export", "load", "pair", "restore",
    "score",
}  # fmt: skip


def test_names_are_those_that_are_promised():
    assert set(gensr_pref.__all__) == EXPECTED
    assert set(dir(gensr_pref)) >= EXPECTED


@pytest.mark.parametrize("name", sorted(EXPECTED))
def test_name_is_what_its_module_defines(name):
    value = getattr(gensr_pref, name)
    assert callable(value)
    assert value.__name__ == name
    assert value.__module__.startswith("gensr_pref.")


def test_unknown_name_is_an_attribute_error():
    with pytest.raises(AttributeError, match="'bild'"):
        _ = gensr_pref.bild


def test_importing_loads_neither_torch_nor_ray():
    code = (
        "import json, sys; import gensr_pref; "
        "print(json.dumps(sorted({name.partition('.')[0] for name in sys.modules})))"
    )
    loaded = set(json.loads(subprocess.check_output([sys.executable, "-c", code], text=True)))
    assert "gensr_pref" in loaded
    assert loaded.isdisjoint({"torch", "ray", "numpy", "pyarrow", "pydantic"})


def test_functions_stay_functions_after_their_rooms_are_imported():
    """A name of the package must not be shadowed by a sub-package of the same name."""
    import gensr_pref.auditing.run_audit
    import gensr_pref.building.build
    import gensr_pref.exporting.export_run
    from gensr_pref import audit, build, evaluate, export, score

    assert all(map(callable, (audit, build, evaluate, export, score)))
    assert gensr_pref.build is build
