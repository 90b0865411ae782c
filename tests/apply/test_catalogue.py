"""Tests of the catalogue: every generator, what it needs, and what is missing."""

from importlib.metadata import EntryPoint

import pytest

from gensr_pref.apply import catalogue
from gensr_pref.cli.main import main
from gensr_pref.config import plugins
from gensr_pref.errors import MissingWeightsError


class Absent:
    """A generator whose weights are missing."""

    name, revision, sample_rate = "absent", "1", 48000
    paradigm, licence = "ar", "CC-BY-NC-4.0"

    def __init__(self, size: str = "base") -> None:
        raise MissingWeightsError("the weights of 'absent' are not here. Run `fetch absent`")

    def load(self, device): ...

    def sample(self, noisy, lengths, seeds): ...


class Counted(Absent):
    """A generator that states its number of parameters."""

    parameters = 7

    def __init__(self) -> None:
        """Need no weights."""


@pytest.fixture
def with_others(monkeypatch):
    entry_points = plugins._entry_points

    def more(kind):
        group = "gensr_pref.generators"
        points = [EntryPoint(n.lower(), f"{__name__}:{n}", group) for n in ("Absent", "Counted")]
        return {**entry_points(kind), **{point.name: point for point in points}}

    monkeypatch.setattr(plugins, "_entry_points", more)


def rows():
    return {row["generator"]: row for row in catalogue.generators()}


def test_the_shipped_model():
    row = rows()["fm-tiny"]
    assert (row["paradigm"], row["rate_hz"], row["here"]) == ("fm", 16000, "yes")
    assert row["parameters"] == 2_359_672  # as its card says
    assert row["licence"] == "cc-by-sa-3.0"
    assert len(row["revision"]) > 6
    assert "clip_temperature" in row["options"]


def test_generators_of_other_programs_say_what_they_need():
    found = rows()
    assert (found["folder"]["needs"], found["folder"]["here"]) == ("files", "options")
    assert (found["command"]["needs"], found["command"]["here"]) == ("a program", "options")
    assert found["folder"]["missing"] == found["command"]["missing"] == ""
    assert "limit_seconds" in found["command"]["options"]


def test_missing_weights_are_reported(with_others, capsys):
    row = rows()["absent"]
    assert (row["here"], row["paradigm"], row["rate_hz"]) == ("no", "ar", 48000)
    assert row["licence"] == "CC-BY-NC-4.0"
    assert "fetch absent" in row["missing"]
    assert (rows()["counted"]["parameters"], rows()["counted"]["here"]) == (7, "yes")
    assert main(["generators"]) == 0
    assert "absent: the weights of 'absent' are not here" in capsys.readouterr().out
