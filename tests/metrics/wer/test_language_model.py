"""Tests of the language model of a corpus's texts."""

import itertools

import pytest

from gensr_pref.metrics.wer.language_model import END, START, arpa, split_words, witten_bell

SENTENCES = [list("abac"), list("ab"), list("cabb"), []]


def probability(levels, history, word):
    """Return P(word | history) as of an ARPA file: of the longest known n-gram, with back-off."""
    level = levels[len(history)]
    if (*history, word) in level.probability:
        return level.probability[(*history, word)]
    return level.backoff.get(history, 1.0) * probability(levels, history[1:], word)


@pytest.mark.parametrize("order", [1, 2, 3])
def test_probabilities_after_any_history_sum_to_one(order):
    levels = witten_bell(SENTENCES, order)
    vocabulary = ["a", "b", "c", END]
    starts = [START, *vocabulary]
    histories = itertools.product(starts, vocabulary) if order == 3 else [(w,) for w in starts]
    for history in histories if order > 1 else [()]:
        total = sum(probability(levels, tuple(history), word) for word in vocabulary)
        assert total == pytest.approx(1.0, abs=1e-12)


def test_probabilities_follow_the_equation():
    """After a, b occurs three times and c once: c(a) = 4 and T(a) = 2."""
    unigrams, bigrams = witten_bell(SENTENCES, 2)
    assert unigrams.probability["b",] == pytest.approx((4 + 4 * 0.25) / (14 + 4))
    assert bigrams.probability["a", "b"] == pytest.approx(
        (3 + 2 * unigrams.probability["b",]) / (4 + 2)
    )
    assert bigrams.backoff["a",] == pytest.approx(2 / 6)


def test_the_order_of_sentences_does_not_matter():
    assert arpa(SENTENCES, 3) == arpa(SENTENCES[::-1], 3)


def test_pocketsphinx_reads_the_same_model(tmp_path):
    from pocketsphinx import Decoder, NGramModel

    sentences = [["go", "left"], ["go", "right", "now"]]
    path = tmp_path / "model.arpa"
    path.write_text(arpa(sentences, 2))
    decoder = Decoder(loglevel="FATAL")
    read = NGramModel(decoder.config, decoder.logmath, str(path))
    levels = witten_bell(sentences, 2)
    for history, word in [("go", "left"), ("right", "now"), ("left", "now"), ("now", "go")]:
        expected = probability(levels, (history,), word)
        assert decoder.logmath.exp(read.prob([word, history])) == pytest.approx(expected, rel=1e-3)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Don't say 'TWENTY-ONE'!", ["don't", "say", "twenty", "one"]),
        ("o\u2019clock", ["o'clock"]),
        ("in 1984", ["in"]),
        ("?!", []),
    ],
)
def test_a_text_is_split_into_words(text, expected):
    assert split_words(text) == expected
