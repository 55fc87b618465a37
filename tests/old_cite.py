"""Files as people have them who come from the original code: configs for mmcls 0.25, and checkpoints."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import save_file
from tiny_models import tiny_trunk
from torch import Tensor

TEXTS = [
    'Well differentiated tubular adenocarcinoma',
    'Moderately differentiated tubular adenocarcinoma',
    'Poorly differentiated adenocarcinoma',
]

BASES = {
    'imports.py': "custom_imports = dict(imports=['models', 'datasets'], allow_failed_imports=False)",
    'runtime.py': """
log_config = dict(interval=10, hooks=[dict(type='TextLoggerHook')])
checkpoint_config = dict(interval=1000, max_keep_ckpts=1)
evaluation = dict(by_epoch=False, interval=1000,
                  metric=['accuracy', 'class_accuracy', 'bag_accuracy', 'bag_class_accuracy'])
dist_params = dict(backend='nccl')
log_level = 'INFO'
load_from = None
resume_from = None
workflow = [('train', 1)]
""",
    'data.py': """
data_prefix = 'data/patches_captions/'
train_pipeline = [dict(type='PatchGastricPipeline'), dict(type='ToTensor', keys=['gt_label']),
                  dict(type='Collect', keys=['img', 'gt_label'])]
test_pipeline = [dict(type='PatchGastricPipeline', test_mode=False),
                 dict(type='Collect', keys=['img'])]
val = dict(type='PatchGastricCls3', data_prefix=data_prefix, pipeline=test_pipeline,
           ann_file='data/gastric_cls3_ann/val_0.8.txt')
data = dict(
    samples_per_gpu=128, workers_per_gpu=12,
    train=dict(type='PatchGastricCls3', data_prefix=data_prefix, pipeline=train_pipeline,
               ann_file='data/gastric_cls3_ann/train_all_0.2.txt'),
    val=val, test=val)
""",
    'schedule.py': """
runner = dict(type='IterBasedRunner', max_iters=1000)
optimizer = dict(type='SGD', lr=0.001)
optimizer_config = dict(grad_clip=None)
lr_config = dict(policy='CosineAnnealing', min_lr=0., by_epoch=False, warmup='constant',
                 warmup_by_epoch=False, warmup_iters=20, warmup_ratio=0.005)
""",
}

LINEAR = "head=dict(type='MyLinearClsHead', num_classes=3, in_channels=512)"
CLIP = "backbone=dict(type='CLIPImageBackbone', arch=arch{})"
CONFIGS = {
    'clip-vitb16_biolinkbert-l_cb_bs128_i1000.py': f"""
lr = 0.03
n = 'all'
vpl = 1
run_name = f'cite_vpl{{vpl}}_p{{n}}_lr{{lr}}'
TEXTS = {TEXTS}
model = dict(
    type='ImageClassifier',
    backbone=dict(type='PromptedCLIPImageBackbone', arch=arch, prompt_length=vpl,
                  prompt_pos='prepend', prompt_init='token'),
    neck=dict(type='ProjectionNeck', in_features=512, out_features=1024, init='normal_identity',
              float16=True),
    head=dict(type='TextEmbeddingHead', texts=TEXTS, temperature=4.6052, float16=True,
              text_encoder=dict(type='BERT', model='michiyasunaga/BioLinkBERT-large')))
optimizer = dict(lr=lr)
data = dict(samples_per_gpu=64, train=dict(
    ann_file=f'data/gastric_cls3_ann/train_{{n}}_0.2.txt', patch_balance=True))
work_dir = f'work_dirs/gastric_cite/{{run_name}}'
""",
    'vpt_clip-vitb16_bs128_i1000.py': f"""
model = dict(
    type='ImageClassifier',
    backbone=dict(type='PromptedCLIPImageBackbone', arch=arch, prompt_length=1,
                  prompt_pos='prepend'),
    {LINEAR})
optimizer = dict(lr=0.01)
""",
    'linear_clip-vitb16_bs128_i1000.py': f"""
model = dict(type='ImageClassifier', {CLIP.format(', fix=True')}, {LINEAR})
optimizer = dict(lr=0.01)
""",
    'finetune_clip-vitb16_bs128_i1000.py': f"""
model = dict(type='ImageClassifier', {CLIP.format(', fix=False')}, {LINEAR})
optimizer = dict(lr=1e-5)
""",
    'zeroshot_clip-vitb16_bs128_i1000.py': f"""
prompt = '{{}}'
TEXTS = {TEXTS}
model = dict(type='ImageClassifier', {CLIP.format('')},
             head=dict(type='CLIPTextHead', arch=arch, texts=[prompt.format(t) for t in TEXTS]))
""",
}
CITE = next(iter(CONFIGS))


def write_configs(folder: Path) -> dict[str, Path]:
    """The five published configs, by name; values and names are theirs."""
    (folder / '_base_').mkdir(parents=True, exist_ok=True)
    (folder / 'gastric').mkdir(exist_ok=True)
    for name, text in BASES.items():
        (folder / '_base_' / name).write_text(text, encoding='utf-8')
    bases = [f'../_base_/{name}' for name in BASES]
    for name, text in CONFIGS.items():
        head = f"_base_ = {bases}\narch = 'ViT-B/16'\n"
        (folder / 'gastric' / name).write_text(head + text, encoding='utf-8')
    return {name: folder / 'gastric' / name for name in CONFIGS}


def read_config(path: Path) -> dict[str, Any]:
    from mmengine.config import Config

    return Config.fromfile(path, import_custom_modules=False).to_dict()


def openai_names(trunk: Any) -> dict[str, Tensor]:
    """The weights of a timm CLIP tower under the names that OpenAI gives them."""
    renames = (
        ('patch_embed.proj.', 'conv1.'),
        ('norm_pre.', 'ln_pre.'),
        ('attn.qkv.', 'attn.in_proj_'),
        ('attn.proj.', 'attn.out_proj.'),
        ('mlp.fc1.', 'mlp.c_fc.'),
        ('mlp.fc2.', 'mlp.c_proj.'),
        ('norm1.', 'ln_1.'),
        ('norm2.', 'ln_2.'),
    )
    state = {}
    for key, value in trunk.state_dict().items():
        if key.startswith('norm.'):
            key = key.replace('norm.', 'ln_post.')
        for ours, theirs in renames:
            key = key.replace(ours, theirs)
        state[key.replace('blocks.', 'transformer.resblocks.')] = value
    state['class_embedding'] = state.pop('cls_token')[0, 0]
    state['positional_embedding'] = state.pop('pos_embed')[0]
    if 'head.weight' in state:
        state['proj'] = state.pop('head.weight').T.contiguous()
        state.pop('head.bias', None)
    return state


def save_base(
    folder: Path, weights: dict[str, Tensor], arch: str, classes: int, **model_args: Any
) -> Path:
    """A base model as a folder that `--model` names."""
    folder.mkdir(parents=True)
    save_file(
        {key: value.contiguous() for key, value in weights.items()}, folder / 'model.safetensors'
    )
    side = model_args.pop('img_size', 32)
    config = {
        'architecture': arch,
        'num_classes': classes,
        'model_args': model_args,
        'pretrained_cfg': {
            'input_size': [3, side, side],
            'mean': [0.48, 0.46, 0.41],
            'std': [0.27, 0.26, 0.28],
        },
    }
    (folder / 'config.json').write_text(json.dumps(config), encoding='utf-8')
    return folder


CLIP_ARCH = 'vit_base_patch32_clip_quickgelu_224'


def tiny_clip(folder: Path, seed: int = 0) -> tuple[Path, Any]:
    """A small random CLIP tower as a folder, and the same as a timm model."""
    trunk = tiny_trunk(CLIP_ARCH, seed, num_classes=24)
    torch.nn.init.zeros_(trunk.head.bias)
    sizes = {'patch_size': 8, 'embed_dim': 48, 'depth': 3, 'num_heads': 3}
    return save_base(folder, openai_names(trunk), CLIP_ARCH, 24, **sizes), trunk


def save_checkpoint(
    path: Path,
    tower: dict[str, Tensor],
    trained: dict[str, Tensor],
    config: str | None = None,
    prefix: str = 'backbone.model.',
    **meta: Any,
) -> Path:
    """As mmcv 1.7 saves one."""
    state = {**trained, **{f'{prefix}{key}': value for key, value in tower.items()}}
    noted = {
        'epoch': 12,
        'iter': 1000,
        'mmcls_version': '0.25.0',
        'CLASSES': ['0', '1', '2'],
        **meta,
    }
    if config is not None:
        noted['config'] = config
    torch.save({'meta': noted, 'state_dict': state, 'optimizer': {'state': {}}}, path)
    return path
