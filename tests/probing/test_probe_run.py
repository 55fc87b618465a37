"""From features to files: what is fitted on what, and what is written."""

from __future__ import annotations

import csv
import json
from dataclasses import replace

import numpy as np
import pytest
from feature_sets import sets
from safetensors.numpy import load_file, save_file
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import cohen_kappa_score
from sklearn.preprocessing import StandardScaler

from cite.errors import CheckpointError
from cite.evaluation.predictions import Predictions
from cite.probing import PROTOCOLS, fit_probe, load_probe, probe, save_probe
from cite.probing.report import write_report
from cite.probing.run import shot_curve


def test_the_final_probe_is_fitted_on_training_and_validation():
    features, whole = sets(0.4)
    found = probe(features, whole)
    seen = features[:168]
    scaler = StandardScaler().fit(seen.astype(np.float64))
    labels = np.r_[whole.train.table.labels, whole.validation.table.labels]
    by_hand = LogisticRegression(C=found.choice.value, max_iter=1000)
    by_hand.fit(scaler.transform(seen).astype(np.float32), labels)
    wanted = by_hand.predict(scaler.transform(features[168:]).astype(np.float32))
    np.testing.assert_array_equal(found.predictions.predicted, wanted)
    assert found.predictions.files == whole.test.table.files.tolist()
    assert found.probe.about['train_patches'] == 168


def test_what_is_not_refitted_has_not_seen_validation():
    features, whole = sets(0.4)
    found = probe(features, whole, 'whyclip')
    alone = fit_probe(whole.train.samples(features), None, found.choice.value, None, 'whyclip')
    np.testing.assert_array_equal(found.probe.weight, alone.weight)


def test_without_a_test_set_the_probe_has_not_seen_what_it_is_measured_on():
    features, whole = sets(0.4, test=False)
    found = probe(features, whole)
    assert found.predictions.files == whole.validation.table.files.tolist()
    assert found.probe.about['train_patches'] == 120
    accuracy = (found.predictions.predicted == found.predictions.labels).mean()
    assert found.choice.score == pytest.approx(accuracy)  # classes are as frequent as each other


def test_the_edge_of_the_grid_is_noted():
    features, whole = sets(0.0)
    notes = probe(features, whole, 'whyclip').notes
    found = probe(features, whole)
    assert found.choice.at_the_edge == any('edge' in note for note in found.notes)
    assert not any('converged' in note for note in notes)


def test_a_file_comes_back_as_it_was(tmp_path):
    features, whole = sets()
    for name in ('cite', 'plip'):
        made = probe(features, whole, name, 'some model', {'digest': 'abc'}).probe
        save_probe(made, tmp_path / 'p.safetensors')
        back = load_probe(tmp_path / 'p.safetensors')
        np.testing.assert_array_equal(back.probabilities(features), made.probabilities(features))
        assert (back.classes, back.kind, back.about) == (made.classes, made.kind, made.about)
        assert json.loads((tmp_path / 'p.json').read_text())['about']['model'] == 'some model'


def test_other_files_are_no_probes(tmp_path):
    features, whole = sets()
    path = tmp_path / 'p.safetensors'
    with pytest.raises(CheckpointError, match='no such file'):
        load_probe(path)
    path.write_bytes(b'not one')
    with pytest.raises(CheckpointError, match='cannot be read'):
        load_probe(path)
    made = probe(features, whole).probe
    save_probe(made, path)
    tensors, text = load_file(path), json.loads((tmp_path / 'p.json').read_text())

    def spoil(message, change=None, **said):
        changed = {**tensors, **(change or {})}
        changed = {name: value for name, value in changed.items() if value is not None}
        save_file(changed, path, {'cite.probe': json.dumps({**text, **said})})
        with pytest.raises(CheckpointError, match=message):
            load_probe(path)

    spoil('weight', {'weight': tensors['weight'][:2].copy()})
    spoil('std', {'std': None})
    spoil('positive', {'std': -tensors['std']})
    spoil('finite', {'bias': tensors['bias'] * np.nan})
    spoil('format', format=99)
    spoil('kind', kind='probit')
    save_file(tensors, path)
    with pytest.raises(CheckpointError, match='no description'):
        load_probe(path)


def test_the_folder_holds_everything(tmp_path):
    features, whole = sets(0.6)
    wide = np.concatenate([features, features[:, ::-1]], axis=1)
    probed = [probe(features, whole, name='one'), probe(wide, whole, name='hub/two')]
    curves = {'one': shot_curve(features, whole, [1, 4], 3, name='one')}
    text = write_report(tmp_path, probed, whole, PROTOCOLS['cite'], ['mind this'], curves)
    assert 'hub/two' in text and 'majority' in text
    stored = Predictions.from_parquet(tmp_path / 'predictions.parquet')
    np.testing.assert_array_equal(stored.probabilities, probed[0].predictions.probabilities)
    assert (tmp_path / 'baselines' / 'hub_two' / 'probe.safetensors').is_file()
    results = json.loads((tmp_path / 'results.json').read_text())
    right = stored.predicted == stored.labels
    assert results['patch']['accuracy'] == pytest.approx(right.mean())
    assert results['baselines']['majority']['patch']['accuracy'] == pytest.approx(1 / 3)
    ends = results['intervals']['slide']['balanced_accuracy']
    assert ends['low'] <= results['slide']['balanced_accuracy'] <= ends['high']
    assert results['notes'][0] == 'mind this'
    with (tmp_path / 'regularisation.csv').open() as file:
        rows = list(csv.DictReader(file))
    chosen = [row for row in rows if row['chosen'] == 'True']
    assert [float(row['C']) for row in chosen] == [one.choice.value for one in probed]
    draws = [row['draws'] for row in results['shots'] if row['level'] == 'slide']
    assert {len(values) for values in draws} == {3}
    page = (tmp_path / 'probe.html').read_text()
    assert page.count('data:image/png') == 3
    assert 'mind this' in (tmp_path / 'probe.md').read_text()


def test_quadratic_kappa_needs_an_order(tmp_path):
    features, whole = sets(0.4)
    found = [probe(features, whole)]
    without = write_report(tmp_path / 'a', found, whole, PROTOCOLS['cite'])
    results = json.loads((tmp_path / 'a' / 'results.json').read_text())
    assert results['slide']['quadratic_kappa'] is results['patch']['quadratic_kappa'] is None
    assert results['baselines']['majority']['patch']['quadratic_kappa'] is None
    assert '--classes' in results['left_out']['quadratic_kappa'] and '--classes' in without
    assert '| quadratic kappa' not in (tmp_path / 'a' / 'probe.md').read_text()
    write_report(tmp_path / 'b', found, whole, PROTOCOLS['cite'], ordered=True)
    results = json.loads((tmp_path / 'b' / 'results.json').read_text())
    by_hand = cohen_kappa_score(
        found[0].predictions.labels, found[0].predictions.predicted, weights='quadratic'
    )
    assert results['patch']['quadratic_kappa'] == pytest.approx(by_hand)
    assert results['left_out'] == {}
    assert f'{by_hand:.3f}' in (tmp_path / 'b' / 'probe.md').read_text()


def test_what_only_a_former_run_wrote_goes(tmp_path):
    features, whole = sets(0.6)
    one, two, three = (probe(features, whole, name=name) for name in ('one', 'two', 'three'))
    curves = {'one': shot_curve(features, whole, [1], 2, name='one')}
    write_report(tmp_path, [one, two], whole, PROTOCOLS['cite'], curves=curves)
    own = tmp_path / 'baselines' / 'kept' / 'notes.txt'
    own.parent.mkdir()
    own.write_text('of the user')
    other = tmp_path / 'baselines' / 'two' / 'mine.txt'
    other.write_text('of the user')
    write_report(tmp_path, [one, three], whole, PROTOCOLS['cite'])
    assert not (tmp_path / 'figures' / 'shots.png').exists()
    assert [file.name for file in other.parent.iterdir()] == ['mine.txt']
    assert own.is_file()
    other.unlink()
    own.unlink()
    own.parent.rmdir()
    write_report(tmp_path, [one], whole, PROTOCOLS['cite'])
    assert not (tmp_path / 'baselines').exists()
    assert (tmp_path / 'figures' / 'confusion.png').is_file()


def test_short_names_are_explained(tmp_path):
    features, whole = sets(0.6)
    names = tuple(f'{grade} differentiated tubular tissue' for grade in ('well', 'badly', 'not'))
    named = {
        which: replace(
            getattr(whole, which), table=replace(getattr(whole, which).table, classes=names)
        )
        for which in ('train', 'validation', 'test')
    }
    whole = replace(whole, **named)
    write_report(tmp_path, [probe(features, whole)], whole, PROTOCOLS['cite'])
    assert f'badly: {names[1]}' in (tmp_path / 'probe.md').read_text()
