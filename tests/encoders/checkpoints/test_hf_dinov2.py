from __future__ import annotations

import pytest
import torch
from timm.layers import SwiGLUPacked

from cite.encoders.checkpoints import find_family, hf_dinov2, load_strict, to_timm
from cite.encoders.files.state_file import read_state

CONFIG = {
    'hidden_size': 48,
    'num_hidden_layers': 2,
    'num_attention_heads': 3,
    'image_size': 28,
    'patch_size': 14,
}
GIANT = {'mlp_ratio': 256 / 48, 'mlp_layer': SwiGLUPacked, 'act_layer': torch.nn.SiLU}


@pytest.mark.parametrize('names', ['saved', 'in memory'])
@pytest.mark.parametrize(
    ('kind', 'arch', 'kwargs'),
    [
        ('Dinov2', 'vit_small_patch14_dinov2', {}),
        ('Dinov2', 'vit_small_patch14_dinov2', GIANT),
        ('Dinov2WithRegisters', 'vit_small_patch14_reg4_dinov2', {}),
    ],
    ids=['plain', 'swiglu', 'registers'],
)
@torch.no_grad()
def test_same_feature_as_transformers(tmp_path, tiny_vit, images, kind, arch, kwargs, names):
    import transformers

    config = getattr(transformers, f'{kind}Config')(**CONFIG, use_swiglu_ffn=bool(kwargs))
    original = getattr(transformers, f'{kind}Model')(config).eval()
    torch.manual_seed(3)
    for value in original.parameters():
        torch.nn.init.normal_(value, std=0.2)
    if names == 'saved':  # the names of transformers 4, as on the hub
        original.save_pretrained(tmp_path)
        state = read_state(tmp_path / 'model.safetensors')
        assert any('attention.attention.query' in key for key in state)
    else:
        state = original.state_dict()
    model = tiny_vit(arch, **kwargs)
    assert find_family(state) is hf_dinov2
    load_strict(model, to_timm(state, model, leftovers=('mask_token',)), 'tiny DINOv2')
    expected = original(images).pooler_output
    assert (model(images) - expected).abs().max() < 1e-5 * expected.abs().max()
