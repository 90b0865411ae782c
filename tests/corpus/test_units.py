"""Tests of the speakers, recordings and clips in a table of clips."""

import json

import pyarrow as pa
import pytest

from gensr_pref.corpus.units import count_units, source_ids
from gensr_pref.errors import CorruptPartError
from tests.refusals import raises

NAMES = ["1.wav", 'a "b".wav', "back\\slash.wav", "ä\n.wav"]


def test_the_names_of_recordings_are_read_whatever_json_escapes():
    sources = [json.dumps({"source_id": name, "start": 0}) for name in NAMES]
    other_spelling = json.dumps({"start": 0, "source_id": "2.wav"}, separators=(",", ":"))
    assert source_ids(pa.table({"source": [*sources, other_spelling]})) == [*NAMES, "2.wav"]


@pytest.mark.parametrize("text", ["", "{}", '{"source_id": "\\x"}'])
def test_a_source_that_no_build_writes_is_refused(text):
    with raises(CorruptPartError, value="source", problem="damaged"):
        source_ids(pa.table({"source": [text]}))


def test_clips_of_an_unknown_speaker_count_by_their_recordings():
    sources = [json.dumps({"source_id": name}) for name in ("1.wav", "1.wav", "2.wav", "3.wav")]
    speakers = pa.array([None, None, "ann", "ann"])
    clips = pa.table({"clip_id": ["a", "b", "c", "d"], "speaker": speakers, "source": sources})
    assert count_units(clips) == {"speaker": 2, "source": 3, "clip": 4}
