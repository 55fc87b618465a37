"""Scores, metrics, the table per template, and the files and pages that are made of them."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from sklearn.metrics import balanced_accuracy_score, roc_auc_score

from cite.data.table import PatchTable
from cite.errors import ConfigError, DataError
from cite.evaluation.predictions import Predictions
from cite.zeroshot import (
    ClassTexts,
    PromptSet,
    find,
    measure,
    template_rows,
    write_page,
    write_results,
    zero_shot,
)
from cite.zeroshot.run import class_vectors
from cite.zeroshot.templates import best_and_worst

CLASSES = ClassTexts(('a', 'b', 'c'), (('alpha',), ('beta', 'bee'), ('gamma',)), {'file': 'x.txt'})
PROMPTS = PromptSet('two', 'general', ('{} here', 'one {}'), 'a test')
DIM, COUNT = 8, 30


class Words:
    """A space whose texts are random directions, the same for the same text."""

    name, dim, scale, templates = 'words', DIM, 20.0, ()

    def __init__(self, longest: int = 100) -> None:
        self.longest, self.asked = longest, []
        about = {'model': 'words', 'digest': '0' * 64}
        self.about = {'space': 'words', 'image': about, 'text': about}

    def encode_text(self, texts, batch_size=64, truncate=False):
        self.asked += texts
        found = []
        for text in texts:
            if len(text) > self.longest and not truncate:
                raise ConfigError('text of many tokens is longer than the few that words takes')
            vector = np.random.default_rng(list(text.encode())).normal(size=DIM)
            found.append(vector / np.linalg.norm(vector))
        return np.array(found, np.float32)


@pytest.fixture
def space():
    return Words()


@pytest.fixture
def features():
    return np.random.default_rng(0).normal(size=(COUNT, DIM)).astype(np.float32) * 3


def labelled(classes=('a', 'b', 'c'), slides=None, root='.'):
    files = [f'{row}.png' for row in range(COUNT)]
    labels = np.arange(COUNT) % len(classes)
    return PatchTable(files, labels, files if slides is None else slides, classes, Path(root))


def test_scores_are_those_of_clip(space, features):
    """Radford et al., section 3.1.4, written out."""
    scores = zero_shot(space, features, CLASSES, PROMPTS)
    unit = features / np.linalg.norm(features, axis=1, keepdims=True)
    for column, texts in enumerate(CLASSES.texts):
        sentences = [t.replace('{}', text) for text in texts for t in PROMPTS.templates]
        mean = space.encode_text(sentences).mean(axis=0)
        np.testing.assert_allclose(
            scores.cosines[:, column], unit @ (mean / np.linalg.norm(mean)), atol=1e-6
        )
    logits = np.exp(20.0 * scores.cosines.astype(np.float64))
    np.testing.assert_allclose(
        scores.probabilities, logits / logits.sum(axis=1, keepdims=True), rtol=1e-5
    )
    assert scores.record['prompts']['templates'] == list(PROMPTS.templates)
    assert scores.record['classes']['texts']['b'] == ['beta', 'bee']


@pytest.mark.parametrize('pooling', ['embeddings', 'cosines', 'max'])
def test_a_template_alone_scores_as_in_a_set_of_its_own(space, features, pooling):
    scores = zero_shot(space, features, CLASSES, PROMPTS, pooling)
    for template, cosines in scores.per_template():
        alone = PromptSet('one', 'general', (template,), 'a test')
        wanted = zero_shot(space, features, CLASSES, alone, pooling).cosines
        np.testing.assert_allclose(cosines, wanted, atol=1e-6)


def test_the_length_of_features_does_not_matter(space, features):
    long = features * np.linspace(0.1, 40, COUNT)[:, None].astype(np.float32)
    one, other = (zero_shot(space, f, CLASSES, PROMPTS) for f in (features, long))
    np.testing.assert_allclose(one.cosines, other.cosines, atol=1e-6)


def test_texts_are_encoded_once(space, features):
    vectors = class_vectors(space, CLASSES, PROMPTS)
    assert sorted(space.asked) == sorted(set(space.asked)) and len(space.asked) == 8
    ready = zero_shot(space, features, CLASSES, PROMPTS, vectors=vectors)
    assert len(space.asked) == 8
    assert np.array_equal(ready.cosines, zero_shot(space, features, CLASSES, PROMPTS).cosines)


def test_bad_features_are_told(space, features):
    with pytest.raises(DataError, match=r'\(N, 8\)'):
        zero_shot(space, features[:, :5], CLASSES, PROMPTS)
    features[3] = 0
    features[5] = np.nan
    with pytest.raises(DataError, match=r'2 of 30 features .* first: row 3'):
        zero_shot(space, features, CLASSES, PROMPTS)


def test_texts_that_are_too_long_are_cut_only_when_asked(features):
    space = Words(longest=9)
    with pytest.raises(ConfigError, match='--truncate'):
        zero_shot(space, features, CLASSES, PROMPTS)
    assert zero_shot(space, features, CLASSES, PROMPTS, truncate=True).record['truncate'] is True


def test_metrics_are_those_of_scikit_learn_whatever_the_order_of_labels(space, features):
    scores = zero_shot(space, features, CLASSES, PROMPTS)
    table = labelled(('c', 'a', 'b'))
    truth = np.array([2, 0, 1])[table.labels]
    found = measure(scores, table)
    assert set(found) == {'patch'}  # every patch is its own slide
    patch = found['patch']
    assert patch['balanced_accuracy'] == pytest.approx(
        balanced_accuracy_score(truth, scores.predicted)
    )
    auroc = roc_auc_score(truth, scores.probabilities, multi_class='ovr')
    assert patch['auroc'] == pytest.approx(auroc)


def test_slides_are_measured_where_they_have_one_class(space, features):
    scores = zero_shot(space, features, CLASSES, PROMPTS)
    slides = [f's{row % 6}' for row in range(COUNT)]
    found = measure(scores, labelled(slides=slides))
    assert (found['patch']['n'], found['slide']['n']) == (COUNT, 6)
    mixed = [f's{row // 5}' for row in range(COUNT)]
    assert set(measure(scores, labelled(slides=mixed))) == {'patch'}
    with pytest.raises(DataError, match='30'):
        measure(scores, labelled().subset([0, 1]))


def test_intervals_are_over_slides_where_they_are_known(space, features):
    scores = zero_shot(space, features, CLASSES, PROMPTS)
    images = find(scores, [], [], labelled())
    # ten copies of each patch tell no more than one: drawn by slide, the interval stays as it was
    rows = np.arange(COUNT).repeat(10)
    many = zero_shot(space, features[rows], CLASSES, PROMPTS)
    table = labelled().subset(rows)
    copies = [f'{row}.png' for row in range(len(rows))]
    slides = PatchTable(copies, table.labels, table.files, table.classes, Path())
    by_slide = find(many, [], [], slides)
    alone = find(many, [], [], PatchTable(copies, table.labels, copies, table.classes, Path()))
    one, same, narrow = (
        found.intervals['patch']['accuracy'] for found in (images, by_slide, alone)
    )
    value = images.metrics['patch']['accuracy']
    assert one[0] < value < one[1]
    assert same == pytest.approx(one, abs=0.03)
    assert narrow[1] - narrow[0] < 0.5 * (one[1] - one[0])


def test_one_image_has_what_can_be_said_of_it(space, features):
    scores = zero_shot(space, features[:1], CLASSES, PROMPTS)
    found = find(scores, [], [], labelled().subset([0]))
    assert found.metrics['patch']['n'] == 1 and found.metrics['patch']['auroc'] is None
    assert 'auroc' not in found.intervals['patch']


def test_the_table_of_templates_ends_with_all_of_them(space, features):
    scores = zero_shot(space, features, CLASSES, PROMPTS)
    table = labelled()
    rows = template_rows(scores, table)
    assert [row.template for row in rows] == [*PROMPTS.templates, 'ensemble']
    patch = measure(scores, table)['patch']
    assert rows[-1].metrics == {key: patch[key] for key in rows[-1].metrics}
    assert rows[-1].agreement == 1
    own = dict(scores.per_template())['one {}'].argmax(axis=1)
    assert rows[1].agreement == (own == scores.predicted).mean()
    best, worst = best_and_worst(rows)
    assert best.metrics['balanced_accuracy'] >= worst.metrics['balanced_accuracy']
    without = template_rows(scores)
    assert without[0].metrics == {} and best_and_worst(without) is None


def test_spread_is_none_for_one_class_and_whole_for_equal_shares(space, features):
    vectors = class_vectors(space, CLASSES, PromptSet('one', 'general', ('{}',), ''))
    of_classes = [own[0] for own in vectors]
    one = PromptSet('one', 'general', ('{}',), '')
    alone = template_rows(zero_shot(space, np.array([of_classes[0]] * 4), CLASSES, one))
    even = template_rows(zero_shot(space, np.array([of_classes[0], of_classes[2]]), CLASSES, one))
    assert alone[-1].spread == 0
    assert even[-1].spread == pytest.approx(np.log(2) / np.log(3))


@pytest.fixture
def pictures(tmp_path):
    rng = np.random.default_rng(1)
    files = [tmp_path / f'{row}.png' for row in range(COUNT)]
    for file in files[:-1]:
        Image.fromarray(rng.integers(0, 256, (20, 20, 3), dtype=np.uint8)).save(file)
    files[-1].write_bytes(b'')  # a page shows what it can
    return files


def test_files_say_what_was_found(space, features, pictures, tmp_path):
    scores = zero_shot(space, features, CLASSES, PROMPTS)
    names = [file.name for file in pictures]
    found = find(scores, names, pictures, labelled(root=tmp_path))
    parquet, table, results = write_results(found, tmp_path / 'out')
    again = Predictions.from_parquet(parquet)
    assert (again.files, again.classes) == (names, CLASSES.names)
    np.testing.assert_array_equal(again.probabilities, scores.probabilities)
    with table.open(newline='') as file:
        rows = list(csv.DictReader(file))
    assert [row['template'] for row in rows] == [*PROMPTS.templates, 'ensemble']
    content = json.loads(results.read_text())
    accuracy = content['patch']['accuracy']
    assert float(rows[-1]['accuracy']) == pytest.approx(accuracy, abs=1e-5)
    assert sum(content['predicted'].values()) == COUNT
    assert content['zero_shot']['prompts']['source'] == 'a test'


@pytest.mark.parametrize('labels', [True, False])
def test_the_page_stands_alone(space, features, pictures, tmp_path, labels):
    classes = ClassTexts(('<b>a</b>', '$b_1$', 'c'), (('x',), ('y',), ('z',)))
    scores = zero_shot(space, features, classes, PROMPTS)
    table = labelled(classes.names, root=tmp_path) if labels else None
    found = find(scores, [file.name for file in pictures], pictures, table)
    page = write_page(found, tmp_path / 'out').read_text('utf-8')
    assert page.count('data:image/png;base64,') == (3 if labels else 2)
    assert '<b>a</b>' not in page and '&lt;b&gt;a' in page
    assert ('choose it on other images' in page) == labels
    assert (tmp_path / 'out' / 'figures' / 'confusion.png').exists() == labels


def test_figures_of_an_earlier_run_do_not_stay(space, features, pictures, tmp_path):
    names = [file.name for file in pictures]
    for table in (labelled(root=tmp_path), None):
        scores = zero_shot(space, features, CLASSES, PROMPTS)
        write_page(find(scores, names, pictures, table), tmp_path / 'out')
    assert not (tmp_path / 'out' / 'figures' / 'confusion.png').exists()


def test_warnings_tell_of_classes_without_images(space, features):
    table = labelled(('a', 'b'))
    scores = zero_shot(space, features[:1].repeat(COUNT, axis=0), CLASSES, PROMPTS)
    told = ' '.join(find(scores, [], [], table).warnings)
    assert 'given to 2 of 3 classes' in told and 'labelled c' in told


@pytest.mark.parametrize(
    ('space_name', 'domain', 'warned'),
    [('plip', 'ct', True), ('plip', 'pathology', False), ('clip-vit-b16', 'ct', False)],
)
def test_a_pair_of_another_domain_is_told(space, features, space_name, domain, warned):
    space.about = {**space.about, 'space': space_name}
    prompts = PromptSet('p', domain, ('{}',), 'a test')
    scores = zero_shot(space, features, CLASSES, prompts)
    warnings = find(scores, [], [], None).warnings
    assert any('learned from' in text for text in warnings) == warned


def test_many_classes_leave_the_matrix_out(space, features):
    from cite.zeroshot.picture import draw_matrices, draw_templates
    from cite.zeroshot.sheet import MOST_CLASSES, shown_classes

    names = tuple(f'class {number}' for number in range(70))
    classes = ClassTexts(names, tuple((name,) for name in names))
    scores = zero_shot(space, features, classes, PROMPTS)
    found = find(scores, [], [], labelled(names))
    assert draw_matrices(found) is None and draw_templates(found) is not None
    assert len(shown_classes(found)) == MOST_CLASSES
