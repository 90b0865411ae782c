"""Tests of the listening page's server with real requests."""

import http.client
import json
import shutil
import threading
from contextlib import contextmanager

import numpy as np
import pytest

from gensr_pref import audio
from gensr_pref.auditing.listening import answers, server, webmushra
from gensr_pref.auditing.listening.trials import (
    ANCHOR_HZ,
    draw_trials,
    order_for_listener,
    read_sounds,
)
from gensr_pref.auditing.load import load_tables
from gensr_pref.auditing.run_audit import audit
from gensr_pref.auditing.sound_properties import sound_properties
from gensr_pref.building.build import build
from gensr_pref.building.pair import pair
from gensr_pref.cli.main import main
from gensr_pref.config import run_file
from gensr_pref.errors import InputError
from gensr_pref.rundir import part_files
from tests.refusals import raises

PAIRS = 6


@pytest.fixture(scope="module")
def finished(base, tmp_path_factory):
    out = tmp_path_factory.mktemp("listened") / "run"
    build(run_file.load(base / "run.yaml", ["generators.0.candidates=5"]), out, base=base)
    return out


@pytest.fixture
def out(finished, tmp_path):
    return shutil.copytree(finished, tmp_path / "run")


@contextmanager
def serving(out, **options):
    with server.open_server(out, PAIRS, **options) as (url, serve):
        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        try:
            yield int(url.rstrip("/").rpartition(":")[2])
        finally:
            # the server that the function belongs to
            serve.__self__.shutdown()
            thread.join()


def ask(port, path, method="GET", body=None, **headers):
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=20)
    sent = {name.replace("_", "-"): value for name, value in headers.items()}
    connection.request(method, path, None if body is None else json.dumps(body), sent)
    answer = connection.getresponse()
    content = answer.read()
    connection.close()
    return answer.status, content


def token(port):
    page = ask(port, "/")[1].decode()
    return page.split('"token": "')[1].split('"')[0]


def vote(port, trial, choice="a", listener="ann", **headers):
    body = {"listener": listener, "trial": trial, "choice": choice, "seconds": 1.25}
    status, content = ask(port, "/vote", "POST", body, **{"X_Token": token(port), **headers})
    return status, json.loads(content)


def next_of(port, listener="ann"):
    return json.loads(ask(port, f"/next?listener={listener}")[1])


def test_a_vote_is_on_the_disk_before_the_reply(out):
    with serving(out) as port:
        first = next_of(port)
        status, reply = vote(port, first["trial"], "tie")
        (line,) = part_files.read_json_lines(out / "listening" / "votes-ann.jsonl")
    assert status == 200
    assert (reply["done"], reply["total"]) == (1, first["total"])
    assert reply["trial"] != first["trial"]
    assert (line["listener"], line["choice"], line["preferred"]) == ("ann", "tie", "tie")
    assert line["seconds"] == 1.2


@pytest.mark.parametrize("pairs", [0, -1, 2.5])
def test_a_number_of_pairs_below_1_is_refused(tmp_path, pairs):
    """Before the run directory is read: there is none."""
    with raises(InputError, field="pairs", value=pairs, problem="invalid"):
        server.open_server(tmp_path, pairs).__enter__()
    with raises(InputError, field="pairs", value=pairs, problem="invalid"):
        webmushra.export_webmushra(tmp_path, tmp_path / "folder", pairs)
    assert not (tmp_path / "folder").exists()


@pytest.mark.parametrize("port", [-1, 65536])
def test_a_port_that_does_not_exist_is_refused(tmp_path, port):
    with raises(InputError, field="port", value=port, problem="invalid"):
        server.open_server(tmp_path, PAIRS, port=port).__enter__()


def test_a_restart_continues_and_listeners_are_separate(out):
    with serving(out) as port:
        order = [next_of(port)["trial"]]
        order.append(vote(port, order[0])[1]["trial"])
        assert vote(port, order[0])[0] == 409  # no second answer
    with serving(out) as port:
        assert next_of(port)["trial"] == order[1]
        assert next_of(port, "bob")["done"] == 0
    with (out / "listening" / "votes-ann.jsonl").open("a") as file:
        file.write('{"listener": "ann", "tri')  # a crash while writing
    with serving(out) as port:
        assert vote(port, order[1])[1]["done"] == 2
    assert len(answers.read_answers(out, "ann")) == 2


@pytest.mark.parametrize("host", ["evil.example", "127.0.0.1", "evil.example:80", ""])
def test_a_foreign_host_is_refused(out, host):
    with serving(out) as port:
        for path in ("/", "/next?listener=ann"):
            assert ask(port, path, Host=host)[0] == 403


@pytest.mark.parametrize("origin", ["https://evil.example", "null", "http://127.0.0.1:1"])
def test_a_foreign_origin_is_refused(out, origin):
    with serving(out) as port:
        trial = next_of(port)["trial"]
        assert vote(port, trial, Origin=origin)[0] == 403
        assert ask(port, "/next?listener=ann", Origin=origin)[0] == 403
        assert vote(port, trial, Origin=f"http://127.0.0.1:{port}")[0] == 200


def test_a_vote_needs_the_token_of_this_session(out):
    with serving(out) as port:
        trial = next_of(port)["trial"]
        assert vote(port, trial, X_Token="wrong")[0] == 403
        assert next_of(port)["done"] == 0


@pytest.mark.parametrize(
    "path",
    [
        "/run.yaml",
        "/../run.yaml",
        "/%2e%2e/run.yaml",
        "/sound/../../run.yaml?listener=ann",
        "/sound/x/a?listener=ann",
        "/sound/%2fetc%2fpasswd/a?listener=ann",
        "//etc/passwd",
    ],
)
def test_no_file_is_served(out, path):
    with serving(out) as port:
        assert ask(port, path)[0] == 404


@pytest.mark.parametrize("name", ["", "../ann", "a/b", "x" * 41, "é", ".hidden"])
def test_other_listener_names_are_refused(out, name):
    with serving(out) as port:
        status, reply = vote(port, next_of(port)["trial"], listener=name)
        assert (status, "listener" in reply["error"]) == (400, True)
    assert not (out / "listening").exists()


def test_invalid_answers_are_refused(out):
    with serving(out) as port:
        trial, known = next_of(port)["trial"], token(port)
        assert vote(port, trial, "c")[0] == 400
        assert vote(port, "nothing")[0] == 404
        assert ask(port, "/vote", "POST", [1], X_Token=known)[0] == 400
        assert ask(port, "/vote", "POST", {"x": "y" * 5000}, X_Token=known)[0] == 413
        assert ask(port, "/else", "POST", {}, X_Token=known)[0] == 404


@pytest.mark.parametrize(
    "seconds",
    ["NaN", "Infinity", "1e999", "-5", "1" + 400 * "0", "true", '"<script>"', "[1]", "{}"],
)
def test_invalid_seconds_are_refused(out, seconds):
    with serving(out) as port:
        trial = next_of(port)["trial"]
        status, reply = raw_vote(port, trial, seconds)
        assert (status, "seconds" in reply["error"]) == (400, True)
        assert next_of(port)["done"] == 0


@pytest.mark.parametrize(("seconds", "stored"), [("null", None), ("0", 0.0), ("2.26", 2.3)])
def test_valid_seconds_are_stored(out, seconds, stored):
    with serving(out) as port:
        assert raw_vote(port, next_of(port)["trial"], seconds)[0] == 200
    (line,) = part_files.read_json_lines(out / "listening" / "votes-ann.jsonl")
    assert line["seconds"] == stored


def raw_vote(port, trial, seconds):
    """Send an answer whose seconds are any JSON text; return the status and the reply."""
    body = f'{{"listener": "ann", "trial": "{trial}", "choice": "a", "seconds": {seconds}}}'
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=20)
    connection.request("POST", "/vote", body, {"X-Token": token(port)})
    answer = connection.getresponse()
    content = json.loads(answer.read())
    connection.close()
    return answer.status, content


def test_sounds_are_those_of_the_run_at_equal_loudness(out):
    with serving(out) as port:
        reply = next_of(port)
        sounds = {
            button: audio.read(ask(port, f"/sound/{reply['trial']}/{button}?listener=ann")[1])
            for button in reply["buttons"]
        }
        swapped = ask(port, f"/sound/{reply['trial']}/b?listener=ann")[1]
    assert set(sounds) == {"a", "b", "noisy"}
    levels = [sound_properties(sound.wave, sound.rate)["level_db"] for sound in sounds.values()]
    assert np.ptp(levels) < 0.2
    trials = {
        trial.code: trial
        for trial in order_for_listener(draw_trials(load_tables(out), PAIRS), "ann")
    }
    trial = trials[reply["trial"]]
    rows = {
        row["candidate_id"]: row
        for part in part_files.parts(out, "candidates")
        for row in part_files.read(part).to_pylist()
    }
    source = audio.read(rows[trial.buttons["b"]]["audio"]["bytes"]).wave
    played = audio.read(swapped).wave
    assert np.corrcoef(source, played)[0, 1] > 0.999


def test_a_and_b_are_swapped_per_listener_and_answers_are_translated(out):
    trials = draw_trials(load_tables(out), PAIRS)
    names = [f"listener{k}" for k in range(40)]
    swapped = np.array(
        [[trial.swapped for trial in order_for_listener(trials, name)] for name in names]
    )
    assert 0.4 < swapped.mean() < 0.6
    for trial in order_for_listener(trials, "ann"):
        assert trial.preference("tie") == "tie"
        if trial.kind == "same":
            continue
        chosen = trial.sounds[0]
        button = "a" if trial.buttons["a"] == chosen else "b"
        assert trial.preference(button) == "chosen"
        assert trial.preference("b" if button == "a" else "a") == "rejected"


def test_trials_include_catch_trials(out):
    trials = draw_trials(load_tables(out), PAIRS)
    same = [trial for trial in trials if trial.kind == "same"]
    assert same
    assert all(trial.sounds[0] == trial.sounds[1] for trial in same)
    assert len({trial.code for trial in trials}) == len(trials)


def test_no_sound_of_a_catch_trial_is_the_noisy_input(out):
    pair(out, ["pairs_per_clip=3"])
    drawn = draw_trials(load_tables(out), 14)
    (trial,) = [trial for trial in drawn if trial.kind == "clean"]
    stored = read_sounds(out, drawn)
    sounds = {side: audio.read(stored[name]) for side, name in trial.buttons.items()}
    clean, anchored = (audio.read(stored[name]) for name in trial.sounds)
    noisy = sounds["noisy"]
    assert not any(np.array_equal(noisy.wave, sounds[side].wave) for side in ("a", "b"))
    assert len(anchored.wave) == len(noisy.wave)
    assert above(noisy) > 1e3 * above(anchored)
    assert below(anchored) == pytest.approx(below(noisy), rel=0.05)
    assert not np.array_equal(clean.wave, anchored.wave)


def power(sound):
    hz = np.fft.rfftfreq(len(sound.wave), 1 / sound.rate)
    return hz, np.abs(np.fft.rfft(sound.wave.astype(np.float64))) ** 2


def above(sound):
    hz, energy = power(sound)
    return energy[hz > 1.3 * ANCHOR_HZ].sum()


def below(sound):
    hz, energy = power(sound)
    return energy[hz < 0.7 * ANCHOR_HZ].sum()


@pytest.mark.usefixtures("unrendered_figures")
def test_the_audit_counts_the_answers(out, capsys):
    trials = order_for_listener(draw_trials(load_tables(out), PAIRS), "ann")
    with serving(out, listener="Ann") as port:
        for trial in trials:
            choice = "tie" if trial.kind == "same" else ("b" if trial.swapped else "a")
            assert vote(port, trial.code, choice)[0] == 200
        assert next_of(port)["trial"] is None
    reply = audit(out)["listening"]
    pairs = sum(trial.kind == "pair" for trial in trials)
    assert (reply["answers"], reply["pairs"], reply["listeners"]) == (pairs, pairs, 1)
    assert (reply["panel"]["agree"], reply["panel"]["tie"]) == (1.0, 0.0)
    assert reply["catches"][0]["same_failed"] == 0
    rates = {row["score"]: row["rate"] for row in reply["scores"] if row["answers"]}
    assert rates["level"] == 1.0  # it votes, so it always names the chosen
    assert main(["audit", str(out)]) == 0
    printed = capsys.readouterr().out
    assert f"Listening: {pairs} answers of 1 listener on {pairs} pairs: 100 %" in printed
    same = sum(trial.kind == "same" for trial in trials)
    assert f"Catch trials failed: 0 of {same} with identical sounds, 0 of " in printed


def test_the_export_has_the_sounds_of_the_page(out, tmp_path):
    reply = webmushra.export_webmushra(out, tmp_path / "test", PAIRS)
    key = json.loads((tmp_path / "test" / "key.json").read_text())
    assert len(key) == reply["trials"]
    for code in key:
        for button in ("a", "b"):
            audio.read(tmp_path / "test" / f"{code}-{button}.wav")
    config_text = (tmp_path / "test" / "webmushra.yaml").read_text()
    assert not any(entry["a"] in config_text for entry in key.values())
    with raises(InputError, path="test", problem="exists"):
        webmushra.export_webmushra(out, tmp_path / "test", PAIRS)
