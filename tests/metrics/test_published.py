"""Tests against values that other projects publish for real files
(shared/data/reference_values.csv)."""

import platform
import re

import pytest

from gensr_pref import audio
from gensr_pref.metrics.panel import Panel
from gensr_pref.metrics.pesq.metric import Pesq
from tests.metrics.sounds import read_csv

OURS = {
    "pesq_wb": "pesq_wb",
    "pesq": "pesq_wb",
    "PESQ": "pesq_wb",
    "pesq_nb": "pesq_nb",
    "NB_PESQ": "pesq_nb",
    "si_snr": "si_sdr",
    "SISDR": "si_sdr",
    "stoi": "stoi",
    "STOI": "stoi",
    "dns_overall": "dnsmos_ovrl",
    "dns_p808": "dnsmos_p808",
    "DNSMOS_SIG": "dnsmos_sig",
    "DNSMOS_BAK": "dnsmos_bak",
    "DNSMOS_OVRL": "dnsmos_ovrl",
    "DNSMOS_P808_MOS": "dnsmos_p808",
}


def tolerance(stated):
    """0 for "exact", the number stated, or what a printed figure of 7 digits allows.

    What is exact was computed by C on x86-64. Compilers for other processors fuse products and
    sums, each to within a float32's rounding.
    """
    if stated.startswith("exact"):
        return 0 if platform.machine() in {"x86_64", "AMD64"} else 1e-4
    number = re.match(r"[\d.]+e-?\d+", stated)
    return float(number[0]) if number else 1e-5


@pytest.mark.corpus
def test_published_values(shared):
    rows = [row for row in read_csv(shared / "reference_values.csv") if row["metric"] in OURS]
    panel = Panel(["dnsmos", Pesq(["wb", "nb"]), "stoi", "si_sdr"])
    references = {row["file"]: row["reference_file"] for row in rows if row["reference_file"]}
    answers = {}
    for row in rows:
        files = row["file"], references[row["file"]]
        if files not in answers:
            candidate, clean = (audio.read(shared / "reference_values" / f) for f in files)
            [answers[files]] = panel.score([candidate], clean)
        value = answers[files].values[OURS[row["metric"]]]
        allowed = tolerance(row["tolerance"])
        assert abs(value - float(row["value"])) <= allowed, row
    assert len(rows) == 24
