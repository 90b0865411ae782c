"""Tests of what commands write to the terminal."""

import io

from gensr_pref.cli.output import as_json, plugin_prints_on_stderr, show


def test_text_that_the_terminal_cannot_encode_is_escaped():
    raw = io.BytesIO()
    file = io.TextIOWrapper(raw, encoding="ascii", write_through=True)
    show("Größe ✓", file)
    assert raw.getvalue() == b"Gr\\xf6\\xdfe \\u2713\n"


def test_line_breaks_are_kept_and_control_characters_are_visible(capsys):
    show("a\nb\x1b[2J")
    assert capsys.readouterr().out.splitlines()[0] == "a"
    show("\x1b")
    assert "\x1b" not in capsys.readouterr().out


def test_prints_of_plugins_do_not_mix_with_the_result(capsys):
    with plugin_prints_on_stderr():
        print("loading")
    show(as_json({"a": 1}))
    captured = capsys.readouterr()
    assert captured.out == '{\n  "a": 1\n}\n'
    assert captured.err == "loading\n"
