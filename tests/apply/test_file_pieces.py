"""Tests of splitting a long file into pieces and joining them."""

from itertools import pairwise

import numpy as np
import pytest

from gensr_pref import audio
from gensr_pref.apply.file_pieces import open_output, split_pieces
from gensr_pref.errors import StorageError
from tests.refusals import raises

RATE = 16000


@pytest.mark.parametrize("seconds", [0.5, 20, 20.01, 39.8, 39.81, 3600])
@pytest.mark.parametrize("rate", [8000, 44100])
def test_pieces_cover_a_file_and_overlap(seconds, rate):
    frames = round(seconds * rate)
    cut = split_pieces(frames, rate)
    assert cut[0].start == 0
    assert cut[-1].start + cut[-1].frames == frames
    assert max(piece.frames for piece in cut) <= 20 * rate
    for one, after in pairwise(cut):
        assert one.start + one.frames - after.start == round(0.2 * rate)
    assert len(cut) == max(1, int(np.ceil(round((frames / rate - 0.2) / 19.8, 9))))


def test_pieces_of_one_wave_join_to_that_wave(tmp_path, monkeypatch):
    monkeypatch.setattr("gensr_pref.apply.file_pieces.PIECE_SECONDS", 1.0)
    wave = np.random.default_rng(0).uniform(-0.5, 0.5, 5 * RATE // 2).astype(np.float32)
    cut = split_pieces(len(wave), RATE)
    assert len(cut) == 3
    with open_output(tmp_path / "sub" / "a.flac", RATE) as output:
        for piece in cut:
            end = piece.start + piece.frames
            output.add(wave[piece.start : end], piece.start, end)
    sound = audio.read(tmp_path / "sub" / "a.flac")
    assert sound.rate == RATE
    np.testing.assert_allclose(sound.wave, wave, atol=2 / 32768)


def test_an_output_that_was_not_finished_leaves_no_file(tmp_path):
    def write_half():
        with open_output(tmp_path / "a.wav", RATE) as output:
            output.add(np.zeros(RATE, np.float32), 0, RATE)
            raise KeyError

    with pytest.raises(KeyError):
        write_half()
    assert list(tmp_path.iterdir()) == []


def test_an_output_that_cannot_be_written_is_refused(tmp_path):
    (tmp_path / "file").write_text("not a folder")
    target = tmp_path / "file" / "a.wav"
    with (
        raises(StorageError, path=target, problem="unwritable"),
        open_output(target, RATE) as output,
    ):
        output.add(np.zeros(RATE, np.float32), 0, RATE)
