# A published pair goes on learning from PatchGastric's reports: LoRA on both towers of a CLIP.
# Training slides only; what names the grade is masked, so that the pair learns what tissue looks like.
_base_ = ['../_base_/contrast.py']

data_root = 'data/patchgastric'
model = dict(
    type='CitePair',
    vision=dict(model='clip-vit-b16', tuning=dict(type='LoRA', r=8)),
    text=dict(type='TextEncoder', tuning=dict(type='LoRA', r=8)),
    scale=100,
    chunk=64,
    truncate=True,
)
train_dataloader = dict(
    batch_size=512,
    num_workers=8,
    sampler=dict(type='PairSampler', balance='text'),
    dataset=dict(
        type='PatchGastricPairs',
        part='train_all',
        mask_grades=True,
        pipeline=[dict(type='ResizePatch'), dict(type='AugmentPatch')],
    ),
)
val_dataloader = dict(
    batch_size=256,
    num_workers=8,
    dataset=dict(type='PatchGastricPairs', part='val', patches_per_slide=16, mask_grades=True),
)
optim_wrapper = dict(optimizer=dict(lr=1e-4))
