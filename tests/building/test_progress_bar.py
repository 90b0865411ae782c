"""Tests of the progress bar without a terminal."""

import pytest

from gensr_pref.building.progress_bar import Bar, duration


def test_bar_writes_lines_without_a_terminal(frequent_lines, capsys):
    with Bar(10, 4, "scoring") as bar:
        bar.update(1)
        bar.update(1)
    assert capsys.readouterr().err.splitlines()[-1].startswith("scoring: 6 of 10 clips, ")


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(5, "5 s"), (65, "1 min"), (3600, "1 h 0 min"), (93784, "1 d 2 h")],
)
def test_durations(seconds, text):
    assert duration(seconds) == text
