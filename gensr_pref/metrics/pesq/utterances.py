"""Number of utterances that PESQ's C code will find: its table has 50 rows and is not checked.

A 25 s sound of 0.2 s bursts crashes the process, and so do 4 minutes of speech. The table is filled
from the clean sound alone, by a voice activity detector with the rules below (apply_VAD and
id_utterances in pesqdsp.c and pesqmod.c of `pesq` 0.0.4). The count calls the same detector.
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
UTTERANCE = 50  # least number of windows of an utterance
PAUSE = 47  # least number of windows between two: 51, less two by which each neighbour is extended
PADDING = 150  # windows of silence that the C code adds around a sound
# A sound of up to this length, 18.8 s, cannot fill the table.
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
    """Return an upper bound of the utterances of a clean sound [T] that PESQ enters in its table.

    PESQ leaves out utterances that its crude delay estimate moves beyond the candidate's ends; they
    are counted here.

    Args:
        clean: at 16 kHz, 0.25 s or more, finite, at the level at which it is scored; the candidate
            has the same length.
        mode: ``wb`` or ``nb``.

    Raises:
        OSError: the compiled module of `pesq` does not export its C functions.
    """
    code = _open_code()
    with _load_signal(code, clean) as signal:
        code.fix_power_level(ctypes.byref(signal), b"", ctypes.c_long(signal.samples))
        _input_filter(code, signal, mode)
        code.DC_block(signal.data, ctypes.c_long(signal.samples))
        code.apply_filters(signal.data, ctypes.c_long(signal.samples))
        code.calc_VAD(ctypes.byref(signal))
        voiced = np.ctypeslib.as_array(signal.vad, (signal.samples // WINDOW,)) > 0
    return _count_long_runs(voiced)


def _open_code() -> Any:
    """Open PESQ's C code in this process; calls hold the GIL, because it has global state."""
    from pesq import cypesq

    code = ctypes.PyDLL(cypesq.__file__)
    for name in SYMBOLS:
        if not hasattr(code, name):
            raise OSError(f"{cypesq.__file__} does not export {name}")
    return code


@contextmanager
def _load_signal(code: Any, clean: Wave) -> Iterator[_Signal]:
    """Copy the sound to the C code's buffers, with its padding; free them at the end."""
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
    """Filter the input as pesq_measure in pesqmain.h does before it estimates delays."""
    length = ctypes.c_long(signal.samples)
    if mode == "nb":
        code.apply_filter(signal.data, length, 26, ctypes.byref(_handset_response(code)))
        return
    padded = np.ctypeslib.as_array(signal.data, (signal.samples,))
    padded[EDGE - 1 : EDGE + 15] *= TAPER
    padded[signal.samples - EDGE - np.arange(16)] *= TAPER
    sections = (ctypes.c_float * 5).in_dll(code, "WB_InIIR_Hsos_16k")
    inner = ctypes.c_ulong(signal.samples - 2 * EDGE)
    start = ctypes.byref(signal.data.contents, EDGE * ctypes.sizeof(ctypes.c_float))
    code.IIRFilt(sections, ctypes.c_ulong(1), None, start, inner, None)


def _handset_response(code: Any) -> Any:
    """Return the response of a telephone handset (IRS), 26 pairs of Hz and dB."""
    return (ctypes.c_double * 52).in_dll(code, "standard_IRS_filter_dB")


def _count_long_runs(voiced: npt.NDArray[np.bool_]) -> int:
    """Count the runs of True in a mask [windows] that are long enough for an utterance."""
    change = np.flatnonzero(np.diff(np.concatenate(([False], voiced, [False])).astype(np.int8)))
    return int(np.count_nonzero(change[1::2] - change[::2] >= UTTERANCE))
