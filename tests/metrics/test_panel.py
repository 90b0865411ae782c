"""The panel: what it admits, whom it asks, and what becomes of whatever comes back."""

import json
import subprocess
import sys
from dataclasses import replace

import numpy as np
import pytest

from gensr_pref import plugins
from gensr_pref.audio import Sound, resample
from gensr_pref.config import MetricUse
from gensr_pref.errors import (
    ConfigError,
    InputError,
    MissingWeightsError,
    UnknownPluginError,
    Unusable,
)
from gensr_pref.metrics.base import ClipSounds, MetricSpec, Score, each
from gensr_pref.metrics.panel import Panel
from gensr_pref.schema import Reason

from .sounds import cut

ALL = ["dnsmos", "speaker_similarity", "wer", "pesq", "stoi"]


class Peak:
    """A hand-made metric: the largest sample; `answer` bends what it says."""

    def __init__(self, name="peak", needs=(), rate=16000, answer=None):
        self.spec = MetricSpec(name, (Score(name),), rate, frozenset(needs))
        self.answer = answer or (lambda sound: {name: float(np.abs(sound.wave).max())})
        self.asked = []

    def load(self):
        self.loads = getattr(self, "loads", 0) + 1

    def score(self, clip):
        self.asked.append(clip)
        return each(clip.candidates, self.answer)


class Weightless:
    """A metric whose weights are not here."""

    def __init__(self, path="nowhere"):
        raise MissingWeightsError(f"no weights at {path}; run: gensr-pref fetch weightless")


def tone(peak=0.5, samples=16000, rate=16000):
    return Sound((peak * np.sin(np.arange(samples) * 0.1)).astype(np.float32), rate)


def whistle():
    """15 kHz alone, faded in and out: nothing is left of it at 16 kHz."""
    wave = np.hanning(48000) * np.sin(np.arange(48000) * 2 * np.pi * 15 / 48)
    return Sound(wave.astype(np.float32), 48000)


def values(results, score="peak"):
    return [result.values[score] for result in results]


def reasons(results, score="peak"):
    return [result.failures.get(score) for result in results]


# What it admits


def test_scores_and_default_votes():
    panel = Panel(ALL)
    assert [score.name for score in panel.scores] == [
        "dnsmos_sig", "dnsmos_bak", "dnsmos_ovrl", "dnsmos_p808",
        "speaker_similarity", "wer", "pesq_wb", "stoi", "estoi",
    ]  # fmt: skip
    assert panel.votes == ["dnsmos_sig", "dnsmos_bak", "dnsmos_ovrl", "speaker_similarity", "wer"]
    assert [score.name for score in panel.scores if not score.higher_is_better] == ["wer"]
    assert [score.name for score in panel.scores if score.ties] == ["wer"]


@pytest.mark.parametrize(
    ("vote", "expected"),
    [
        (None, ["dnsmos_sig", "dnsmos_bak", "dnsmos_ovrl"]),
        (True, ["dnsmos_sig", "dnsmos_bak", "dnsmos_ovrl", "dnsmos_p808"]),
        (False, []),
        (["dnsmos_p808"], ["dnsmos_p808"]),
        ([], []),
    ],
)
def test_a_run_file_overrides_votes(vote, expected):
    panel = Panel([MetricUse(metric="dnsmos", vote=vote)])
    assert panel.votes == expected
    assert [score.name for score in panel.scores if score.votes] == expected


def test_a_vote_for_an_unknown_score_names_the_field_and_what_is_allowed():
    uses = [MetricUse(metric="pesq"), MetricUse(metric="stoi", vote=["stoj"])]
    with pytest.raises(ConfigError, match=r"panel\.1\.vote: 'stoi' gives no score 'stoj'\. "
                       r"Known: estoi, stoi\. Did you mean 'stoi'\?"):  # fmt: skip
        Panel(uses)


def test_unknown_metric_and_unknown_option():
    with pytest.raises(UnknownPluginError, match=r"no metric 'dnsmoss'.*Did you mean 'dnsmos'"):
        Panel(["dnsmoss"])
    use = MetricUse(metric="wer", options={"recognizer": "pocketsphinx"})
    with pytest.raises(ConfigError, match=r"panel\.0\.options\.recognizer.*mean 'recogniser'"):
        Panel([use])
    use = MetricUse(metric="wer", options={"recogniser": "sphinx"})
    with pytest.raises(ConfigError, match=r"panel\.0\.options: .*no recogniser 'sphinx'"):
        Panel([use])


def test_a_plugin_that_is_no_metric_is_refused():
    with pytest.raises(ConfigError, match=r"panel\.0\.metric: 'pathlib:Path' has no `spec`"):
        Panel(["pathlib:Path"])


def test_the_same_metric_or_score_twice_is_refused():
    with pytest.raises(ConfigError, match=r"panel\.2\.metric: 'pesq' is in the panel already"):
        Panel(["pesq", "stoi", "pesq"])
    twin = Peak("other")
    twin.spec = replace(twin.spec, scores=(Score("peak"),))
    with pytest.raises(ConfigError, match=r"panel\.1\.metric: 'other' gives 'peak', and so does"):
        Panel([Peak(), twin])
    double = Peak()
    double.spec = replace(double.spec, scores=(Score("peak"), Score("peak")))
    with pytest.raises(ConfigError, match=r"'peak' gives 'peak', and so does 'peak'"):
        Panel([double])
    with pytest.raises(ConfigError, match="another column of the scores table"):
        Panel([Peak("clip_id")])


def test_optional_metrics_without_weights_are_left_out():
    name = f"{__name__}:Weightless"
    with pytest.raises(MissingWeightsError, match="gensr-pref fetch"):
        Panel(["pesq", name])
    panel = Panel([MetricUse(metric=name, optional=True), "pesq"])
    assert [score.name for score in panel.scores] == ["pesq_wb"]
    assert panel.left_out == {name: "no weights at nowhere; run: gensr-pref fetch weightless"}
    assert panel.facts()["left_out"] == panel.left_out
    with pytest.raises(ConfigError, match=r"there is no metric in it.*no weights at nowhere"):
        Panel([MetricUse(metric=name, optional=True)])


def test_facts_are_json_and_tell_the_model_and_its_licence():
    facts = json.loads(json.dumps(Panel([MetricUse(metric="wer", vote=False), "pesq"]).facts()))
    assert facts["votes"] == []
    wer, pesq = facts["metrics"]
    assert wer["model"].startswith("pocketsphinx 5")
    assert wer["scores"][0] == {
        "name": "wer", "higher_is_better": False, "unit": "share of words",
        "low": 0.0, "high": None, "votes": False, "ties": True,
    }  # fmt: skip
    assert "ITU" in pesq["licence"]


def test_a_panel_is_made_without_loading_anything_heavy():
    script = (
        "import sys; from gensr_pref.metrics.panel import Panel;"
        f"Panel({ALL!r}).facts();"
        "print([m for m in ('torch', 'ray', 'onnxruntime', 'librosa', 'scipy', 'pocketsphinx')"
        " if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, check=True)
    assert done.stdout.strip() == b"[]"


def test_every_registered_metric_can_join_one_panel():
    assert set(plugins.names("metric")) >= set(ALL)


# Loading


def test_metrics_are_loaded_once():
    metric = Peak()
    panel = Panel([metric])
    for _ in range(2):
        panel.load()
        panel.score(ClipSounds([tone()]))
    assert metric.loads == 1


def test_a_metric_that_cannot_be_loaded_is_named():
    metric = Peak()
    metric.load = lambda: 1 / 0
    with pytest.raises(InputError, match="metric 'peak' cannot be loaded: ZeroDivisionError"):
        Panel([metric]).load()


# Whom it asks


def test_each_metric_gets_its_rate():
    low, high = Peak("low", rate=8000), Peak("high", rate=48000)
    sound = tone(rate=16000)
    Panel([low, high]).score(ClipSounds([sound], clean=sound, noisy=sound))
    for metric, rate in ((low, 8000), (high, 48000)):
        [seen] = metric.asked
        expected = resample(sound.wave, 16000, rate)
        for got in (*seen.candidates, seen.clean, seen.noisy):
            assert got.rate == rate
            assert np.array_equal(got.wave, expected)


@pytest.mark.parametrize(
    ("bad", "reason"),
    [
        (Sound(np.zeros(0, np.float32), 16000), Reason.EMPTY),
        (Sound(np.zeros(16000, np.float32), 16000), Reason.SILENT),
        (Sound(np.full(16000, np.nan, np.float32), 16000), Reason.NOT_FINITE),
        (Sound(np.full(16000, np.inf, np.float32), 16000), Reason.NOT_FINITE),
        (whistle(), Reason.SILENT),
    ],
)
def test_an_unusable_candidate_fails_alone_on_every_score(bad, reason):
    first, second = Peak("first"), Peak("second", rate=8000)
    results = Panel([first, second]).score(ClipSounds([tone(0.5), bad, tone(0.25)]))
    for score in ("first", "second"):
        assert reasons(results, score) == [None, reason, None]
        assert values(results, score)[1] is None
        assert values(results, score)[0] > values(results, score)[2] > 0
    assert len(first.asked[0].candidates) == 2


def test_needs_are_checked_before_asking():
    clean, text = Peak("c", needs=["clean"]), Peak("t", needs=["text"])
    panel = Panel([clean, text])
    results = panel.score(ClipSounds([tone()], text=" "))
    assert results[0].failures == {"c": Reason.NO_CLEAN, "t": Reason.NO_TEXT}
    results = panel.score(ClipSounds([tone()], clean=tone(0.0)))
    assert results[0].failures["c"] is Reason.NO_CLEAN
    assert results[0].details["c"] == "the clean clip is silent"
    assert clean.asked == text.asked == []
    results = panel.score(ClipSounds([tone()], clean=tone(), text="a"))
    assert results[0].failures == {}


def test_lengths_are_made_equal_to_the_clean_ones_up_to_20_ms():
    metric = Peak(needs=["clean"])
    free = Peak("free")
    lengths = [16000, 15680, 16320, 15679, 16321, 15840]
    results = Panel([metric, free]).score(
        ClipSounds([tone(samples=n) for n in lengths], clean=tone(samples=16000))
    )
    mismatch = Reason.LENGTH_MISMATCH
    assert reasons(results) == [None, None, None, mismatch, mismatch, None]
    assert results[3].details["peak"] == "0.980 s against 1.000 s of the clean clip"
    seen = [[len(s.wave) for s in (*clip.candidates, clip.clean)] for clip in metric.asked]
    assert sorted(seen) == [[15680, 15680], [15840, 15840], [16000, 16000, 16000]]
    assert [len(sound.wave) for sound in free.asked[0].candidates] == lengths


# What becomes of what comes back


def picky(bad):
    """Raises, or answers oddly, for the candidate whose peak is 0.25."""

    def answer(sound):
        peak = float(np.abs(sound.wave).max())
        return bad() if peak < 0.3 else {"peak": peak}

    return answer


def raising(error):
    def bad():
        raise error

    return bad


@pytest.mark.parametrize(
    ("bad", "reason", "detail"),
    [
        (raising(ValueError("odd")), Reason.METRIC_ERROR, "ValueError: odd"),
        (raising(Unusable(Reason.NO_SPEECH, "a hum")), Reason.NO_SPEECH, "a hum"),
        (lambda: {"peak": float("nan")}, Reason.METRIC_ERROR, "ValueError: peak is nan"),
        (lambda: {"peak": -np.inf}, Reason.METRIC_ERROR, "ValueError: peak is -inf"),
        (lambda: {"peak": 1e39}, Reason.METRIC_ERROR, "ValueError: peak is 1e+39"),
        (lambda: {"peek": 1.0}, Reason.METRIC_ERROR, "ValueError: no 'peak' in what it gave: peek"),
        (lambda: {}, Reason.METRIC_ERROR, "ValueError: no 'peak' in what it gave: nothing"),
        (lambda: {"peak": None}, Reason.METRIC_ERROR, None),
        (lambda: {"peak": "high"}, Reason.METRIC_ERROR, None),
        (lambda: 0.5, Reason.METRIC_ERROR, None),
        (lambda: None, Reason.METRIC_ERROR, None),
    ],
)  # fmt: skip
def test_a_bad_answer_voids_one_candidate(bad, reason, detail):
    results = Panel([Peak(answer=picky(bad)), Peak("other")]).score(
        ClipSounds([tone(0.5), tone(0.25), tone(0.75)])
    )
    assert reasons(results) == [None, reason, None]
    assert values(results)[1] is None
    assert values(results)[0] == pytest.approx(0.5, abs=1e-3)
    assert reasons(results, "other") == [None] * 3
    if detail is not None:
        assert results[1].details["peak"] == detail


def test_a_metric_that_raises_for_all_because_of_one_is_asked_about_each():
    class Whole(Peak):
        def score(self, clip):
            return [picky(raising(RuntimeError("batch")))(sound) for sound in clip.candidates]

    results = Panel([Whole()]).score(ClipSounds([tone(0.5), tone(0.25), tone(0.75)]))
    assert reasons(results) == [None, Reason.METRIC_ERROR, None]


def test_a_metric_that_always_raises_fails_for_all_and_others_go_on():
    class Broken(Peak):
        def score(self, clip):
            raise RuntimeError("broken")

    class Refusing(Peak):
        def score(self, clip):
            raise Unusable(Reason.NO_TEXT, "no words")

    panel = Panel([Broken("broken"), Refusing("refusing"), Peak()])
    results = panel.score(ClipSounds([tone(0.5), tone(0.25)]))
    assert reasons(results, "broken") == [Reason.METRIC_ERROR] * 2
    assert reasons(results, "refusing") == [Reason.NO_TEXT] * 2
    assert reasons(results) == [None, None]


@pytest.mark.parametrize("count", [0, 1, 3])
def test_a_wrong_number_of_answers_is_no_answer(count):
    class Miscounting(Peak):
        def score(self, clip):
            return [{"peak": 0.5}] * count

    results = Panel([Miscounting()]).score(ClipSounds([tone(0.5), tone(0.25)]))
    assert reasons(results) == [Reason.METRIC_ERROR] * 2
    assert results[0].details["peak"] == f"ValueError: {count} answers for 2 candidates"


def test_an_interrupt_is_not_data():
    with pytest.raises(KeyboardInterrupt):
        Panel([Peak(answer=lambda sound: raising(KeyboardInterrupt())())]).score(
            ClipSounds([tone()])
        )


def test_a_clip_without_candidates_gives_nothing():
    metric = Peak()
    assert Panel([metric]).score(ClipSounds([])) == []
    assert metric.asked == []


# All real metrics together


@pytest.fixture(scope="module")
def panel():
    made = Panel(ALL)
    made.load()
    return made


def without_dnsmos(panel):
    return Panel([m.metric for m in panel.members if m.metric.spec.name != "dnsmos"])


def test_scores_depend_on_nothing_but_the_candidate(panel, clip):
    """Alone, among others, in another order, beside a bad one: the same floats."""
    clip = replace(clip, candidates=[cut(sound, 1.2) for sound in clip.candidates])
    clip = replace(clip, clean=cut(clip.clean, 1.2), noisy=cut(clip.noisy, 1.2))
    short = cut(clip.candidates[0], 1.19)
    silent = Sound(np.zeros(16000, np.float32), 16000)
    together = panel.score(replace(clip, candidates=[*clip.candidates[:2], short]))
    others = [short, silent, clip.candidates[1], clip.candidates[0]]
    shuffled = panel.score(replace(clip, candidates=others))
    alone = panel.score(replace(clip, candidates=[clip.candidates[1]]))
    assert [shuffled[i] for i in (3, 2, 0)] == together
    assert alone == [together[1]]
    assert all(not result.failures for result in together)
    assert set(shuffled[1].failures.values()) == {Reason.SILENT}


def test_scores_do_not_depend_on_threads(clip):
    """The panel holds torch and BLAS to one thread, and gives back what it found."""
    import torch

    panel = Panel(["speaker_similarity", "stoi"])
    panel.load()
    found = []
    for threads in (1, 2):
        torch.set_num_threads(threads)
        found.append(panel.score(clip))
        assert torch.get_num_threads() == threads
    torch.set_num_threads(1)
    assert found[0] == found[1]


def test_without_clean_and_text(panel, clip):
    [result] = without_dnsmos(panel).score(ClipSounds([clip.candidates[0]], noisy=clip.noisy))
    assert result.failures == {
        "wer": Reason.NO_TEXT,
        "pesq_wb": Reason.NO_CLEAN,
        "stoi": Reason.NO_CLEAN,
        "estoi": Reason.NO_CLEAN,
    }
    assert result.values["speaker_similarity"] > 0


@pytest.mark.parametrize("kind", ["3 ms", "clipped", "dc", "8 kHz", "48 kHz"])
def test_odd_sounds_are_scored_or_null_never_an_error_of_the_panel(panel, clip, kind):
    clean = Sound(clip.clean.wave[8000:27200], 16000)
    make = {
        "3 ms": lambda: Sound(clean.wave[4000:4048], 16000),
        "clipped": lambda: Sound(np.clip(clean.wave * 50, -1, 1), 16000),
        "dc": lambda: Sound(np.full(19200, 0.1, np.float32), 16000),
        "8 kHz": lambda: clean.at(8000),
        "48 kHz": lambda: clean.at(48000),
    }
    quick = without_dnsmos(panel)
    [result] = quick.score(ClipSounds([make[kind]()], clean, None, clip.text, "en"))
    assert set(result.values) == {score.name for score in quick.scores}
    assert Reason.METRIC_ERROR not in result.failures.values(), result.details
    for score in quick.scores:
        value = result.values[score.name]
        assert (value is None) == (score.name in result.failures)
        if value is not None:
            assert score.low is None or value >= score.low - 1e-6
            assert score.high is None or value <= score.high + 1e-6
    if kind == "3 ms":
        assert result.failures["stoi"] is result.failures["pesq_wb"] is Reason.LENGTH_MISMATCH
        assert result.failures["speaker_similarity"] is Reason.NO_SPEECH
    if kind == "dc":
        assert result.failures["speaker_similarity"] is Reason.NO_SPEECH
