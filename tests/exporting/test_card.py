"""Tests of the dataset card: its numbers, head, licences and escaping."""

import html
import json
import re
from dataclasses import replace
from pathlib import Path

import pyarrow as pa
import pytest
import yaml
from huggingface_hub import DatasetCard, DatasetCardData, constants, metadata_load
from markdown_it import MarkdownIt

from gensr_pref.auditing.listening import answers
from gensr_pref.auditing.run_audit import audit
from gensr_pref.building.pair import pair
from gensr_pref.errors import InputError
from gensr_pref.exporting import redacted_facts
from gensr_pref.exporting.card import _size, render_card
from gensr_pref.exporting.card_facts import CardFacts
from gensr_pref.exporting.columns import export_pairs_schema
from gensr_pref.exporting.dataset import ExportOptions
from gensr_pref.exporting.dataset_files import DatasetConfig
from gensr_pref.exporting.export_run import PublishingOptions, export
from gensr_pref.exporting.figure import agreement_figure
from gensr_pref.exporting.licences import LicensedPart, hub_licences, licensed_parts
from gensr_pref.exporting.markdown import code_block, escape, inline_code, link
from gensr_pref.exporting.run_facts import clip_languages
from gensr_pref.rundir import part_files
from gensr_pref.rundir.document import RunDocument, write_document
from tests.refusals import raises
from tests.upload_server import UploadServer


def numbers(node: object) -> list[float]:
    """All numbers in nested JSON."""
    if isinstance(node, dict):
        return [n for value in node.values() for n in numbers(value)]
    if isinstance(node, list):
        return [n for value in node for n in numbers(value)]
    return [float(node)] if isinstance(node, int | float) and not isinstance(node, bool) else []


def shown(text: str) -> list[str]:
    """The numbers that a reader sees: not those of names, which are in code, links or blocks."""
    for hidden in (r"```.*?```", r"(`+).*?\1", r"\]\([^)]*\)"):
        text = re.sub(hidden, " ", text, flags=re.DOTALL)
    text = text.replace("(16-bit FLAC", "(").replace("float16", "")
    return re.findall(r"-?\d+(?:\.\d+)?", text)


def is_told(number: str, known: list[float]) -> bool:
    decimals = len(number.partition(".")[2])
    wanted = float(number)
    return any(wanted in (round(n, decimals), round(100 * n, decimals)) for n in known)


@pytest.mark.parametrize("form", ["parquet", "wav-jsonl"])
def test_every_number_is_in_the_audit_or_the_summary(built, tmp_path, facts, form) -> None:
    export(built, tmp_path / "out", ExportOptions(form))
    text = (tmp_path / "out" / "README.md").read_text(encoding="utf-8")
    _, head, body = text.split("---\n", 2)
    known = [
        n for name in ("audit", "summary") for n in numbers(facts(tmp_path / "out", f"{name}.json"))
    ]
    found = shown(body)
    assert len(found) > 20
    assert [number for number in found if not is_told(number, known)] == []
    assert [n for n in numbers(yaml.safe_load(head)) if n not in known] == []


def test_an_unknown_number_would_be_noticed(exported, facts) -> None:
    known = [n for name in ("audit", "summary") for n in numbers(facts(exported, f"{name}.json"))]
    assert not is_told("123456.789", known)
    assert shown("in `12` code, 13 %, [x](http://a/14) and\n```\n15\n```") == ["13"]


def test_the_published_audit_is_that_of_the_run(built, exported, facts) -> None:
    own = json.loads((built / "audit" / "audit.json").read_text())
    result = facts(exported, "audit.json")
    for key in ("yield", "agreement", "panel", "means", "pairs", "hold_out"):
        assert result[key] == own[key]


def test_the_front_matter_is_read_by_the_hub_and_datasets(exported, monkeypatch) -> None:
    """How `datasets` reads configs and features of it is in test_dataset."""
    loaded = DatasetCard.load(exported / "README.md")
    result = metadata_load(exported / "README.md")
    assert isinstance(loaded.data, DatasetCardData)
    assert loaded.data.to_dict() == result
    assert [one["config_name"] for one in result["configs"]] == ["default", "candidates"]
    assert result["size_categories"] == ["n<1K"]
    assert result["language"] == ["en"]
    with UploadServer() as server:
        monkeypatch.setattr(constants, "ENDPOINT", server.url)
        monkeypatch.setattr(constants, "HF_HUB_OFFLINE", False)
        loaded.validate()
        assert server.asked[-1] == ("POST", "/api/validate-yaml")


def test_sizes_are_those_of_the_files(exported) -> None:
    info, _ = metadata_load(exported / "README.md")["dataset_info"]
    files = sum(path.stat().st_size for path in (exported / "data").iterdir())
    assert info["download_size"] == files
    assert {split["name"] for split in info["splits"]} == {"train", "validation"}
    assert info["dataset_size"] == sum(split["num_bytes"] for split in info["splits"])


def test_non_commercial_parts_are_at_the_top_and_in_the_front_matter(exported) -> None:
    text = (exported / "README.md").read_text(encoding="utf-8")
    result = metadata_load(exported / "README.md")
    assert result["license"] == ["cc-by-sa-3.0", "cc-by-nc-4.0", "cc-by-nc-sa-4.0"]
    assert "non-commercial" in result["tags"]
    top, _, rest = text.partition("## What is in it")
    assert "**Not for commercial use.**" in top
    for name in (
        "babble (noise, `CC-BY-NC-4.0`)",
        "pretended:Roughness (metric, `CC-BY-NC-SA-4.0`)",
    ):
        assert name in top
    assert "Asterisk core sounds" in rest
    assert "https://www.asterisk.org" in rest
    assert "Allison Smith" in rest
    assert "| `hiss` | `1` | 3 | `MIT` |" in rest


@pytest.mark.parametrize(
    ("rows", "name"),
    [(0, "n<1K"), (999, "n<1K"), (1000, "1K<n<10K"), (80_000, "10K<n<100K"), (10**12, "n>1T")],
)
def test_sizes_have_the_names_of_the_hub(rows, name) -> None:
    assert _size(rows) == name


EMPTY = {"gensr_pref": "0.1.0", "schema_version": 2, "generators": [], "panel": []}


def document(**sections) -> RunDocument:
    """What run.yaml may hold, with these sections."""
    empty = {name: {} for name in ("corpus", "pairing", "engine")}
    lists = {"generators": [], "panel": []}
    return RunDocument.model_validate(
        {"name": "run", "seed": 0, **empty, **lists, "provenance": EMPTY, **sections}
    )


def test_a_speech_licence_that_nobody_stated_is_unknown() -> None:
    found = licensed_parts(document(corpus={"degrade": {"noise": {}}}))
    assert found == [LicensedPart("speech", "the speech", "unknown")]
    assert hub_licences(found) == ["unknown"]
    assert hub_licences([LicensedPart("speech", "x", "Our Own 1.0")]) == ["other"]


@pytest.mark.parametrize(
    ("provenance", "licence"),
    [
        ({"licences": {"mine": "mit"}}, "mit"),
        ({"licences": {"mine": "-"}}, "unknown"),
        ({"licences": {"mine": {"a": 1}}}, "unknown"),
        ({"licences": {}}, "not recorded"),
        ({}, "not recorded"),
    ],
)
def test_licences_of_generators_are_those_that_the_build_recorded(provenance, licence) -> None:
    run = document(provenance={**EMPTY, "generators": [{"name": "mine"}], **provenance})
    assert licensed_parts(run)[-1] == LicensedPart("generator", "mine", licence)


@pytest.fixture
def known(exported, facts) -> CardFacts:
    """Facts to write other cards from."""
    run = RunDocument.model_validate(yaml.safe_load((exported / "run.yaml").read_text()))
    audit, summary = (facts(exported, f"{name}.json") for name in ("audit", "summary"))
    table = DatasetConfig("default", "data", export_pairs_schema(["a"]), ())
    return CardFacts(run, audit, summary, licensed_parts(run), [table])


NASTY = "x` | <script>alert(1)</script> **bold** [a](javascript:b) \n---\n# Head: 'a' \"b\" {c} @d"


def test_text_of_other_people_stays_text(known) -> None:
    credit = {"of": "speech", "name": NASTY, "licence": NASTY, "by": NASTY,
              "url": "https://x.org/)<b>", "cite": NASTY}  # fmt: skip
    run = known.run.with_provenance(licences={"hiss": NASTY})
    run = run.model_copy(update={"name": NASTY, "credits": [credit]})
    summary = {**known.summary, "notices": [NASTY]}
    text = render_card(replace(known, run=run, summary=summary, parts=licensed_parts(run)))
    head, body = re.match(r"---\n(.*?)\n---\n(.*)", text, re.DOTALL).groups()
    assert yaml.safe_load(head)["pretty_name"] == NASTY
    assert yaml.safe_load(head)["license"] == ["other", "unknown", "cc-by-nc-sa-4.0"]
    page = MarkdownIt("gfm-like", {"linkify": False}).render(body)
    assert "<script" not in page
    assert "<strong>bold" not in page
    assert 'href="javascript' not in page
    assert page.count("<h1>") == 1
    assert NASTY.splitlines()[0] in html.unescape(page)
    columns = {row.count("<td") for row in re.findall(r"<tr>.*?</tr>", page, re.DOTALL)}
    assert columns <= {0, 3, 4, 5}


@pytest.mark.parametrize(
    ("text", "is_"),
    [
        ("a_b*c", "a\\_b\\*c"),
        ("1. first", "1\\. first"),
        ("- item", "\\- item"),
        ("v1.2-rc (x)", "v1.2-rc (x)"),
        ("https://x.org", "https\\://x.org"),
        ("a\n\nb", "a b"),
        ("<b>&", "&lt;b\\>&amp;"),
    ],
)
def test_only_markup_is_escaped(text, is_) -> None:
    assert escape(text) == is_


def test_code_with_backticks_stays_code() -> None:
    assert inline_code("a`b|c") == "``a`b\\|c``"
    assert inline_code("`") == "`` ` ``"
    assert code_block("```", "sh") == "````sh\n```\n````"
    assert link("a", "javascript:x") == "a"


def test_the_figure_is_a_light_picture_and_the_same_each_time(exported, facts) -> None:
    from matplotlib.image import imread

    path = exported / "agreement.png"
    picture = imread(path)
    assert picture[0, 0, :3].tolist() == [1.0, 1.0, 1.0]
    assert picture[..., :3].mean() > 0.8
    assert agreement_figure(facts(exported, "audit.json")["agreement"]) == path.read_bytes()
    assert agreement_figure([]) is None


def test_the_card_mentions_listeners_and_anonymisation(known) -> None:
    heard = {"answers": 12, "panel": {"agree": 0.75}}
    text = render_card(replace(known, audit={**known.audit, "listening": heard}, anonymised="hash"))
    assert "People gave 12 answers; 75 % prefer the chosen." in text
    assert "pseudonyms under a secret that is not published" in text
    assert "No person has judged these pairs." in render_card(known)


def test_a_full_audit_replaces_a_short_one(run_folder, tmp_path, facts) -> None:
    audit(run_folder, brief=True)
    export(run_folder, tmp_path / "out", ExportOptions(), PublishingOptions())
    assert facts(tmp_path / "out", "audit.json")["agreement"]


def test_names_and_credits_are_as_they_were_given(run_folder, tmp_path) -> None:
    document = yaml.safe_load((run_folder / "run.yaml").read_text())
    credit = {"of": "speech", "name": "LibriTTS (/train)", "licence": "CC-BY-4.0", "by": "Zen (/a)"}
    document |= {"name": "</script>", "credits": [credit]}
    write_document(run_folder, RunDocument.model_validate(document))
    pair(run_folder, [])
    export(run_folder, tmp_path / "out", ExportOptions())
    text = (tmp_path / "out" / "README.md").read_text(encoding="utf-8")
    assert "| speech | LibriTTS (/train) | `CC-BY-4.0` | Zen (/a) |" in text
    assert metadata_load(tmp_path / "out" / "README.md")["pretty_name"] == "</script>"
    result = yaml.safe_load((tmp_path / "out" / "run.yaml").read_text())
    assert (result["name"], result["credits"]) == ("</script>", [credit])
    assert redacted_facts.redact_audit({"run": "</script>"}, None)["run"] == "</script>"


@pytest.mark.parametrize("place", ["name", "credits"])
def test_paths_in_names_and_credits_are_refused(run_folder, tmp_path, place) -> None:
    document = yaml.safe_load((run_folder / "run.yaml").read_text())
    path = "/srv/labdata/speech"
    document[place] = (
        path if place == "name" else [{"of": "speech", "name": path, "licence": "CC0-1.0"}]
    )
    write_document(run_folder, RunDocument.model_validate(document))
    pair(run_folder, [])
    with raises(InputError, problem="unsafe") as caught:
        export(run_folder, tmp_path / "out", ExportOptions())
    assert caught.value.value
    assert all(path in complaint for complaint in caught.value.value)


def test_answers_since_the_audit_are_in_the_card(run_folder, tmp_path) -> None:
    audit(run_folder)
    (one, *_) = part_files.read_all(run_folder, "pairs").to_pylist()
    sides = {key: one[key] for key in ("pair_id", "clip_id", "chosen_id", "rejected_id")}
    answers.save_answer(run_folder, {"listener": "anna", "trial": "1", "kind": "pair",
                            "preferred": "chosen", "choice": "a", **sides})  # fmt: skip
    export(run_folder, tmp_path / "out", ExportOptions())
    text = (tmp_path / "out" / "README.md").read_text(encoding="utf-8")
    assert "People gave 1 answer;" in text


def testclip_languages_of_earlier_runs_become_codes(monkeypatch) -> None:
    written = pa.table({"language": ["eng", "en-US", "cmn_hans_cn", "English", None, "", "und"]})
    monkeypatch.setattr(part_files, "read_all", lambda *_: written)
    assert clip_languages(Path()) == ["en", "zh"]
