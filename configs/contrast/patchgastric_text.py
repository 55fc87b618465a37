# The text tower of a CLIP trains whole on PatchGastric's reports; its images stay where they are.
_base_ = ['./patchgastric_lora.py']

model = dict(
    vision=dict(tuning=dict(_delete_=True, type='NoTuning')),
    text=dict(tuning=dict(_delete_=True, type='FullFineTuning')),
)
optim_wrapper = dict(optimizer=dict(lr=1e-5))
