from __future__ import annotations

import pytest
import torch

from cite.encoders.checkpoints import find_family, hf_clip, load_strict, to_timm
from cite.encoders.files.state_file import read_state
from cite.errors import CheckpointError

CLIP = {'arch': 'vit_base_patch16_clip_quickgelu_224', 'num_classes': 16}
VISION = {
    'hidden_size': 48,
    'intermediate_size': 192,
    'num_hidden_layers': 2,
    'num_attention_heads': 3,
    'image_size': 28,
    'patch_size': 14,
    'projection_dim': 16,
}
TEXT = {
    'vocab_size': 20,
    'hidden_size': 16,
    'intermediate_size': 32,
    'num_hidden_layers': 1,
    'num_attention_heads': 2,
    'max_position_embeddings': 8,
    'projection_dim': 16,
}


def randomised(model: torch.nn.Module) -> torch.nn.Module:
    torch.manual_seed(3)
    for value in model.parameters():
        torch.nn.init.normal_(value, std=0.2)
    return model.eval()


@torch.no_grad()
def test_saved_model_gives_the_same_embedding(tmp_path, tiny_vit, images):
    from transformers import CLIPConfig, CLIPModel

    config = CLIPConfig(vision_config=VISION, text_config=TEXT, projection_dim=16)
    original = randomised(CLIPModel(config))
    original.save_pretrained(tmp_path)
    state = read_state(tmp_path / 'model.safetensors')
    state['vision_model.embeddings.position_ids'] = torch.arange(5)[None]  # in old files
    state['text_model.embeddings.position_ids'] = torch.arange(8)[None]
    model = tiny_vit(**CLIP)
    assert find_family(state) is hf_clip
    load_strict(model, to_timm(state, model), 'tiny CLIP')
    pooled = original.vision_model(images).pooler_output
    expected = original.visual_projection(pooled)
    assert (model(images) - expected).abs().max() < 1e-5 * expected.abs().max()


@torch.no_grad()
def test_vision_model_without_prefix_has_no_projection(tiny_vit, images):
    from transformers import CLIPVisionConfig, CLIPVisionModel

    original = randomised(CLIPVisionModel(CLIPVisionConfig(**VISION)))
    state = {k.removeprefix('vision_model.'): v for k, v in original.state_dict().items()}
    model = tiny_vit(CLIP['arch'])
    load_strict(model, to_timm(state, model), 'tiny CLIP')
    expected = original(images).pooler_output
    assert (model(images) - expected).abs().max() < 1e-5 * expected.abs().max()
    with_head = tiny_vit(**CLIP)
    with pytest.raises(CheckpointError, match=r'2 missing \(head.bias, head.weight\)'):
        load_strict(with_head, to_timm(state, with_head), 'tiny CLIP')
