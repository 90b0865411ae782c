"""Tests of every promise in docs/security.md about untrusted files.

The untrusted run is a real, consistent one. Its generator, metric and rule were built with a
harmless module, which is then replaced by one that leaves a mark when it is imported.
"""

from __future__ import annotations

import csv
import json
import os
import re
import shutil
import socket
import struct
import sys
import threading
import time
import typing
from pathlib import Path
from urllib.request import urlopen

import pytest
import yaml
from pydantic import BaseModel

from gensr_pref import audio, schema
from gensr_pref.auditing.listening import server
from gensr_pref.building.build import build
from gensr_pref.cli.main import main
from gensr_pref.cli.output import show
from gensr_pref.config import run_file
from gensr_pref.corpus.table_sources import _recording
from gensr_pref.errors import ConfigError, InputError, RunMismatchError, Unusable
from gensr_pref.exporting.dataset import ExportOptions
from gensr_pref.exporting.export_run import export
from gensr_pref.identity import bytes_digest
from gensr_pref.rundir import document as rundir
from gensr_pref.rundir import integrity, ledger, part_files, provenance, shards
from tests.commands import finish, run_command, run_json
from tests.refusals import raises, refuses
from tests.small_run import RUN

EVIL = "evil:run"
SYSTEM = "os:system"
HARMLESS = """
class Run(Hiss):
    licence = "evil:licence"

    def __init__(self, recogniser="", command="", checkpoint=""):
        super().__init__("evil")


class Metric(Roughness):
    def __init__(self, recogniser="", encoder="", checkpoint=""):
        super().__init__()


def rule(ballot, pairing):
    return [Pair(0, 1, 1.0)] if len(ballot.scores) > 1 else []
"""
OPTIONS = {"recogniser": EVIL, "checkpoint": SYSTEM}


@pytest.fixture(scope="module")
def there(base, tmp_path_factory):
    """A folder as a stranger gives it, with the run in it, an export, and `evil.py` beside them."""
    folder = tmp_path_factory.mktemp("stranger")
    for part in ("speech", "noise"):
        shutil.copytree(base / part, folder / part)
    innocent = (base / "cheap.py").read_text(encoding="utf-8") + HARMLESS
    (folder / "evil.py").write_text(innocent, encoding="utf-8")
    text = "=1+cmd|' calc'!A0 \x1b]0;x\x07 \u202egnp.exe <script>alert(1)</script> $_{$"
    data = {
        **RUN,
        "name": EVIL,
        "credits": [{"of": "speech", "name": EVIL, "licence": SYSTEM, "by": text, "cite": text}],
        "generators": [{"use": "evil:Run", "candidates": 3, "options": OPTIONS}],
        "panel": [{"metric": "evil:Metric", "options": {**OPTIONS, "encoder": SYSTEM}}],
        "pairing": {"rule": "evil:rule"},
    }
    data["corpus"] = {**data["corpus"], "limit": 4, "validation": {"share": 0.5, "by": "clip"}}
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(str(folder))
        build(run_file.parse(data, run_file.Run, "test"), folder / "run", base=folder)
        sys.modules.pop("evil")
    (folder / "evil.py").write_text(_marking(folder), encoding="utf-8")
    export(folder / "run", folder / "exported", ExportOptions())
    (folder / "run" / "listening").mkdir()
    answer = dict.fromkeys(("listener", "trial", "kind", "clip_id", "chosen_id"), EVIL)
    answer |= {"rejected_id": SYSTEM, "preferred": "chosen", "a": EVIL}
    odd = ["[]", "{}", "[" * 5000, "NaN", json.dumps({**answer, "trial": 3}), json.dumps(answer)]
    (folder / "run" / "listening" / "votes-evil.jsonl").write_text("\n".join(odd))
    return folder


def _marking(folder: Path) -> str:
    return (
        f"open({str(folder / 'it ran')!r}, 'a').write('x')\ndef __getattr__(name): return print\n"
    )


@pytest.fixture
def stranger(there, tmp_path, monkeypatch):
    """A copy of the folder as the working one, and on the path as by PYTHONPATH."""
    folder = tmp_path / "stranger"
    shutil.copytree(there, folder)
    (folder / "evil.py").write_text(_marking(folder), encoding="utf-8")
    monkeypatch.chdir(folder)
    monkeypatch.setattr(sys, "path", [str(folder), *sys.path])
    monkeypatch.setattr(os, "system", lambda _: (folder / "it ran").touch())
    yield folder
    assert not (folder / "it ran").exists(), "code that a stranger's file names has run"
    assert "evil" not in sys.modules


COMMANDS = [
    "status run",
    "audit run",
    "audit run --json",
    "audit run run",
    "pair run",
    "pair run votes=[roughness]",
    "pair run rule=unanimous",
    "listen run --export webmushra",
    "export run out --format parquet --candidates audio --clean",
    "export run out --format wav-jsonl",
    "export run out --format trl",
    "export run out --anonymise hash",
    "evaluate a=fm-tiny b=ar-tiny --clips run --out evaluated --workers 1",
    "evaluate a=fm-tiny b=ar-tiny --clips run/run.yaml --out evaluated --workers 1",
    "evaluate a=fm-tiny b=ar-tiny --clips exported --out evaluated --workers 1",
    "evaluate a=fm-tiny b=ar-tiny --clips exported --out run --panel si_sdr --workers 1",
    "evaluate a=fm-tiny b=fm-tiny:checkpoint=checkpoint --clips run --panel si_sdr --out evaluated",
    "train dpo.yaml --out trained",
    "train dpo.yaml --out trained pairs.source={kind: export, path: exported}",
    "metrics",
    "generators",
]
FIRST = [
    one for one in COMMANDS if one.startswith(("status", "pair run rule", "export run out --f"))
]


def furnish(folder: Path) -> None:
    """A recipe of the user's own, and a checkpoint of the stranger's that names code."""
    recipe = {"recipe": "dpo", "generator": {"use": "fm-tiny"},
              "pairs": {"source": {"kind": "run", "path": "run"}}}  # fmt: skip
    (folder / "dpo.yaml").write_text(yaml.safe_dump(recipe))
    (folder / "checkpoint").mkdir(exist_ok=True)
    named = {"architecture": EVIL, "class": EVIL, "tokenizer": EVIL, "auto_map": {"A": EVIL}}
    (folder / "checkpoint" / "config.json").write_text(json.dumps(named))
    (folder / "checkpoint" / "model.safetensors").write_bytes(b"\x02" + 7 * b"\0" + b"{}")
    source = {"kind": "run", "path": "../run"}
    told = {"recipe": EVIL, "pairs": {"source": source, "labels": EVIL}, "base": "."}
    (folder / "checkpoint" / "recipe.json").write_text(json.dumps(told))


@pytest.mark.usefixtures("unrendered_figures")
@pytest.mark.parametrize("commands", [FIRST, pytest.param(COMMANDS, marks=pytest.mark.slow)])
def test_no_command_but_build_runs_what_a_run_directory_names(stranger, commands, console):
    furnish(stranger)
    for command in commands:
        words = re.findall(r"(?:\{[^}]*\}|\S)+", command)
        assert main(words) in (0, 1, 2), command
        console.require_no_traceback()
        assert not (stranger / "it ran").exists(), command
    assert main(["status", "run"]) == 0
    assert main(["audit", "run"]) == 0
    assert json.loads((stranger / "run/audit/audit.json").read_text())["clips"] == 4


def test_the_listening_page_runs_nothing_either(stranger):
    with server.open_server(stranger / "run", 4) as (url, serve):
        threading.Thread(target=serve, daemon=True).start()
        with urlopen(url) as page:
            assert "evil" not in page.read().decode()
        with urlopen(f"{url}next?listener=me") as following:
            assert json.load(following)["trial"]


@pytest.mark.usefixtures("unrendered_figures")
def test_a_rule_of_someone_is_run_where_the_user_names_it(stranger):
    refuses(["pair", "run"], InputError, path="run", value="evil:rule", problem="unsafe")
    mine = "def best(ballot, pairing):\n    from gensr_pref.pairing.base import Pair\n"
    (stranger / "of_mine.py").write_text(mine + "    return [Pair(0, 1, 1.0)]\n")
    try:
        told = run_json("pair", "run", "rule=of_mine:best")
    finally:
        sys.modules.pop("of_mine", None)
    assert told["audit"]["yield"]["by_chance"] is not None
    told = run_json("audit", "run")
    assert told["rule"] == "of_mine:best"
    assert told["yield"]["by_chance"] is None
    assert told["yield"]["by_chance_reason"] == "rule_not_run"


def texts_of(model: type[BaseModel], data: dict, at: tuple = ()):
    """The places of every field below a model that may hold a text, or anything."""
    for name, field in model.model_fields.items():
        value = data.get(name)
        yield from _texts_in(field.annotation, value, (*at, name))


def _texts_in(annotation, value, at):
    parts = typing.get_args(annotation)
    if annotation is str or annotation is typing.Any:
        yield at
    elif isinstance(value, list):
        for place, one in enumerate(value):
            for part in parts:
                yield from _texts_in(part, one, (*at, place))
    elif isinstance(annotation, type) and issubclass(annotation, BaseModel):
        if isinstance(value, dict):
            yield from texts_of(annotation, value, at)
    else:
        for part in parts:
            yield from _texts_in(part, value, at)


def leaves(node, at=()):
    """The places of all texts in nested data."""
    children = node.items() if isinstance(node, dict) else enumerate(node)
    for key, value in children:
        if isinstance(value, dict | list):
            yield from leaves(value, (*at, key))
        elif isinstance(value, str):
            yield (*at, key)


def nodes(node, at=()):
    """The places of all values in nested data, of lists and mappings too."""
    children = node.items() if isinstance(node, dict) else enumerate(node)
    for key, value in children:
        yield (*at, key)
        if isinstance(value, dict | list):
            yield from nodes(value, (*at, key))


def put(node, at, value) -> None:
    for key in at[:-1]:
        node = node[key]
        if node is None or isinstance(node, str):
            return
    node[at[-1]] = value


def sealed(out: Path, data: dict) -> None:
    """Write anything as a run.yaml whose first line has the digest of the rest."""
    text = yaml.safe_dump(data, sort_keys=False, allow_unicode=True, width=100)
    digest = bytes_digest(text.encode())
    (out / "run.yaml").write_text(f"{rundir._FIRST_LINE}{digest}\n{text}", encoding="utf-8")


def test_the_walk_of_the_run_file_meets_every_field_that_takes_a_name(there):
    data = rundir.read_document(there / "run").as_data()
    places = {".".join(map(str, at)) for at in texts_of(run_file.Run, data)}
    assert {"generators.0.use", "panel.0.metric", "pairing.rule", "credits.0.licence"} <= places
    assert {"name", "corpus.source.path", "generators.0.options"} <= places


@pytest.mark.parametrize("value", [None, 3, -1.5, True, "x", [], ["x"], {}, {"x": 1}])
def test_any_value_of_run_yaml_may_have_another_type(there, tmp_path, value):
    """The file is written and read for one value of each section, as parsing YAML takes long."""
    data = rundir.read_document(there / "run").as_data()
    for at in nodes(data):
        changed = json.loads(json.dumps(data))
        put(changed, at, value)
        try:
            document = rundir._validate(tmp_path, changed)
        except (RunMismatchError, *rundir._MALFORMED):
            document = None
        if document is not None:
            assert document.as_data() == changed, at
        if len(at) > 1:
            continue
        sealed(tmp_path, changed)
        if document is not None:
            assert rundir.read_document(tmp_path).as_data() == changed, at
        else:
            with raises(RunMismatchError):
                rundir.read_document(tmp_path)


@pytest.mark.slow
@pytest.mark.usefixtures("unrendered_figures")
@pytest.mark.parametrize("name", [EVIL, SYSTEM, "command", "=1+1\x1b[2J\u202e"])
def test_every_text_of_run_yaml_may_be_a_name_of_code(stranger, name, console):
    """All texts that leave the document a run's, at once; then each kind of section alone."""
    data = rundir.read_document(stranger / "run").as_data()
    walked = [at for at in texts_of(run_file.Run, data) if at[-1] != "options"]
    columns = ("name", "unit")  # of the scores, which are columns of the tables
    known = [at for at in leaves(data) if not ("scores" in at and at[-1] in columns)]
    for places in (walked, known, [at for at in known if at[0] == "provenance"]):
        poisoned = json.loads(json.dumps(data))
        for at in places:
            put(poisoned, at, name)
        sealed(stranger / "run", poisoned)
        for command in ("status run", "audit run", "pair run", "export run out",
                        "listen run --export heard",
                        "evaluate a=fm-tiny b=ar-tiny --clips run --out evaluated"):  # fmt: skip
            assert main(command.split()) in (0, 1, 2), command
            console.require_nothing_hidden()
            shutil.rmtree(stranger / "heard", ignore_errors=True)


def test_the_working_folder_is_not_searched_for_modules(stranger):
    """Libraries try to import what is optional, such as pandas `bottleneck`."""
    mark = f"open({str(stranger / 'it ran')!r}, 'a').write(__name__)\nraise ImportError\n"
    for name in ("bottleneck", "numexpr", "torchcodec", "brotli", "simplejson", "sitecustomize"):
        (stranger / f"{name}.py").write_text(mark)
    environment = {k: v for k, v in os.environ.items() if k != "PYTHONPATH"}
    command = [Path(sys.executable).with_name("gensr-pref"), "export", "run", "out"]
    finish(command, env=environment)


def test_what_is_shown_and_written_has_nothing_hidden_in_it(stranger):
    assert main(["audit", "run"]) == 0
    assert main(["export", "run", "out"]) == 0
    for path in ("run/audit/report.html", "out/README.md"):
        text = (stranger / path).read_text(encoding="utf-8")
        assert not re.search("[\x00-\x08\x0b-\x1f\x7f\u202a-\u202e\u2066-\u2069]", text), path
        assert "<script>alert" not in text, path


@pytest.mark.usefixtures("unrendered_figures")
@pytest.mark.parametrize(
    ("file", "content"),
    [
        ("run.yaml", "a0: &a0 [x,x,x,x,x,x,x,x,x]\n" + "".join(
            f"a{k}: &a{k} [{','.join([f'*a{k - 1}'] * 9)}]\n" for k in range(1, 12))),
        ("run.yaml", "[" * 5000),
        ("run.yaml", "- 1"),
        ("run.yaml", "\x00"),
        ("summary.json", "[1]"),
        ("summary.json", "[" * 5000),
        ("audit/audit.json", '{"panel": 3}'),
        ("audit/audit.json", "NaN"),
        ("progress.jsonl", '{"state": 3}\n'),
        ("progress.jsonl", "[" * 5000),
        ("timings.jsonl", '{"stage": 1}\n{"parts": 3}\n[1]\n{"parts": {"clips/a": [1]}}'),
        ("shards.jsonl", '{"shard": "x", "clips": 3}\n[]\n"x"'),
        ("notices.jsonl", "{}\n[]\n"),
        ("listening/votes-evil.jsonl", "\x00\n{\n"),
    ],
)  # fmt: skip
def test_a_damaged_file_is_one_sentence(stranger, file, content, console):
    path = stranger / "run" / file
    path.parent.mkdir(exist_ok=True)
    path.write_text(content)
    os.utime(path, (time.time() + 5, time.time() + 5))
    for command in ("status run", "audit run", "pair run rule=unanimous", "export run out"):
        began = time.process_time()
        assert main(command.split()) in (0, 1, 2), command
        console.require_no_traceback()
        assert time.process_time() - began < 20


def forged(out: Path, data: dict, change) -> None:
    """Write a run anew, so that all its digests, fingerprints and records agree.

    Args:
        change: of each table, told the name of it.
    """
    run, written = rundir.RunDocument.model_validate(data), {}
    rundir.write_document(out, run)
    for shard, one in enumerate(shards.read_shards(out)):
        for made in provenance.MADE:
            path = part_files.part(out, made, shard)
            table = change(part_files.read(path), made).replace_schema_metadata()
            written[path] = part_files.write_table(
                path, table, provenance.part_record(made, run, *one.columns).as_data()
            )
    scores = {path: stamp for path, stamp in written.items() if path.parent.name == "scores"}
    path = part_files.part(out, "pairs", 0)
    made_from = {integrity.SCORES: integrity.parts_digest(scores)}
    told = {**run.facts(), "pairing": run.pairing, "stops": {}, **made_from}
    table = change(part_files.read(path), "pairs").replace_schema_metadata()
    written[path] = part_files.write_table(path, table, told)
    ledger.record_parts(out, {ledger.part_name(path): stamp for path, stamp in written.items()})


def filled(table: str, name: str, value):
    """A change that puts one value into every row of a column."""
    import pyarrow as pa

    def change(rows, of):
        if of != table:
            return rows
        place = rows.schema.get_field_index(name)
        field = rows.schema.field(place)
        return rows.set_column(place, field, pa.array([value] * len(rows), field.type))

    return change


READERS = ["audit run", "pair run rule=unanimous", "listen run --export heard",
           "export run out --candidates audio", "export run out --anonymise hash",
           "train dpo.yaml --out trained"]  # fmt: skip


@pytest.mark.usefixtures("unrendered_figures")
def test_a_run_that_is_forged_throughout_runs_nothing(stranger, console):
    data = rundir.read_document(stranger / "run").as_data()
    for at in [at for at in texts_of(run_file.Run, data) if at[0] in ("corpus", "generators")]:
        put(data, at, {"recogniser": EVIL} if at[-1] == "options" else EVIL)
    for one in [*data["provenance"]["generators"], *data["provenance"]["panel"]]:
        one |= {"revision": EVIL, "model": EVIL, "licence": SYSTEM}
    forged(stranger / "run", data, lambda rows, _: rows)
    furnish(stranger)
    for command in ("status run", *READERS[:-1]):
        assert main(command.split()) in (0, 1, 2), command
        console.require_all_expected()


@pytest.mark.usefixtures("unrendered_figures")
@pytest.mark.parametrize(
    ("table", "name", "value"),
    [
        ("candidates", "sampling", "[" * 20_000),
        ("candidates", "sampling", '{"level": ' + "9" * 400 + "}"),
        ("candidates", "sampling", "[]"),
        ("candidates", "latent", {"data": b"", "shape": [2**30, 2**30]}),
        ("candidates", "num_samples", -1),
        ("clips", "degradation", "[{}]"),
        ("clips", "source", "{}"),
        ("clips", "noisy", None),
        ("pairs", "rejected_id", "nobody"),
    ],
)
def test_a_table_that_no_build_wrote_is_one_sentence(stranger, table, name, value, console):
    furnish(stranger)
    data = rundir.read_document(stranger / "run").as_data()
    forged(stranger / "run", data, filled(table, name, value))
    for command in READERS:
        assert main(command.split()) in (0, 1, 2), command
        console.require_one_error()
        shutil.rmtree(stranger / "heard", ignore_errors=True)


def test_tokens_do_not_get_into_the_failures(monkeypatch):
    monkeypatch.setenv("SOME_API_KEY", "abcdefghijkl")
    raised = "403 of https://me:hush@host/x with abcdefghijkl"
    told = schema.Failure("scores", "a", schema.Reason.METRIC_ERROR, raised).detail
    assert told == "403 of https://...@host/x with ..."


def test_a_recording_is_its_bytes_and_never_a_file_that_a_table_names(stranger, console):
    import pyarrow as pa
    import pyarrow.parquet as pq

    secret = stranger / "private.wav"
    shutil.copy(next((stranger / "speech").iterdir()), secret)
    for part in part_files.parts(stranger / "run", "candidates"):
        table = pq.read_table(part)
        place = table.schema.get_field_index("audio")
        text = pa.struct([("bytes", pa.string()), ("path", pa.string())])
        values = pa.array([{"bytes": str(secret), "path": str(secret)}] * len(table), text)
        pq.write_table(table.set_column(place, "audio", values), part)
    for command in ("audit run", "listen run --export heard", "export run out --candidates audio"):
        assert main(command.split()) in (1, 2), command
        console.require_no_traceback()
    assert not list(stranger.glob("heard/*.wav"))


def test_tokens_and_passwords_are_not_printed(monkeypatch, console, capfd, tmp_path):
    monkeypatch.setenv("HF_TOKEN", "hf_abcdefghijklmnop")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "wJalrXUtnFEMI/K7MDENG")
    show("a https://me:pass@host/x hf_abcdefghijklmnop wJalrXUtnFEMI/K7MDENG b")
    assert capfd.readouterr().out == "a https://...@host/x ... ... b\n"
    data = {**RUN, "corpus": {"source": {"kind": "huggingface", "path": "https://me:hush@host/x"}}}
    (tmp_path / "run.yaml").write_text(yaml.safe_dump(data))
    words = ["build", tmp_path / "run.yaml", "--out", tmp_path / "out"]
    refuses(words, ConfigError, field="corpus.source.path")
    console.require_absent("hush")
    assert not (tmp_path / "out").exists()


def test_a_dataset_cannot_name_a_file_of_this_machine(tmp_path, monkeypatch):
    private, cache = tmp_path / "private.wav", tmp_path / "cache"
    named = {"bytes": None, "path": str(private)}
    monkeypatch.setattr("datasets.config.HF_DATASETS_CACHE", str(cache))
    with raises(Unusable, reason="missing"):
        _recording({"audio": named}, "audio", None)
    with raises(Unusable, reason="missing"):
        _recording({"audio": {**named, "path": str(cache / ".." / "private.wav")}}, "audio", None)
    with raises(Unusable, reason="missing"):
        _recording({"audio": named}, "audio", cache)
    kept = str(cache / "a.wav")
    assert _recording({"audio": {"bytes": None, "path": kept}}, "audio", None) == Path(kept)
    with raises(Unusable, reason="missing"):
        audio.from_column({"bytes": str(private), "path": None})


def test_no_cell_of_a_csv_is_a_formula(base, tmp_path, monkeypatch, console):
    folder = tmp_path / "=cmd"
    folder.mkdir()
    sound = next((base / "speech").iterdir())
    names = ("=1+1", "-2", "+a", "@b", "\x1b[31mred", "a\u202eb", "plain")
    for name in names:
        shutil.copy(sound, folder / f"{name}.flac")
    out = tmp_path / "scores.csv"
    monkeypatch.chdir(tmp_path)
    words = ["score", "=cmd", "--reference", "=cmd", "--panel", "si_sdr", "--workers", "1"]
    assert run_command(*words, "--out", out) in (0, 1)
    console.require_nothing_hidden()
    assert not re.search("[\x1b\u202e]", out.read_text())
    with out.open(encoding="utf-8", newline="") as lines:
        rows = list(csv.DictReader(lines))
    assert len(rows) == len(names)
    for row in rows:
        assert not any(re.match("[=+@\t\r]|-(?![0-9.])", value) for value in row.values() if value)
        assert float(row["seconds"]) > 0


def test_a_browser_that_goes_away_is_no_traceback(stranger, console):
    with server.open_server(stranger / "run", 4) as (url, serve):
        threading.Thread(target=serve, daemon=True).start()
        port = int(url.rstrip("/").rpartition(":")[2])
        for request in ("GET / HTTP/1.1", "GET //[ HTTP/1.1", "POST /vote HTTP/1.1"):
            with socket.create_connection(("127.0.0.1", port)) as line:
                size = "Content-Length: \u00b2" if "POST" in request else "A: b"
                line.sendall(f"{request}\r\nHost: 127.0.0.1:{port}\r\n{size}\r\n\r\n".encode())
                line.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        with urlopen(url) as page:
            assert page.status == 200
    console.require_no_traceback()


@pytest.mark.usefixtures("unrendered_figures")
@pytest.mark.parametrize("command", ["status run", "audit run", "listen run --no-browser"])
def test_a_reader_that_has_seen_enough_is_no_traceback(stranger, command, monkeypatch, console):
    into, out = os.pipe()
    os.close(into)
    with os.fdopen(out, "w") as closed:
        monkeypatch.setattr(sys, "stdout", closed)
        assert main(command.split()) == 0
    console.require_no_traceback()
