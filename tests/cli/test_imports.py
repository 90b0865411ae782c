"""Tests that a command imports no slow package before its first output."""

import json
import sys

import pytest

from gensr_pref.building.build import build
from gensr_pref.config import run_file
from tests.commands import finish

HEAVY = ("scipy.signal", "scipy.stats", "scipy.optimize",
         "torch", "torchaudio", "numba", "librosa", "matplotlib", "datasets", "ray",
         "soundfile", "onnxruntime", "huggingface_hub", "httpx", "jinja2")  # fmt: skip
ASK = """
import contextlib, io, json, sys, time
from gensr_pref.cli.main import main
told = []
for words in json.loads(sys.stdin.read()):
    with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO()):
        began = time.process_time()
        try:
            status = main(words)
        except SystemExit as end:
            status = end.code
    seconds = time.process_time() - began
    told.append([status, [name for name in sys.argv[1:] if name in sys.modules], seconds])
print(json.dumps(told))
"""


@pytest.fixture(scope="module")
def finished(tmp_path_factory, base):
    out = tmp_path_factory.mktemp("finished") / "run"
    build(run_file.load(base / "run.yaml"), out, base=base)
    return str(out)


def test_the_first_output_needs_no_heavy_import(finished, base, tmp_path, record_property):
    out = str(tmp_path / "out")
    (tmp_path / "bad.yaml").write_text("corpus: {source: {kind: nothing}}\n")
    bad, nowhere = str(tmp_path / "bad.yaml"), str(tmp_path / "nowhere")
    commands = {
        0: [["--help"], ["status", finished], ["pair", finished, "margin.level=0.001"]],
        2: [["build", nowhere, "--out", out], ["build", bad, "--out", out], ["plan", bad],
            ["build", str(base / "run.yaml"), "--out", out, "engine.workers=many"],
            ["train", bad, "--out", out], ["pair", finished, "margin.nothing=1"],
            ["evaluate", "fm-tiny", "--out", out], ["score", nowhere, "--out", f"{out}.csv"],
            ["restore", nowhere, out, "--generator", "cheap:Hiss"],
            *([name, nowhere] for name in ("status", "pair", "audit", "listen")),
            ["export", nowhere, out]],
    }  # fmt: skip
    for status, words in commands.items():
        answer = finish([sys.executable, "-c", ASK, *HEAVY], given=json.dumps(words), cwd=base)
        told = json.loads(answer)
        assert [one[0] for one in told] == [status] * len(words)
        for one, (_, heavy, seconds) in zip(words, told, strict=True):
            assert heavy == [], one
            record_property(" ".join(one[:1]), f"{seconds:.2f} CPU seconds")
