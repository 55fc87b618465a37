# Deep prompts in the vision tower of a CLIP learn from PatchGastric's reports; its text tower is locked.
_base_ = ['./patchgastric_lora.py']

model = dict(
    vision=dict(
        tuning=dict(_delete_=True, type='VisualPrompt', length=8, layers='deep', init='normal')
    ),
    text=dict(tuning=dict(_delete_=True, type='NoTuning')),
)
optim_wrapper = dict(optimizer=dict(lr=1e-3))
