from __future__ import annotations

import pytest
import torch
from paired_features import paired_features

from cite.contrast import clip_loss, siglip_loss
from cite.errors import ConfigError

SCALE, BIAS = 7.0, -3.0

# open_clip_torch 3.3.0: ClipLoss()(images, texts, scale) and SigLipLoss()(images, texts, scale, bias) on
# paired_features(4, 3); loss, gradients of scale and bias, of the images and of the texts
CLIP = (
    2.4864501953125,
    (0.31829172372817993, None),
    [
        [-0.8612417578697205, 1.3835675716400146, 0.5047116875648499],
        [-0.8556240200996399, -1.3232107162475586, 1.1966009140014648],
        [0.3411461412906647, -1.363996982574463, 0.01034083217382431],
        [0.5585565567016602, 0.6701550483703613, -0.731248140335083],
    ],
    [
        [0.059772178530693054, -1.00189208984375, 0.19840440154075623],
        [1.1996530294418335, 1.0030690431594849, -1.4581328630447388],
        [-0.28159499168395996, 1.3351869583129883, -0.062468014657497406],
        [-1.2878339290618896, 0.14286689460277557, 1.251018762588501],
    ],
)
SIGLIP = (
    3.7815911769866943,
    (0.6146615147590637, 0.4941503405570984),
    [
        [-0.8403357863426208, 1.485835075378418, 0.45745235681533813],
        [-1.5511542558670044, -1.0156269073486328, 1.8128702640533447],
        [-0.6557232141494751, -1.1167290210723877, 0.94349205493927],
        [0.6383715271949768, 0.8018107414245605, -0.8449894189834595],
    ],
    [
        [0.042107779532670975, -0.7821575999259949, 0.1594456136226654],
        [0.5690710544586182, 1.3496376276016235, -0.9168578386306763],
        [-1.0946422815322876, 0.8649048209190369, 0.8717659115791321],
        [-2.113285779953003, 0.6606332659721375, 1.943048119544983],
    ],
)


def all_gradients(loss, rows=4, dim=3):
    images, texts = paired_features(rows, dim)
    scale = torch.tensor(SCALE, requires_grad=True)
    bias = torch.tensor(BIAS, requires_grad=True)
    value = loss(images, texts, scale, bias)
    value.backward()
    return value.detach(), scale.grad, bias.grad, images.grad, texts.grad


def same(found, expected, **tolerance):
    for a, b in zip(found, expected, strict=True):
        assert (a is None) == (b is None)
        if a is not None:
            torch.testing.assert_close(a, torch.as_tensor(b), **tolerance)


def clip(images, texts, scale, _bias, groups=None):
    return clip_loss(images, texts, scale, groups)


@pytest.mark.parametrize(('loss', 'golden'), [(clip, CLIP), (siglip_loss, SIGLIP)])
@pytest.mark.parametrize('groups', [None, [3, 1, 2, 0]])
def test_as_recorded_from_open_clip(loss, golden, groups):
    groups = None if groups is None else torch.tensor(groups)
    value, numbers, images, texts = golden
    found = all_gradients(lambda *all_: loss(*all_, groups))
    same(found, (value, *numbers, images, texts), rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize(('loss', 'theirs'), [(clip, 'ClipLoss'), (siglip_loss, 'SigLipLoss')])
def test_as_open_clip_where_it_is_installed(loss, theirs):
    reference = getattr(pytest.importorskip('open_clip.loss'), theirs)()

    def expected(images, texts, scale, bias):
        return reference(images, texts, scale, *([] if loss is clip else [bias]))

    same(all_gradients(loss, 33, 16), all_gradients(expected, 33, 16), rtol=1e-5, atol=1e-5)


def test_clip_spreads_the_target_over_the_group():
    images, texts = paired_features(4, 3)
    groups = torch.tensor([7, -2, 7, 7])
    logits = SCALE * images @ texts.T
    rows = [[0, 2, 3], [1], [0, 2, 3], [0, 2, 3]]
    expected = 0
    for table in (logits, logits.T):
        chances = table.log_softmax(dim=1)
        expected -= sum(chances[i, js].mean() for i, js in enumerate(rows)) / 8
    torch.testing.assert_close(clip_loss(images, texts, SCALE, groups), expected)
    assert not torch.isclose(clip_loss(images, texts, SCALE), expected)


def test_siglip_takes_pairs_of_a_group_as_belonging_together():
    images, texts = paired_features(4, 3)
    groups = torch.tensor([7, -2, 7, 7])
    expected = torch.tensor(0.0)
    for i in range(4):
        for j in range(4):
            logit = SCALE * images[i] @ texts[j] + BIAS
            sign = 1 if groups[i] == groups[j] else -1
            expected = expected + torch.log1p(torch.exp(-sign * logit)) / 4
    torch.testing.assert_close(siglip_loss(images, texts, SCALE, BIAS, groups), expected)


@pytest.mark.parametrize('loss', [clip, siglip_loss])
def test_the_order_of_rows_does_not_matter(loss):
    images, texts = paired_features(6, 4)
    groups, order = torch.tensor([0, 1, 0, 2, 2, 2]), torch.tensor([4, 2, 5, 0, 1, 3])
    torch.testing.assert_close(
        loss(images, texts, SCALE, BIAS, groups),
        loss(images[order], texts[order], SCALE, BIAS, groups[order]),
    )


@pytest.mark.parametrize('loss', [clip, siglip_loss])
def test_float32_under_autocast_and_from_half_features(loss):
    images, texts = paired_features(4, 3)
    halves = images.bfloat16(), texts.bfloat16()
    expected = loss(halves[0].float(), halves[1].float(), SCALE, BIAS)
    with torch.autocast('cpu', dtype=torch.bfloat16):
        found = loss(*halves, SCALE, BIAS)
    assert found.dtype == torch.float32
    assert torch.equal(found, expected)


@pytest.mark.parametrize(
    ('change', 'named'),
    [
        ({'texts': torch.ones(3, 3)}, r'\(4, 3\) and \(3, 3\)'),
        ({'texts': torch.ones(4, 2)}, r'\(4, 2\)'),
        ({'images': torch.ones(4), 'texts': torch.ones(4)}, r'\(batch, dim\)'),
        ({'images': torch.ones(0, 3), 'texts': torch.ones(0, 3)}, r'\(0, 3\)'),
        (
            {'groups': torch.zeros(3, dtype=torch.int64)},
            r'\(4, kinds\), found torch.int64 of \(3,\)',
        ),
        ({'groups': torch.zeros(4)}, 'float32'),
        ({'scale': torch.ones(2)}, 'one number as scale'),
        ({'bias': torch.ones(2)}, 'one number as bias'),
    ],
)
def test_what_does_not_fit_is_refused(change, named):
    arguments = {'images': torch.ones(4, 3), 'texts': torch.ones(4, 3), 'scale': 1.0, 'bias': 0.0}
    with pytest.raises(ConfigError, match=named):
        siglip_loss(**arguments | change)
    if 'bias' not in change:
        del arguments['bias']
        with pytest.raises(ConfigError, match=named):
            clip_loss(**arguments | change)


@pytest.mark.parametrize('loss', [clip_loss, lambda i, t, s, g: siglip_loss(i, t, s, BIAS, g)])
def test_rows_that_agree_in_any_number_are_positives(loss):
    images, texts = paired_features(4, 3)
    # rows 0 and 1 by the first kind, rows 2 and 3 by the second
    both = loss(images, texts, SCALE, torch.tensor([[5, 0], [5, 1], [6, 2], [7, 2]]))
    assert torch.equal(both, loss(images, texts, SCALE, torch.tensor([1, 1, 2, 2])))
    # a number of one kind says nothing about the other
    apart = loss(images, texts, SCALE, torch.tensor([[0, 1], [1, 0], [2, 3], [3, 2]]))
    assert torch.equal(apart, loss(images, texts, SCALE, torch.arange(4)))
