# PatchGastric as a careful study runs it; the default. docs/protocols.md tells it apart from original.py.
_base_ = '../datasets/patchgastric.py'

train_dataloader = dict(
    sampler=dict(type='PatchSampler', balance='class'),
    dataset=dict(pipeline=[dict(type='ResizePatch'), dict(type='AugmentPatch')]),
)
val_dataloader = None
test_dataloader = dict(dataset=dict(pipeline=[dict(type='ResizePatch')]))

# Choosing a checkpoint, an end or a learning rate by the test set is refused.
select_on_test = False
