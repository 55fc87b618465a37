# The schedule of the CITE paper's code: plain SGD, cosine to zero over 1,000 iterations (over whatever
# train_cfg.max_iters says), and during the first 20 a rate of 0.005 of the cosine's.
train_cfg = dict(max_iters=1000, val_interval=1000)
val_cfg = dict()
test_cfg = dict()

optim_wrapper = dict(optimizer=dict(type='SGD', lr=0.01))
param_scheduler = [
    dict(type='CosineAnnealingLR', eta_min=0.0, by_epoch=False),
    # mmengine lifts the factor one iteration before `end`
    dict(type='ConstantLR', factor=0.005, begin=0, end=21, by_epoch=False),
]
