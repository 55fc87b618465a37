# Methods × shots on PatchGastric, the comparison of the CITE paper (Zhang et al., MICCAI 2023): what few
# trained weights, prompts and text anchors are worth over a linear probe. Every method with its own rate.
# Needs the prepared data (`cite prepare patchgastric ROOT`), the weights and a GPU:
# `cite fewshot studies/patchgastric_methods`
base = 'patchgastric/cite'
options = {
    'train_dataloader.dataset.ann_file': 'splits/train_all.csv',  # the pool that slides are drawn from
    'test_dataloader.dataset.ann_file': 'splits/val.csv',
}
methods = {  # the first is the one that the others are compared with
    'linear probe': 'patchgastric/linear',
    'zero-shot CLIP': 'patchgastric/zero_shot',
    'fine-tuning': 'patchgastric/finetune',
    'CoOp': 'patchgastric/coop',
    'CLIP-Adapter': 'patchgastric/clip_adapter',
    'Tip-Adapter-F': 'patchgastric/tip_adapter_f',
    'VPT': 'patchgastric/vpt',
    'LoRA': 'patchgastric/lora',
    'text anchors': 'patchgastric/text_only',
    'CITE': 'patchgastric/cite',
}
baselines = ['colour']

shots = [1, 2, 4, 8, 16, 'all']
split_seeds = 5
seeds = 1
choosing = dict(budget=1)  # presets, as in the paper; --budget 3 chooses rates by training slides
