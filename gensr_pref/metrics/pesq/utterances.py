"""How many utterances PESQ's C code will find: it has a table for 50, and does not look.

A 25 s sound of 0.2 s bursts ends the process, and so do 4 minutes of speech. The table is filled
from the clean sound alone, by a voice activity detector with the rules below (apply_VAD and
id_utterances in pesqdsp.c and pesqmod.c of `pesq` 0.0.4). Counting calls that very detector.
"""

from __future__ import annotations

import ctypes
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from gensr_pref.audio import Wave

Mode = Literal["wb", "nb"]

RATE = 16_000
TABLE = 50
WINDOW = 64  # samples
UTTERANCE = 50  # windows of one that counts, at least
PAUSE = 47  # windows between two, at least: 51, less the two by which each neighbour is extended
PADDING = 150  # windows of silence that the C code puts around a sound
# No sound of this length can fill the table: 18.8 s.
SAFE = (TABLE * (UTTERANCE + PAUSE) - PADDING) * WINDOW

EDGE = PADDING // 2 * WINDOW  # samples of silence before a sound
TAPER = np.arange(16, dtype=np.float32) / 16
SYMBOLS = (
    *("select_rate", "load_src", "fix_power_level", "DC_block", "apply_filters", "calc_VAD"),
    *("IIRFilt", "WB_InIIR_Hsos_16k", "apply_filter", "standard_IRS_filter_dB", "safe_free"),
)


class _Signal(ctypes.Structure):
    """SIGNAL_INFO of pesq.h."""

    _fields_ = (
        ("path_name", ctypes.c_char * 512),
        ("file_name", ctypes.c_char * 128),
        ("samples", ctypes.c_long),
        ("apply_swap", ctypes.c_long),
        ("input_filter", ctypes.c_long),
        ("data", ctypes.POINTER(ctypes.c_float)),
        ("vad", ctypes.POINTER(ctypes.c_float)),
        ("log_vad", ctypes.POINTER(ctypes.c_float)),
    )


def count_utterances(clean: Wave, mode: Mode) -> int:
    """The most utterances of a clean sound [T] that PESQ may enter into its table.

    Args:
        clean: at 16 kHz, 0.25 s or more, finite, at the level at which it is scored; beside it is a
            candidate of the same length. (PESQ leaves out those that a crude delay puts beyond the
            candidate's ends; they are counted here.)

    Raises:
        OSError: the compiled module of `pesq` does not export its C functions.
    """
    code = _code()
    with _load_signal(code, clean) as signal:
        code.fix_power_level(ctypes.byref(signal), b"", ctypes.c_long(signal.samples))
        _input_filter(code, signal, mode)
        code.DC_block(signal.data, ctypes.c_long(signal.samples))
        code.apply_filters(signal.data, ctypes.c_long(signal.samples))
        code.calc_VAD(ctypes.byref(signal))
        voiced = np.ctypeslib.as_array(signal.vad, (signal.samples // WINDOW,)) > 0
    return _count_long_runs(voiced)


def _code() -> Any:
    """PESQ's C code in this process; calls hold Python's lock, for it keeps state in globals."""
    from pesq import cypesq

    code = ctypes.PyDLL(cypesq.__file__)
    for name in SYMBOLS:
        if not hasattr(code, name):
            raise OSError(f"{cypesq.__file__} does not export {name}")
    return code


@contextmanager
def _load_signal(code: Any, clean: Wave) -> Iterator[_Signal]:
    """The sound in the C code's own buffers, between its paddings."""
    flag, message = ctypes.c_long(0), ctypes.c_char_p()
    code.select_rate(ctypes.c_long(RATE), ctypes.byref(flag), ctypes.byref(message))
    samples = np.ascontiguousarray(clean, np.float32)
    data = samples.ctypes.data_as(ctypes.POINTER(ctypes.c_float))
    signal = _Signal(samples=len(samples), data=data)
    code.load_src(ctypes.byref(flag), ctypes.byref(message), ctypes.byref(signal))
    if flag.value:
        raise MemoryError("PESQ's code could not allocate its buffers")
    try:
        yield signal
    finally:
        for buffer in (signal.data, signal.vad, signal.log_vad):
            code.safe_free(buffer)


def _input_filter(code: Any, signal: _Signal, mode: Mode) -> None:
    """What pesq_measure in pesqmain.h does before it looks for delays."""
    length = ctypes.c_long(signal.samples)
    if mode == "nb":
        code.apply_filter(signal.data, length, 26, ctypes.byref(_table(code)))
        return
    padded = np.ctypeslib.as_array(signal.data, (signal.samples,))
    padded[EDGE - 1 : EDGE + 15] *= TAPER
    padded[signal.samples - EDGE - np.arange(16)] *= TAPER
    sections = (ctypes.c_float * 5).in_dll(code, "WB_InIIR_Hsos_16k")
    inner = ctypes.c_ulong(signal.samples - 2 * EDGE)
    start = ctypes.byref(signal.data.contents, EDGE * ctypes.sizeof(ctypes.c_float))
    code.IIRFilt(sections, ctypes.c_ulong(1), None, start, inner, None)


def _table(code: Any) -> Any:
    """The response of a telephone handset, 26 pairs of Hz and dB."""
    return (ctypes.c_double * 52).in_dll(code, "standard_IRS_filter_dB")


def _count_long_runs(voiced: npt.NDArray[np.bool_]) -> int:
    """How many runs of True in a mask [windows] are long enough."""
    change = np.flatnonzero(np.diff(np.concatenate(([False], voiced, [False])).astype(np.int8)))
    return int(np.count_nonzero(change[1::2] - change[::2] >= UTTERANCE))
