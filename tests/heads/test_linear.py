from __future__ import annotations

import pytest
import torch

from cite.errors import ConfigError
from cite.heads.linear import LinearHead

CLASSES = ('a', 'b', 'c')


def test_logits_and_init():
    torch.manual_seed(0)
    head = LinearHead()
    head.attach(500, CLASSES)
    assert head.fc.weight.std().item() == pytest.approx(0.01, rel=0.1)
    assert not head.fc.bias.any()
    x = torch.randn(4, 500)
    torch.testing.assert_close(head(x), x @ head.fc.weight.T + head.fc.bias)


def test_sizes_that_do_not_fit():
    with pytest.raises(
        ConfigError, match=r'num_classes=4, but the data set has 3 classes: a, b, c'
    ):
        LinearHead(num_classes=4).attach(5, CLASSES)
    with pytest.raises(ConfigError, match='in_features=6, but the features have 5'):
        LinearHead(in_features=6).attach(5, CLASSES)
