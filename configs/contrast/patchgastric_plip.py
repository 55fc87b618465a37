# PLIP, which has seen pathology, goes on learning from PatchGastric's reports by LoRA on both towers.
_base_ = ['./patchgastric_lora.py']

model = dict(vision=dict(model='plip'), scale='own')
