"""The choice of the regularisation against trying everything by hand."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from feature_sets import drawn
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import accuracy_score, balanced_accuracy_score, f1_score, log_loss
from sklearn.preprocessing import normalize

from cite.errors import ConfigError, DataError
from cite.probing import PROTOCOLS, Samples, choose_regularisation, find_protocol, fit_probe

SCORES = {
    'accuracy': accuracy_score,
    'balanced_accuracy': balanced_accuracy_score,
    'macro_f1': lambda truth, said: f1_score(truth, said, average='macro'),
}


def pair(apart=0.4):
    return Samples(*drawn(90, apart=apart)), Samples(*drawn(60, seed=7, apart=apart))


@pytest.mark.parametrize('name', ['cite', 'plip', 'whyclip'])
def test_it_is_the_best_of_all(name):
    train, validation = pair()
    protocol = find_protocol(name)
    values = (1, 2, 5, 9) if name == 'whyclip' else protocol.values
    found = choose_regularisation(train, validation, values, protocol=name)
    scores = []
    for value in values:
        probe = fit_probe(train, value=value, protocol=name)
        scores.append(SCORES[protocol.score](validation.labels, probe.predict(validation)))
    assert [one.value for one in found.tried] == list(values)
    np.testing.assert_allclose([one.score for one in found.tried], scores)
    best = [place for place, score in enumerate(scores) if score == max(scores)]
    if name == 'cite':
        losses = [found.tried[place].loss for place in best]
        assert found.value == values[best[int(np.argmin(losses))]]
    else:
        assert found.value == values[best[0]]  # the first: the strongest
    np.testing.assert_array_equal(
        found.probe.weight, fit_probe(train, value=found.value, protocol=name).weight
    )


def test_equal_scores_go_to_the_probabilities_that_are_worth_most():
    train, validation = Samples(*drawn(90, apart=9)), Samples(*drawn(60, seed=3, apart=9))
    found = choose_regularisation(train, validation)
    perfect = [one for one in found.tried if one.score == 1]
    assert len(perfect) > 3
    for one in perfect:  # by hand
        probe = fit_probe(train, value=one.value)
        assert one.loss == pytest.approx(
            log_loss(validation.labels, probe.probabilities(validation))
        )
    assert found.value == min(perfect, key=lambda one: one.loss).value > perfect[0].value


def test_equal_scores_of_other_protocols_go_to_the_strongest_regularisation():
    train, validation = Samples(*drawn(90, apart=9)), Samples(*drawn(60, seed=3, apart=9))
    plip = choose_regularisation(train, validation, (1e-3, 1e-2), protocol='plip')
    assert plip.tried[0].score == plip.tried[1].score
    assert plip.value == 1e-3  # what was given first counts as the strongest


def test_clip_closes_in_on_the_peak():
    clip = replace(PROTOCOLS['clip'], scaling='unit')
    train, validation = pair()
    found = choose_regularisation(train, validation, protocol=clip)
    grid = np.array(clip.values)
    assert len(grid) == 97
    places = [int(np.abs(np.log10(grid / one.value)).argmin()) for one in found.tried]
    assert set(range(0, 97, 16)) <= set(places)
    assert len(places) <= 7 + 2 * 4
    best = grid.tolist().index(found.value)
    assert {best - 1, best + 1} & set(places) or best in (0, 96)
    for one in found.tried:
        by_hand = LogisticRegression(C=one.value, max_iter=1000)
        by_hand.fit(normalize(train.features), train.labels)
        assert one.score == by_hand.score(normalize(validation.features), validation.labels)


def test_values_that_did_not_converge_are_marked():
    train, validation = pair(0.1)
    short = replace(PROTOCOLS['cite'], max_iter=3)
    found = choose_regularisation(train, validation, protocol=short)
    assert not found.tried[-1].converged
    assert found.tried[0].converged


def test_bad_input_is_named():
    train, validation = pair()
    narrow = Samples(validation.features[:, :4], validation.labels)
    with pytest.raises(DataError, match='12 wide, those of validation 4'):
        choose_regularisation(train, narrow)
    with pytest.raises(ConfigError, match=r"'clap'.*whyclip"):
        choose_regularisation(train, validation, protocol='clap')
