"""Language codes: one code for each language, however a table writes it.

The code is that of ISO 639-1 if there is one (``en`` for ``eng``), else that of ISO 639-3
(``yue``). Regions, scripts and variants of a BCP 47 tag or a POSIX locale are dropped.
"""

from __future__ import annotations

import re
import unicodedata
from functools import cache
from importlib.resources import files
from locale import locale_alias

# Single languages that stand for their macrolanguage, languages with two codes, and codes that are
# deprecated: the aliases of Unicode CLDR (supplementalMetadata.xml, languageAlias). Two aliases are
# reversed here, to give the code in Whisper's list: Bokmål is `no`, and Filipino is `tl`.
_SAME = {
    "aju": "jrb", "als": "sq", "arb": "ar", "ayr": "ay", "azj": "az", "bcc": "bal", "bcl": "bik",
    "bxk": "luy", "bxr": "bua", "cld": "syr", "cmn": "zh", "diq": "zza", "ekk": "et", "emk": "man",
    "esk": "ik", "fat": "ak", "fil": "tl", "fuc": "ff", "gaz": "om", "gno": "gon", "gom": "kok",
    "gug": "gn", "gya": "gba", "hdn": "hai", "hea": "hmn", "in": "id", "iw": "he", "ji": "yi",
    "jw": "jv", "khk": "mn", "kmr": "ku", "knc": "kr", "kng": "kg", "knn": "kok", "kpv": "kv",
    "lvs": "lv", "mhr": "chm", "mo": "ro", "mol": "ro", "nb": "no", "nob": "no", "npi": "ne",
    "ojg": "oj", "ory": "or", "pbu": "ps", "pes": "fa", "plt": "mg", "pnb": "lah", "prs": "fa",
    "quz": "qu", "rmy": "rom", "scc": "sr", "scr": "hr", "sh": "sr", "hbs": "sr", "spy": "kln",
    "src": "sc", "swh": "sw", "ttq": "tmh", "tw": "ak", "twi": "ak", "umu": "del", "uzn": "uz",
    "xpe": "kpe", "xsl": "den", "ydd": "yi", "zai": "zap", "zsm": "ms", "zyb": "za",
}  # fmt: skip

# Grandfathered tags of the IANA language subtag registry whose first part is not a language (or is
# another language), and their preferred values.
_WHOLE = {
    "i-hak": "hak", "i-klingon": "tlh", "i-lux": "lb", "i-navajo": "nv", "no-bok": "nb",
    "no-nyn": "nn", "zh-guoyu": "zh", "zh-hakka": "hak", "zh-min-nan": "nan", "zh-xiang": "hsn",
}  # fmt: skip

# Chinese languages that may follow `zh-` as an extended language subtag (the same registry).
_CHINESE = frozenset(
    {"cdo", "cjy", "cmn", "cnp", "cpx", "csp", "czh", "czo", "gan", "hak", "hsn", "lzh", "mnp"}
    | {"nan", "wuu", "yue"}
)

# Codes of ISO 639 for no single language: uncoded, several, undetermined, no linguistic content.
UNDETERMINED = "und"
_NO_LANGUAGE = frozenset({"mis", "mul", UNDETERMINED, "zxx"})

# Languages without spaces between words: those of openai-whisper 20250625 (its tokenizer's
# `split_to_word_tokens`), Khmer, Tibetan and Dzongkha, and the other Chinese languages. Of the
# scripts that Unicode breaks by dictionary (UAX #14, class SA), also Shan, Mon and Northern Thai.
UNSPACED = frozenset(
    {"bo", "dz", "km", "lo", "ja", "mnw", "my", "nod", "shn", "th", "zh", *_CHINESE} - {"cmn"}
)


def language_code(written: str) -> str:
    """Return the one code of a language: ``en`` for ``en``, ``en-US``, ``EN_us`` and ``eng``.

    Args:
        written: a code of ISO 639-1, 639-2 (B or T) or 639-3, a BCP 47 tag, or a locale. Case,
            surrounding white space and invisible characters are ignored.

    Raises:
        ValueError: no language has that code; the message says what to write. A language's name
            is not a code.

    >>> language_code("pt_BR"), language_code("cmn_hans_cn"), language_code("ger")
    ('pt', 'zh', 'de')
    >>> language_code("German")
    Traceback (most recent call last):
    ValueError: language 'German' is not an ISO 639 code; write a code such as 'de'
    """
    tag = re.split("[.@]", _visible(written).replace("_", "-").lower())[0]
    tag = _WHOLE.get(tag, tag)
    first, *rest = tag.split("-")
    if _SAME.get(first, first) in ("zh", "zho", "chi") and rest and rest[0] in _CHINESE:
        first = rest[0]
    if first in _NO_LANGUAGE:
        raise ValueError(f"language {written!r} is not the code of a single language; leave it out")
    code = _codes().get(first)
    if code is None:
        meant = locale_alias.get(first, "en")[:2]  # it has the names of some thirty languages
        raise ValueError(
            f"language {written!r} is not an ISO 639 code; write a code such as {meant!r}"
        )
    return code


def _visible(written: str) -> str:
    return "".join(c for c in written if unicodedata.category(c) not in ("Cc", "Cf")).strip()


@cache
def _codes() -> dict[str, str]:
    """Return the code to use for each code of ISO 639-1, 639-2 and 639-3, and deprecated ones."""
    codes: dict[str, str] = {}
    for line in files(__package__).joinpath("iso639.txt").read_text(encoding="utf-8").splitlines():
        start, _, thirds = line.partition(": ")
        retired, _, now = line.partition(" > ")
        if line.startswith("#"):
            continue
        if now:
            codes[retired] = codes[now]
        elif thirds:
            codes |= {start + third: start + third for third in thirds}
        else:
            codes |= dict.fromkeys(line.split(), line[:2])
    codes |= {code: code for code in _SAME}
    return {code: _SAME.get(used, used) for code, used in codes.items()}
