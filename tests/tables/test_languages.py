"""Tests that every name of a language gives the same code."""

import pytest

from gensr_pref.config import run_file
from gensr_pref.errors import ConfigError
from gensr_pref.tables.languages import UNSPACED, language_code
from tests.refusals import raises


@pytest.mark.parametrize(
    ("code", "written"),
    [
        ("en", "en EN eng ENG en-US EN_us en_US.UTF-8 eng-Latn en-GB-oxendict"),
        ("zh", "zh zho chi cmn cmn_hans_cn zh-CN zh-Hant-TW zh_TW zh-cmn-Hans cmn-Hans-CN"),
        ("yue", "yue yue_hant_hk zh-yue zh-yue-HK"),
        ("wuu", "wuu zh-wuu"),
        ("nan", "nan nan-tw zh-min-nan"),
        ("ja", "ja jpn ja-JP ja_jp"),
        ("pt", "pt por pt_BR pt-PT"),
        ("fr", "fr fra fre fr_fr"),
        ("de", "de deu ger de-CH-1996 de_DE@euro"),
        ("es", "es spa es-419 es_419"),
        ("nl", "nl nld dut"),
        ("cs", "cs ces cze"),
        ("el", "el ell gre"),
        ("fa", "fa fas per pes pes_Arab prs"),
        ("ar", "ar ara arb arb_Arab ar_eg"),
        ("no", "no nor nb nob nob_Latn nb_no no-bok"),
        ("nn", "nn nno no-nyn"),
        ("he", "he heb iw"),
        ("id", "id ind in"),
        ("yi", "yi yid ji"),
        ("jv", "jv jav jw"),
        ("ro", "ro ron rum mo mol"),
        ("tl", "tl tgl fil fil_ph"),
        ("sw", "sw swa swh"),
        ("uz", "uz uzb uzn_Latn"),
        ("ms", "ms msa may zsm"),
        ("my", "my mya bur"),
        ("bo", "bo bod tib"),
        ("sk", "sk slk slo"),
        ("sl", "sl slv"),
        ("ckb", "ckb ckb_iq"),
        ("haw", "haw"),
        ("apc", "apc ajp ajp_Arab"),
        ("ceb", "ceb ceb_ph"),
    ],
)
def test_language_has_one_code(code, written):
    assert {language_code(one) for one in written.split()} == {code}
    assert language_code(f"\ufeff {written.split()[0]}\u200e ") == code
    assert language_code(code) == code


@pytest.mark.parametrize(
    ("written", "meant"),
    [
        ("English", "en"),
        ("deutsch", "de"),
        *((code, "en") for code in ("klingon", "", "e", "e1", "xx", "zzz", "qaa", "afa", "x-en")),
    ],
)
def test_invalid_code_is_refused_with_a_valid_example(written, meant):
    message = f"language {written!r} is not an ISO 639 code.*'{meant}'$"
    with pytest.raises(ValueError, match=message):
        language_code(written)


@pytest.mark.parametrize("written", ["mul", "und", "zxx", "mis"])
def test_code_of_no_single_language_is_refused(written):
    with pytest.raises(ValueError, match="not the code of a single language"):
        language_code(written)


def test_unspaced_languages_are_valid_codes():
    assert all(language_code(code) == code for code in UNSPACED)


def test_run_file_accepts_any_code_and_refuses_other_text():
    corpus = {"source": {"kind": "folder", "path": "."}, "languages": ["cmn_hans_cn", "por"]}
    assert run_file.parse(corpus, run_file.Corpus, "corpus").languages == ["zh", "pt"]
    with raises(ConfigError, field="languages.0", value="xx", problem="invalid"):
        run_file.parse({**corpus, "languages": ["xx"]}, run_file.Corpus, "corpus")
