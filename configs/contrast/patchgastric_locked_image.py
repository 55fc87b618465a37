# Locked-image tuning (LiT, Zhai et al., CVPR 2022) on PatchGastric's reports: Phikon stays as it is, a
# BioLinkBERT learns to speak of what it sees.
_base_ = ['./patchgastric_lora.py']

model = dict(
    vision=dict(_delete_=True, model='phikon', tuning='NoTuning'),
    text=dict(_delete_=True, model='biolinkbert-base', tuning='FullFineTuning'),
    dim=512,
    scale=None,
)
# the projections are new, the text tower is not
optim_wrapper = dict(
    optimizer=dict(lr=2e-5), paramwise_cfg=dict(custom_keys={'_projection': dict(lr_mult=50)})
)
