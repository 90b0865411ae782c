"""Tests of the corpus section: ranges, and fields that exclude each other."""

import pytest

from gensr_pref.config import run_file
from gensr_pref.errors import ConfigError
from tests.refusals import raises

SPEECH = {"kind": "folder", "path": "speech"}
PAIRED = {"kind": "paired", "noisy": "a", "clean": "b"}
TABLE = {"kind": "manifest", "path": "speech.csv", "columns": {"clean": "clean"}}


@pytest.mark.parametrize(
    ("corpus", "field", "value"),
    [
        ({"source": PAIRED, "degrade": {"reverb": {}}}, "degrade", None),
        ({"source": TABLE, "degrade": {"reverb": {}}}, "degrade", "clean"),
        (
            {"source": SPEECH, "degrade": {"band_limit": {"rates_hz": [16000]}}},
            "degrade.band_limit.rates_hz",
            [16000],
        ),
    ],
)
def test_fields_that_exclude_each_other_are_refused(corpus, field, value):
    with raises(ConfigError, field=f"corpus.{field}", value=value, problem="conflict"):
        run_file.parse(corpus, run_file.Corpus, field="corpus")


@pytest.mark.parametrize(
    ("fields", "field", "value"),
    [
        ({"degrade": {"reverb": {"rt60_s": (0, 1)}}}, "degrade.reverb.rt60_s", (0, 1)),
        ({"degrade": {"packet_loss": {"rate": (0.5, 2)}}}, "degrade.packet_loss.rate", (0.5, 2)),
        ({"segment_seconds": (0, 1)}, "segment_seconds", (0, 1)),
    ],
)
def test_a_range_beyond_its_bounds_is_refused(fields, field, value):
    with raises(ConfigError, field=f"corpus.{field}", value=value, problem="invalid"):
        run_file.parse({"source": SPEECH, **fields}, run_file.Corpus, field="corpus")
