# Zero-shot with several sentences per class, their embeddings averaged: the texts of a file, each in the
# templates of the pair's authors (CLIP, Radford et al., 2021, section 3.1.4). `cite test CONFIG`.
# texts='patchgastric', a .yaml or .csv file by class name, or lists of texts in the order of the classes.
_base_ = 'zero_shot.py'
model = dict(head=dict(texts='patchgastric', templates='pair'))
