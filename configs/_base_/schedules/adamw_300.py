# A short schedule for small data sets: AdamW, cosine to zero over 300 iterations.
train_cfg = dict(max_iters=300)
test_cfg = dict()

optim_wrapper = dict(optimizer=dict(type='AdamW', lr=1e-3, weight_decay=0.01))
param_scheduler = [dict(type='CosineAnnealingLR', eta_min=0.0, by_epoch=False)]
