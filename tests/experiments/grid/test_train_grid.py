from __future__ import annotations

import numpy as np
import pytest
import torch
from tiny_models import CLASSES, WIDTH, save_tiny_bert, tiny_anchors, tiny_tower
from torch import nn

from cite.classifier import Classifier
from cite.data.randomness import seeded
from cite.errors import ConfigError, TrainingError
from cite.experiments.fit import Patches, fit, scores
from cite.experiments.grid import GridPoint, train_grid
from cite.frozen import trainable
from cite.heads import HEADS, Head
from cite.heads.base import of_head
from cite.necks import NECKS

STEPS, BATCH = 12, 8
PROJECTION = {'type': 'ProjectionNeck', 'act_after': 'ReLU'}


@pytest.fixture(scope='module')
def data():
    """Features of three classes that overlap, and their labels."""
    draw = torch.Generator().manual_seed(0)
    labels = torch.arange(90) % len(CLASSES)
    centres = torch.randn(len(CLASSES), WIDTH, generator=draw)
    return torch.randn(90, WIDTH, generator=draw) + centres[labels], labels


@pytest.fixture(scope='module')
def encoder(tmp_path_factory):
    folder = save_tiny_bert(tmp_path_factory.mktemp('text') / 'bert')
    return {'type': 'TextEncoder', 'model': str(folder), 'pooling': 'mean'}


def points(seeds=(0, 1), rates=(1e-3, 1e-2), decays=(0.0, 0.1)):
    """Two drawings of patches of different size, each under every seed."""
    few, many = np.arange(3, 21), np.arange(89, 0, -2)
    return [
        GridPoint(rows, seed, lr, decay)
        for rows in (few, many)
        for seed in seeds
        for lr in rates
        for decay in decays
    ]


def maker(neck, head):
    tower = tiny_tower()

    def classifier(seed):
        with seeded(seed, 'initial weights'):
            return Classifier(tower, neck and NECKS.build(neck), HEADS.build(head), CLASSES)

    def make(seed):
        made = classifier(seed)
        return made.neck, made.head

    return classifier, make


def alone(classifier, point, data):
    """What a single run gives."""
    features, labels = data
    made = classifier(point.seed)
    patches = Patches(torch.zeros(len(labels), 3, 1, 1, dtype=torch.uint8), labels, features)
    fit(
        made,
        patches.subset(point.rows),
        point.lr,
        point.weight_decay,
        STEPS,
        BATCH,
        seed=point.seed,
    )
    return made, torch.from_numpy(scores(made, patches))


def anchored(kind, dim=24, **options):
    anchors = tiny_anchors(dim)
    return {'type': kind, 'texts': anchors.texts, 'anchors': anchors, **options}


HEADS_ON_FEATURES = {
    'linear': (None, {'type': 'LinearHead'}),
    'linear from texts': (None, anchored('TextLinearHead', WIDTH)),
    'projection': (PROJECTION, anchored('TextEmbeddingHead', learnable_temperature=True)),
    'projection alone': ({'type': 'ProjectionNeck'}, anchored('TextEmbeddingHead')),
    'frozen projection': (
        {'type': 'ProjectionNeck', 'frozen': True, 'out_features': 24},
        {'type': 'LinearHead'},
    ),
    'CLIP-Adapter': (None, anchored('CLIPAdapterHead', WIDTH)),
    'Tip-Adapter': (
        None,
        anchored('TipAdapterHead', WIDTH, trains=True, max_patches_per_class=10),
    ),
    'CoOp': ({'type': 'ProjectionNeck'}, {'type': 'CoOpHead', 'length': 2}),
    'CoCoOp': ({'type': 'ProjectionNeck'}, {'type': 'CoCoOpHead', 'length': 2}),
}


@pytest.mark.parametrize('name', HEADS_ON_FEATURES)
def test_every_member_is_what_a_single_run_gives(name, data, encoder):
    neck, head = HEADS_ON_FEATURES[name]
    if 'Co' in name:
        head = {**head, 'text_encoder': encoder}
    classifier, make = maker(neck, head)
    grid = train_grid(make, *data, points(), STEPS, BATCH)
    assert not grid.failed
    found = grid.scores(data[0])
    assert found.shape == (len(grid), len(data[0]), len(CLASSES))
    for member in (0, 3, 6, 9, 15):
        made, expected = alone(classifier, grid.points[member], data)
        torch.testing.assert_close(found[member], expected, atol=1e-5, rtol=1e-4)
        state = grid.state(member)
        for key, weight in trainable(made).items():
            torch.testing.assert_close(state[key], weight.detach(), atol=1e-5, rtol=1e-4)
        fresh = classifier(5)
        fresh.head.make_room(of_head(state))
        keys = fresh.load_state_dict(state, strict=False)
        assert not keys.unexpected_keys and not keys.missing_keys
        patches = Patches(torch.zeros(90, 3, 1, 1), data[1], data[0])
        torch.testing.assert_close(torch.from_numpy(scores(fresh, patches)), found[member])
    assert (found[0] - found[3]).abs().max() > 1e-3  # the settings do differ


def test_order_of_points_and_cuts_for_memory_change_nothing(data):
    _, make = maker(None, {'type': 'LinearHead'})
    wanted = points()
    whole = train_grid(make, *data, wanted, STEPS, BATCH)
    assert len(whole.stacks) == 1
    some = np.random.default_rng(0).permutation(len(wanted))[:11]  # groups of unequal size
    cut = train_grid(make, *data, [wanted[i] for i in some], STEPS, BATCH, memory=12_000)
    assert len(cut.stacks) > 3
    expected = whole.scores(data[0])[some]
    torch.testing.assert_close(cut.scores(data[0]), expected, atol=1e-6, rtol=1e-5)
    torch.testing.assert_close(cut.losses, whole.losses[some], atol=1e-6, rtol=1e-5)
    assert torch.equal(train_grid(make, *data, wanted, STEPS, BATCH).losses, whole.losses)


@pytest.mark.parametrize('name', ['linear', 'projection', 'Tip-Adapter'])
def test_a_loss_that_is_no_number_stays_with_its_member(name, data):
    classifier, make = maker(*HEADS_ON_FEATURES[name])
    plain = points()
    wild = list(plain)
    wild[5] = GridPoint(plain[5].rows, plain[5].seed, 1e37, 1e3)
    calm, grid = (train_grid(make, *data, some, STEPS, BATCH) for some in (plain, wild))
    assert grid.failed == (5,) and not calm.failed
    others = [i for i in range(len(plain)) if i != 5]
    assert torch.equal(grid.losses[others], calm.losses[others])
    found = grid.scores(data[0])
    assert torch.equal(found[others], calm.scores(data[0])[others])
    assert found[5].isnan().all()
    with pytest.raises(TrainingError, match=r'member 5 .*1e\+37'):
        grid.state(5)
    with pytest.raises(TrainingError, match='the loss is'):
        alone(classifier, wild[5], data)


class OwnPace(Head):
    """Decides by a value."""

    def attach(self, in_features, classes):
        self.fc = nn.Linear(in_features, len(classes))

    def forward(self, features):
        logits = self.fc(features)
        return logits if logits.sum() > 0 else 2 * logits


class Dropping(OwnPace):
    def forward(self, features):
        return self.fc(nn.functional.dropout(features, training=self.training))


@pytest.mark.parametrize('kind', [OwnPace, Dropping])
def test_a_head_that_cannot_be_batched_is_named(kind, data):
    def make(seed):
        head = kind()
        head.attach(WIDTH, CLASSES)
        return None, head

    with pytest.raises(ConfigError, match=f'{kind.__name__} cannot be trained as a grid'):
        train_grid(make, *data, points(), STEPS, BATCH)


def test_what_makes_no_grid_is_refused(data):
    features, labels = data
    _, make = maker(None, {'type': 'KNNHead'})
    with pytest.raises(ConfigError, match='KNNHead: nothing in it trains'):
        train_grid(make, features, labels, points(), STEPS)
    _, make = maker(None, {'type': 'LinearHead'})
    with pytest.raises(ConfigError, match='90 features and 89 labels'):
        train_grid(make, features, labels[1:], points(), STEPS)
    with pytest.raises(ConfigError, match='no points'):
        train_grid(make, features, labels, [], STEPS)
    for rows, found in (([], 'none'), ([3, 90], r'3…90')):
        point = GridPoint(np.array(rows, dtype=np.int64), 0, 1e-3, 0.0)
        with pytest.raises(ConfigError, match=f'some of 0…89, found {found}'):
            train_grid(make, features, labels, [point], STEPS)


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason='no CUDA device')
@pytest.mark.parametrize('name', ['linear', 'projection', 'CLIP-Adapter', 'Tip-Adapter'])
def test_a_gpu_gives_what_a_cpu_gives(name, data):
    _, make = maker(*HEADS_ON_FEATURES[name])
    grids = [train_grid(make, *data, points(), STEPS, BATCH, device) for device in ('cpu', 'cuda')]
    expected, found = (grid.scores(data[0]) for grid in grids)
    torch.testing.assert_close(found, expected, atol=1e-4, rtol=1e-3)
    assert all(value.device.type == 'cpu' for value in grids[1].state(0).values())
