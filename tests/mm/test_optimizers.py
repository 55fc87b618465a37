from __future__ import annotations

CODE = """
import sys
import cite.mm
assert 'transformers' not in sys.modules, 'imported'
import torch
from mmengine.registry import OPTIMIZERS
weight = torch.nn.Parameter(torch.ones(3))
for name, options in (('AdamW', {}), ('Adafactor', {'relative_step': False})):
    options |= {'type': name, 'params': [{'params': [weight]}], 'lr': 1e-3}
    optimizer = OPTIMIZERS.build(options)
    print(type(optimizer).__module__, optimizer.defaults['lr'])
from transformers import BertConfig
print(BertConfig().hidden_size)
"""


def test_transformers_is_imported_for_its_optimiser_only(command):
    done = command('-c', CODE)
    assert done.returncode == 0, done.stderr[-2000:]
    shown = [line for line in done.stdout.splitlines() if line[-1:].isdigit()]
    assert shown == ['torch.optim.adamw 0.001', 'transformers.optimization 0.001', '768']
