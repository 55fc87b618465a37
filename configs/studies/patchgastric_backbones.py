# Vision backbones × linear probe, text anchors and CITE on PatchGastric. Add what you have weights of.
# `cite fewshot studies/patchgastric_backbones --backbone clip-vit-b16 uni --head cite` names others.
_base_ = 'patchgastric_methods.py'
methods = dict(_delete_=True)
grid = dict(
    backbone=['clip-vit-b16', 'vit-b16-in21k', 'dinov2-vit-b14', 'ctranspath', 'plip'],
    tuning=[None, 'VisualPrompt'],
    head=['linear', dict(fragment='cite', name='text anchors')],
)
shots = [1, 16]
