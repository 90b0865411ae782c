"""What `import gensr_pref` offers, and what it costs."""

import ast
import json
import re
import subprocess
import sys
from pathlib import Path

import pytest
import soundfile
import yaml

import gensr_pref
from gensr_pref import Panel, Run, audit, build, evaluate, export, pair, restore, score
from gensr_pref.errors import ConfigError
from tests.refusals import raises
from tests.small_run import RUN, tables

EXPECTED = {
    "Candidate", "ClipSounds", "ExportOptions", "GensrPrefError", "HubTarget", "MetricSpec",
    "MetricUse", "Pair", "Panel", "PublishingOptions", "Reason", "Rows", "Run", "Score", "Sound",
    "Unusable", "align", "audit", "build", "evaluate", "export", "load", "orient_scores", "pair",
    "publish", "restore", "score", "score_each",
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


def test_the_package_itself_does_not_use_the_face():
    """The layers cannot see such an import, by which any package would reach any other."""
    source = Path(gensr_pref.__file__).parent
    for path in source.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.ImportFrom) and node.module == "gensr_pref":
                assert not {name.name for name in node.names} & EXPECTED, path


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


README = (Path(__file__).parents[1] / "README.md").read_text(encoding="utf-8")
SERIAL = {"kind": "serial"}


@pytest.fixture(scope="module")
def made(base, tmp_path_factory):
    """A run that was built from the text of two paths."""
    out = tmp_path_factory.mktemp("face") / "run"
    assert build(str(base / "run.yaml"), str(out))["complete"]
    return out


@pytest.fixture
def project(base, monkeypatch):
    monkeypatch.chdir(base)
    monkeypatch.syspath_prepend(base)
    return base


@pytest.mark.parametrize("form", ["path", "data", "model"])
def test_a_run_is_a_file_or_its_data_or_a_model(made, base, tmp_path, form):
    run = {"path": base / "run.yaml", "data": RUN, "model": Run(**RUN)}[form]
    folder = None if form == "path" else str(base)
    build(run, tmp_path / "run", base=folder)
    assert tables(tmp_path / "run") == tables(made)


def test_relative_paths_of_data_start_from_the_working_folder(made, project, tmp_path):
    build(RUN, tmp_path / "run")
    assert tables(tmp_path / "run") == tables(made)


@pytest.mark.parametrize("form", ["path", "data", "model"])
def test_overrides_hold_for_every_form_of_a_run(base, tmp_path, form):
    run = {"path": base / "run.yaml", "data": RUN, "model": Run(**RUN)}[form]
    summary = build(run, tmp_path / "run", base=base, overrides=["corpus.limit=2"])
    assert summary["clips"] == 2


def test_a_run_may_be_at_a_url(base, tmp_path):
    url = f"file://{tmp_path}/run"
    build(base / "run.yaml", url, overrides=["corpus.limit=2"])
    assert audit(url)["clips"] == 2
    assert (tmp_path / "run" / "run.yaml").exists()


def test_one_text_in_place_of_overrides_is_refused(made, base, tmp_path):
    with raises(ConfigError, field="overrides", problem="invalid"):
        build(base / "run.yaml", tmp_path / "run", overrides="corpus.limit=2")
    with raises(ConfigError, field="overrides", problem="invalid"):
        pair(made, "margin.level=0.1")
    assert not (tmp_path / "run").exists()


def test_an_evaluation_is_data_or_a_file(made, base, tmp_path):
    generators = [{"use": "cheap:Hiss", "name": "a"}, {"use": "cheap:Hiss", "name": "b"}]
    data = {"clips": "run.yaml", "generators": generators, "samples": 2, "engine": SERIAL}
    summary, result = evaluate(data, str(tmp_path / "out"), base=str(base))
    assert summary["complete"]
    assert set(result["policies"]) == {"a", "b", "placebo"}
    path = tmp_path / "evaluation.yaml"
    path.write_text(yaml.safe_dump({**data, "clips": str(base / "run.yaml")}))
    (tmp_path / "cheap.py").write_bytes((base / "cheap.py").read_bytes())
    from_file = evaluate(str(path), tmp_path / "other")[1]
    assert from_file["scores"] == result["scores"]


def test_files_are_scored_and_restored_by_name(project, tmp_path):
    source, out = project / "speech", tmp_path / "restored"
    result = restore(str(source), str(out), "cheap:Hiss", seed=1)
    assert result["restored"] == len(list(source.glob("*.flac")))
    table = score(str(out), str(tmp_path / "s.csv"), ["stoi", "cheap:Roughness"],
                  reference=str(source))  # fmt: skip
    assert table["systems"]["restored"]["files"] == result["restored"]
    assert (tmp_path / "s.csv").exists()


def test_a_generator_may_be_an_entry_of_a_run_file(project, tmp_path):
    [one, *_] = sorted((project / "speech").glob("*.flac"))
    use = {"use": "cheap:Hiss", "options": {"name": "other"}}
    assert restore(one, tmp_path / "one.flac", use)["restored"] == 1
    with raises(ConfigError, problem="unknown"):
        restore(one, tmp_path / "two.flac", {"use": "cheap:Hiss", "optoins": {}})


def test_a_panel_takes_names_and_files(project):
    [one, *_] = sorted((project / "speech").glob("*.flac"))
    wave, rate = soundfile.read(one, dtype="float32")
    panel = Panel(["stoi", "cheap:Roughness"], base=str(project))
    [result] = panel.score([str(one)], clean=gensr_pref.Sound(wave, rate))
    assert result.values["stoi"] == pytest.approx(1)


def test_lines_of_the_readme_run_as_pasted(project, tmp_path):
    [text] = re.findall(r"```python\n(from gensr_pref import .*?)```", README, re.S)
    for path in ("runs/first", "dataset"):
        text = text.replace(f'"{path}"', repr(str(tmp_path / path)))
    exec(compile(text.replace("dnsmos_ovrl=0.1", "roughness=0.0001"), "README.md", "exec"), {})
    assert json.loads((tmp_path / "runs/first/summary.json").read_text())["pairs"]
    assert (tmp_path / "dataset" / "README.md").exists()


def test_an_export_needs_two_paths(made, tmp_path):
    result = export(str(made), str(tmp_path / "dataset"))
    assert result["form"] == "parquet"
    assert (tmp_path / "dataset" / "README.md").exists()
