"""Tests of the panel: its input checks, its calls of metrics, and its handling of results."""

import json
import sys
import warnings
from dataclasses import replace

import numpy as np
import pytest
import soundfile

from gensr_pref import audio
from gensr_pref.audio import Sound, resample
from gensr_pref.config import plugins
from gensr_pref.config.run_file import MetricUse
from gensr_pref.errors import (
    ConfigError,
    InputError,
    MissingWeightsError,
    Problem,
    UnknownPluginError,
    Unusable,
)
from gensr_pref.metrics.base import MetricSpec, Note, Score, score_each
from gensr_pref.metrics.panel import Panel
from gensr_pref.schema import Reason
from tests.commands import finish
from tests.metrics.sounds import ask, cut
from tests.refusals import raises

ALL = ["dnsmos", "speaker_similarity", "wer", "pesq", "stoi"]


class Peak:
    """Metric that returns the largest sample, or what `answer` returns."""

    def __init__(self, name="peak", needs=(), rate=16000, answer=None, **spec):
        self.spec = MetricSpec(name, (Score(name),), rate, frozenset(needs), **spec)
        self.answer = answer or (lambda sound: {name: float(np.abs(sound.wave).max())})
        self.asked = []

    def load(self, device):
        self.device = device
        self.loads = getattr(self, "loads", 0) + 1

    def score(self, clip):
        self.asked.append(clip)
        return score_each(clip.candidates, self.answer)


class Specless:
    def load(self, device): ...

    def score(self, clip): ...


class Weightless(Specless):
    """Metric whose weights are missing."""

    def __init__(self, path="nowhere"):
        shown = f"no weights at {path}; run: gensr-pref fetch weightless"
        raise MissingWeightsError(shown, problem=Problem.MISSING)


def tone(peak=0.5, samples=16000, rate=16000):
    return Sound((peak * np.sin(np.arange(samples) * 0.1)).astype(np.float32), rate)


def whistle():
    """Make a tone of 15 kHz, faded in and out, of which nothing is left at 16 kHz."""
    wave = np.hanning(48000) * np.sin(np.arange(48000) * 2 * np.pi * 15 / 48)
    return Sound(wave.astype(np.float32), 48000)


def values(results, score="peak"):
    return [result.values[score] for result in results]


def reasons(results, score="peak"):
    return [result.failures.get(score) for result in results]


# Checks of metrics


def test_a_metric_at_any_rate_cannot_need_the_clean_sound():
    with raises(ConfigError, field="panel.0.metric", value="odd", problem="missing"):
        Panel([Peak("odd", needs=["clean"], rate=None)])


def test_two_metrics_may_not_note_the_same():
    shown = (Note("transcript"),)
    with raises(ConfigError, field="panel.1.metric", value="transcript", problem="duplicate"):
        Panel([Peak("a", notes=shown), Peak("b", notes=shown)])


def test_notices_name_their_metrics():
    panel = Panel([Peak("a", notice="Not for sale."), Peak("b")])
    assert panel.notices == ["a: Not for sale."]
    assert [facts["notice"] for facts in panel.facts()["metrics"]] == ["Not for sale.", ""]


def test_scores_and_default_votes():
    panel = Panel(ALL)
    assert [score.name for score in panel.scores] == [
        "dnsmos_sig", "dnsmos_bak", "dnsmos_ovrl", "dnsmos_p808",
        "speaker_similarity", "wer", "cer", "pesq_wb", "stoi", "estoi",
    ]  # fmt: skip
    assert panel.votes == ["dnsmos_sig", "dnsmos_bak", "dnsmos_ovrl", "speaker_similarity", "wer"]
    assert [score.name for score in panel.scores if not score.higher_is_better] == ["wer", "cer"]
    assert [score.name for score in panel.scores if score.ties] == ["wer", "cer"]


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


def test_a_vote_for_an_unknown_score_is_refused():
    uses = [MetricUse(metric="pesq"), MetricUse(metric="stoi", vote=["stoj"])]
    with raises(ConfigError, field="panel.1.vote", value='stoj', problem="unknown"):  # fmt: skip
        Panel(uses)


def test_an_unknown_metric_or_option_is_refused():
    with raises(UnknownPluginError, field="panel.0", value="dnsmoss", problem="unknown"):
        Panel(["dnsmoss"])
    use = MetricUse(metric="wer", options={"recognizer": "pocketsphinx"})
    with raises(
        ConfigError, field="panel.0.options.recognizer", value="recognizer", problem="unknown"
    ):
        Panel([use])
    use = MetricUse(metric="wer", options={"recogniser": "sphinx"})
    with raises(
        UnknownPluginError, field="panel.0.options.recogniser", value="sphinx", problem="unknown"
    ):
        Panel([use])


def test_a_plugin_that_is_no_metric_is_refused():
    with raises(ConfigError, field="panel.0", value=("load",), problem="missing"):
        Panel(["pathlib:Path"])
    with raises(
        ConfigError,
        field="panel.0.metric",
        value="tests.metrics.test_panel:Specless",
        problem="invalid",
    ):
        Panel([f"{__name__}:Specless"])


def test_the_same_metric_or_score_twice_is_refused():
    with raises(ConfigError, field="panel.2.metric", value="pesq", problem="duplicate"):
        Panel(["pesq", "stoi", "pesq"])
    twin = Peak("other")
    twin.spec = replace(twin.spec, scores=(Score("peak"),))
    with raises(ConfigError, field="panel.1.metric", value="peak", problem="duplicate"):
        Panel([Peak(), twin])
    double = Peak()
    double.spec = replace(double.spec, scores=(Score("peak"), Score("peak")))
    with raises(ConfigError, field="panel.0.metric", value="peak", problem="duplicate"):
        Panel([double])
    with raises(ConfigError, field="panel.0.metric", value="clip_id", problem="conflict"):
        Panel([Peak("clip_id")])


def test_optional_metrics_without_weights_are_left_out():
    name = f"{__name__}:Weightless"
    with raises(MissingWeightsError, problem="missing"):
        Panel(["pesq", name])
    panel = Panel([MetricUse(metric=name, optional=True), "pesq"])
    assert [score.name for score in panel.scores] == ["pesq_wb"]
    assert panel.left_out == {name: "no weights at nowhere; run: gensr-pref fetch weightless"}
    assert panel.facts()["left_out"] == panel.left_out
    with raises(ConfigError, field="panel", value=panel.left_out, problem="empty"):
        Panel([MetricUse(metric=name, optional=True)])


def test_a_field_of_a_spec_with_a_wrong_type_is_refused():
    class Odd:
        spec = MetricSpec("odd", (Score("a"), Score("b", votes=1)), 16000, model="x", licence=3)

    with pytest.raises(ConfigError) as refused:
        Panel([Odd()]).facts()
    assert [error.field for error in refused.value.errors] == [
        "spec of 'odd'.licence",
        "spec of 'odd'.scores.1.votes",
    ]


def test_facts_are_json_with_model_and_licence():
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
    assert json.loads(finish([sys.executable, "-c", script])) == []


def test_every_registered_metric_can_join_one_panel():
    assert set(plugins.names("metric")) >= set(ALL)


# Loading


def test_metrics_are_loaded_once():
    metric = Peak()
    panel = Panel([metric])
    for _ in range(2):
        panel.load()
        panel.score([tone()])
    assert metric.loads == 1


def test_a_metric_that_cannot_be_loaded_is_named():
    metric = Peak()
    metric.load = lambda device: 1 / 0
    with raises(InputError, value="peak", problem="failed"):
        Panel([metric]).load()


def test_metrics_compute_in_full_precision():
    import torch

    metric = Peak()
    settings = []
    metric.score = lambda clip: [settings.append(torch.backends.cudnn.conv.fp32_precision) or 0.5]
    Panel([metric]).score([tone()])
    assert settings == ["ieee"]


# Inputs of a metric


def test_each_metric_gets_its_rate():
    low, high = Peak("low", rate=8000), Peak("high", rate=48000)
    sound = tone(rate=16000)
    Panel([low, high]).score([sound], clean=sound, noisy=sound)
    for metric, rate in ((low, 8000), (high, 48000)):
        [received] = metric.asked
        expected = resample(sound.wave, 16000, rate)
        for got in (*received.candidates, received.clean, received.noisy):
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
    results = Panel([first, second]).score([tone(0.5), bad, tone(0.25)])
    for score in ("first", "second"):
        assert reasons(results, score) == [None, reason, None]
        assert values(results, score)[1] is None
        assert values(results, score)[0] > values(results, score)[2] > 0
    assert len(first.asked[0].candidates) == 2


def test_needs_are_checked_before_a_metric_is_called():
    clean, text = Peak("c", needs=["clean"]), Peak("t", needs=["text"])
    panel = Panel([clean, text])
    results = panel.score([tone()], text=" ")
    assert results[0].failures == {"c": Reason.NO_CLEAN, "t": Reason.NO_TEXT}
    results = panel.score([tone()], clean=tone(0.0))
    assert results[0].failures["c"] is Reason.NO_CLEAN
    assert results[0].details["c"] == "the clean clip is silent"
    assert clean.asked == text.asked == []
    results = panel.score([tone()], clean=tone(), text="a")
    assert results[0].failures == {}


def test_lengths_are_made_equal_to_the_clean_ones_up_to_20_ms():
    metric = Peak(needs=["clean"])
    free = Peak("free")
    lengths = [16000, 15680, 16320, 15679, 16321, 15840]
    results = Panel([metric, free]).score(
        [tone(samples=n) for n in lengths], clean=tone(samples=16000)
    )
    mismatch = Reason.LENGTH_MISMATCH
    assert reasons(results) == [None, None, None, mismatch, mismatch, None]
    assert results[3].details["peak"] == "0.980 s against 1.000 s of the clean clip"
    received = [[len(s.wave) for s in (*clip.candidates, clip.clean)] for clip in metric.asked]
    assert sorted(received) == [[15680, 15680], [15840, 15840], [16000, 16000, 16000]]
    assert [len(sound.wave) for sound in free.asked[0].candidates] == lengths


# Handling of answers


def fail_at_low_peak(bad):
    """Make a metric that calls `bad` for the candidate whose peak is 0.25."""

    def answer(sound):
        peak = float(np.abs(sound.wave).max())
        return bad() if peak < 0.3 else {"peak": peak}

    return answer


def raise_error(error):
    def bad():
        raise error

    return bad


@pytest.mark.parametrize(
    ("bad", "reason", "detail"),
    [
        (raise_error(ValueError("odd")), Reason.METRIC_ERROR, "ValueError: odd"),
        (raise_error(Unusable(Reason.NO_SPEECH, "a hum")), Reason.NO_SPEECH, "a hum"),
        (lambda: {"peak": float("nan")}, Reason.METRIC_ERROR, "ValueError: peak is nan"),
        (lambda: {"peak": -np.inf}, Reason.METRIC_ERROR, "ValueError: peak is -inf"),
        (lambda: {"peak": 1e39}, Reason.METRIC_ERROR, "ValueError: peak is 1e+39"),
        (lambda: {"peek": 1}, Reason.METRIC_ERROR, "ValueError: the answer has no 'peak': peek"),
        (lambda: {}, Reason.METRIC_ERROR, "ValueError: the answer has no 'peak': it is empty"),
        (lambda: {"peak": None}, Reason.METRIC_ERROR, None),
        (lambda: {"peak": "high"}, Reason.METRIC_ERROR, None),
        (lambda: 0.5, Reason.METRIC_ERROR, None),
        (lambda: None, Reason.METRIC_ERROR, None),
    ],
)  # fmt: skip
def test_a_bad_answer_affects_one_candidate(bad, reason, detail):
    results = Panel([Peak(answer=fail_at_low_peak(bad)), Peak("other")]).score(
        [tone(0.5), tone(0.25), tone(0.75)]
    )
    assert reasons(results) == [None, reason, None]
    assert values(results)[1] is None
    assert values(results)[0] == pytest.approx(0.5, abs=1e-3)
    assert reasons(results, "other") == [None] * 3
    if detail is not None:
        assert results[1].details["peak"] == detail


def test_a_metric_that_raises_because_of_one_candidate_is_called_for_each():
    class Whole(Peak):
        def score(self, clip):
            return [
                fail_at_low_peak(raise_error(RuntimeError("batch")))(sound)
                for sound in clip.candidates
            ]

    results = Panel([Whole()]).score([tone(0.5), tone(0.25), tone(0.75)])
    assert reasons(results) == [None, Reason.METRIC_ERROR, None]


def test_a_metric_that_always_raises_fails_for_all_and_others_go_on():
    class Broken(Peak):
        def score(self, clip):
            raise RuntimeError("broken")

    class Refusing(Peak):
        def score(self, clip):
            raise Unusable(Reason.NO_TEXT, "no words")

    panel = Panel([Broken("broken"), Refusing("refusing"), Peak()])
    results = panel.score([tone(0.5), tone(0.25)])
    assert reasons(results, "broken") == [Reason.METRIC_ERROR] * 2
    assert reasons(results, "refusing") == [Reason.NO_TEXT] * 2
    assert reasons(results) == [None, None]


@pytest.mark.parametrize("count", [0, 1, 3])
def test_a_wrong_number_of_answers_gives_no_score(count):
    class Miscounting(Peak):
        def score(self, clip):
            return [{"peak": 0.5}] * count

    results = Panel([Miscounting()]).score([tone(0.5), tone(0.25)])
    assert reasons(results) == [Reason.METRIC_ERROR] * 2
    answers = "answer" if count == 1 else "answers"
    assert results[0].details["peak"] == f"ValueError: {count} {answers} for 2 candidates"


def test_an_interrupt_is_not_a_failure_of_the_metric():
    with pytest.raises(KeyboardInterrupt):
        Panel([Peak(answer=lambda sound: raise_error(KeyboardInterrupt())())]).score([tone()])


def test_a_clip_without_candidates_gives_no_results():
    metric = Peak()
    assert Panel([metric]).score([]) == []
    assert metric.asked == []


# All real metrics together


@pytest.fixture(scope="module")
def panel():
    made = Panel(ALL)
    made.load()
    return made


def without_dnsmos(panel):
    return Panel([m.metric for m in panel.members if m.metric.spec.name != "dnsmos"])


def test_scores_depend_on_the_candidate_alone(panel, clip):
    """They are equal alone, among others, in another order and beside a bad candidate."""
    clip = replace(clip, candidates=[cut(sound, 1.2) for sound in clip.candidates])
    clip = replace(clip, clean=cut(clip.clean, 1.2), noisy=cut(clip.noisy, 1.2))
    short = cut(clip.candidates[0], 1.19)
    silent = Sound(np.zeros(16000, np.float32), 16000)
    together = ask(panel, replace(clip, candidates=[*clip.candidates[:2], short]))
    others = [short, silent, clip.candidates[1], clip.candidates[0]]
    shuffled = ask(panel, replace(clip, candidates=others))
    alone = ask(panel, replace(clip, candidates=[clip.candidates[1]]))
    assert [shuffled[i] for i in (3, 2, 0)] == together
    assert alone == [together[1]]
    assert all(not result.failures for result in together)
    assert set(shuffled[1].failures.values()) == {Reason.SILENT}


def test_scores_do_not_depend_on_threads(clip):
    """The panel limits torch and BLAS to one thread, and restores the previous number."""
    import torch

    panel = Panel(["speaker_similarity", "stoi"])
    panel.load()
    results = []
    for threads in (1, 2):
        torch.set_num_threads(threads)
        results.append(ask(panel, clip))
        assert torch.get_num_threads() == threads
    torch.set_num_threads(1)
    assert results[0] == results[1]


def test_missing_inputs_give_reasons(panel, clip):
    [result] = without_dnsmos(panel).score([clip.candidates[0]], noisy=clip.noisy)
    assert result.failures == {
        "wer": Reason.NO_TEXT,
        "cer": Reason.NO_TEXT,
        "pesq_wb": Reason.NO_CLEAN,
        "stoi": Reason.NO_CLEAN,
        "estoi": Reason.NO_CLEAN,
    }
    assert result.values["speaker_similarity"] > 0


@pytest.mark.parametrize("kind", ["3 ms", "clipped", "dc", "8 kHz", "48 kHz"])
def test_unusual_sounds_get_a_score_or_a_reason(panel, clip, kind):
    clean = Sound(clip.clean.wave[8000:27200], 16000)
    make = {
        "3 ms": lambda: Sound(clean.wave[4000:4048], 16000),
        "clipped": lambda: Sound(np.clip(clean.wave * 50, -1, 1), 16000),
        "dc": lambda: Sound(np.full(19200, 0.1, np.float32), 16000),
        "8 kHz": lambda: clean.at(8000),
        "48 kHz": lambda: clean.at(48000),
    }
    quick = without_dnsmos(panel)
    [result] = quick.score([make[kind]()], clean, None, clip.text, "en")
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
        assert result.failures["speaker_similarity"] is Reason.SILENT


# Paths, lengths, notes


def test_a_path_and_its_sound_get_the_same_score(tmp_path):
    soundfile.write(tmp_path / "a.wav", tone().wave, 16000, subtype="FLOAT")
    metric = Peak(needs=["clean"])
    panel = Panel([metric])
    for source in (tmp_path / "a.wav", str(tmp_path / "a.wav"), tone()):
        assert values(panel.score([source], clean=source)) == [float(np.abs(tone().wave).max())]


def test_a_file_that_cannot_be_read_gives_a_reason_and_is_no_reference(tmp_path):
    (tmp_path / "bad.wav").write_text("not audio")
    panel = Panel([Peak("alone"), Peak("against", needs=["clean"])])
    paths = [tmp_path / "none.wav", tmp_path / "bad.wav"]
    results = panel.score([*paths, tone()], clean=paths[0])
    assert reasons(results, "alone") == [Reason.MISSING, Reason.UNREADABLE, None]
    assert reasons(results, "against") == [Reason.MISSING, Reason.UNREADABLE, Reason.NO_CLEAN]


def test_a_clip_too_long_for_a_metric_fails_on_that_metric_alone():
    metric = Peak("short", longest_seconds=0.5)
    against = Peak("against", needs=["clean"], longest_seconds=0.5)
    panel = Panel([metric, against, Peak("any")])
    results = panel.score([tone(samples=8000), tone(samples=8001)], clean=tone(samples=8001))
    assert reasons(results, "short") == [None, Reason.TOO_LONG]
    assert reasons(results, "against") == [Reason.TOO_LONG] * 2
    assert results[0].details["against"].startswith("the clean clip is 0.5 s")
    assert reasons(results, "any") == [None, None]


def test_a_metric_without_a_rate_gets_each_sound_as_it_is():
    metric = Peak(rate=None)
    Panel([metric]).score([tone(rate=8000), tone(rate=48000)])
    assert [sound.rate for sound in metric.asked[0].candidates] == [8000, 48000]


def test_notes_and_reasons_are_recorded_beside_numbers():
    def answer(sound):
        return {"peak": Unusable(Reason.NO_TEXT, "no words"), "heard": "so it is", "other": 3}

    [result] = Panel([Peak(answer=answer, notes=(Note("heard"),))]).score([tone()])
    assert result.notes == {"heard": "so it is"}
    assert result.failures == {"peak": Reason.NO_TEXT}
    assert result.details == {"peak": "no words"}


@pytest.mark.parametrize("shown", [None, 3, float("nan")])
def test_a_note_of_another_kind_is_ignored(shown):
    metric = Peak(answer=lambda sound: {"peak": 1.0, "heard": shown}, notes=(Note("heard"),))
    [result] = Panel([metric]).score([tone()])
    assert result.notes == {}
    assert result.values == {"peak": 1.0}


def test_the_corpus_is_studied_before_loading():
    class Studious(Peak):
        def study(self, texts):
            assert not hasattr(self, "loads")
            self.texts = texts

    metric = Studious()
    Panel([metric], texts=["b", "a", "b"]).load("cuda:1")
    assert metric.texts == ["a", "b"]
    assert metric.device == "cuda:1"


# Alignment


def shift_sound(sound, delay, polarity=1, longer=0):
    """Delay a sound by `delay` samples, lengthen it by `longer`, and multiply it by `polarity`."""
    length = len(sound.wave) + longer
    padded = np.pad(sound.wave, (max(delay, 0), max(longer, 0)))[max(-delay, 0) :]
    wave = np.zeros(length, np.float32)
    wave[: len(padded[:length])] = padded[:length]
    return Sound(polarity * wave, sound.rate)


@pytest.mark.parametrize(
    ("delay", "polarity", "longer"), [(160, 1, 160), (400, -1, 240), (-80, -1, 0), (0, 1, 0)]
)
def test_delay_and_polarity_are_undone_for_metrics_that_align(prompts, delay, polarity, longer):
    clean = prompts[0][0]
    aligned = Peak("aligned", needs=["clean"], align=True)
    plain = Peak("plain", needs=["clean"])
    panel = Panel([aligned, plain])
    lagging, on_time = panel.score(
        [shift_sound(clean, delay, polarity, longer), clean], clean=clean
    )
    assert lagging.notes["delay_seconds"] == delay / 16000
    assert lagging.notes["polarity"] == polarity
    assert abs(lagging.notes["correlation"]) > 0.99
    assert on_time.notes["delay_seconds"] == 0
    for group in aligned.asked:
        [candidate, *_] = group.candidates
        assert len(candidate.wave) == len(group.clean.wave) > len(clean.wave) - 500
        assert np.array_equal(candidate.wave, group.clean.wave)
    assert np.array_equal(plain.asked[0].clean.wave, clean.wave)


def test_alignment_does_not_depend_on_other_candidates(prompts):
    clean = prompts[0][0]
    noise = np.random.default_rng(0).normal(0, 0.01, len(clean.wave)).astype(np.float32)
    rough = Sound(clean.wave + noise, clean.rate)
    candidates = [
        shift_sound(rough, 160),
        rough,
        shift_sound(rough, 400, -1),
        shift_sound(rough, 160),
    ]
    together = Panel([MetricUse(metric="si_sdr", options={"align": True})])
    scores = values(together.score(candidates, clean=clean), "si_sdr")
    alone = [values(together.score([c], clean=clean), "si_sdr")[0] for c in candidates]
    assert scores == alone


def test_a_delay_is_undone_at_another_rate(prompts):
    clean = prompts[0][0].at(48000)
    metric = Peak("aligned", needs=["clean"], rate=8000, align=True)
    [result] = Panel([metric]).score([shift_sound(clean, 480, -1)], clean=clean)
    assert result.notes["delay_seconds"] == 0.01
    [received] = metric.asked
    difference = received.candidates[0].wave - received.clean.wave
    assert np.abs(difference[:-200]).max() < 0.01


def test_without_aligning_metrics_there_are_no_alignment_notes():
    panel = Panel([Peak(needs=["clean"])])
    assert panel.notes == []
    assert panel.score([tone()], clean=tone())[0].notes == {}


@pytest.mark.parametrize(
    "wave",
    [
        np.zeros((8000, 2), np.float32),
        np.zeros((1, 8000), np.float32),
        np.zeros(8000, np.int16),
        np.zeros(8000, np.complex64),
        [0.0, 0.1],
    ],
)
def test_other_types_than_a_waveform_are_refused(wave):
    with raises(InputError, field="wave", problem="invalid") as caught:
        Sound(wave, 16_000)
    assert caught.value.value is wave


@pytest.mark.parametrize("rate", [0, -1, None, 16_000.0, True, "16000"])
def test_invalid_rates_are_refused(rate):
    with raises(InputError, field="rate", value=rate, problem="invalid"):
        Sound(np.zeros(8000, np.float32), rate)


def test_one_path_in_place_of_a_list_is_refused():
    with raises(InputError, field="candidates", value="str", problem="invalid"):
        Panel(["dnsmos"]).score("enhanced.wav")
    with raises(InputError, value="ndarray", problem="invalid"):
        Panel(["dnsmos"]).score([np.zeros(16_000, np.float32)])


def zero_plainly(wave):
    wave[:] = 0


def zero_by_torch(wave):
    import torch

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        torch.from_numpy(wave).zero_()


def zero_by_force(wave):
    wave.base.setflags(write=True)
    wave.base[:] = 0


@pytest.mark.parametrize("spoil", [zero_plainly, zero_by_torch, zero_by_force])
def test_a_metric_cannot_change_the_sounds_of_the_next_one(clip, spoil):
    def answer(sound):
        spoil(sound.wave)
        return {"vandal": 1.0}

    given = Sound(clip.clean.wave.copy(), 16_000)
    [both] = Panel([Peak("vandal", answer=answer), Peak()]).score([given], clean=given)
    assert both.values["peak"] == pytest.approx(np.abs(clip.clean.wave).max())
    assert (given.wave == clip.clean.wave).all()


@pytest.mark.parametrize(
    ("metrics", "texts", "kind", "field"),
    [
        ("dnsmos", (), InputError, "metrics"),
        ([5], (), ConfigError, "panel"),
        (["dnsmos"], "hello", InputError, "texts"),
        ([object()], (), ConfigError, "panel"),
    ],
)
def test_invalid_panels_are_refused(metrics, texts, kind, field):
    with raises(kind, field=field, problem="invalid"):
        Panel(metrics, texts)


def test_every_metric_receives_sounds_clipped_to_full_scale(clip):
    wave = clip.clean.wave / np.abs(clip.clean.wave).max()
    share = float(np.mean(np.abs(wave * 1.02) > 1))
    assert 0 < share < audio.LARGEST_SHARE_BEYOND
    loud, cut = Sound(wave * 1.02, 16_000), Sound(np.clip(wave * 1.02, -1, 1), 16_000)
    panel = Panel(["dnsmos", "speaker_similarity", "pesq", "stoi", "si_sdr", Peak()])
    from_loud, from_cut = panel.score([loud, cut], clean=clip.clean)
    assert from_loud.values == from_cut.values
    [far] = panel.score([Sound(wave * 30, 16_000)], clean=clip.clean)
    assert set(far.failures.values()) == {Reason.OUT_OF_RANGE}


def test_recordings_beyond_full_scale_are_scaled_and_not_refused(clip):
    wave = clip.clean.wave / np.abs(clip.clean.wave).max()
    panel = Panel(["speaker_similarity", "stoi", "si_sdr"])
    usual, loud = (Sound(wave * level, 16_000) for level in (1.0, 3.0))
    candidate = Sound(wave * 0.5, 16_000)
    [usual_result] = panel.score([candidate], clean=usual, noisy=usual)
    [loud_result] = panel.score([candidate], clean=loud, noisy=loud)
    assert not loud_result.failures
    assert loud_result.values == pytest.approx(usual_result.values, rel=1e-4)


def test_a_metric_that_calls_exit_is_a_failure(clip):
    metric = Peak()
    metric.score = lambda sounds: sys.exit(3)
    [result] = Panel([metric]).score([clip.clean])
    assert result.failures == {"peak": Reason.METRIC_ERROR}
