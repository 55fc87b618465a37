# A study of drawn tissue, three minutes on two CPU cores: `make quickstart` draws the tissue, `cite fewshot
# studies/quickstart` does the rest. It shows what a study gives, and tells nothing of real tissue.
base = 'quickstart/cite'
options = {
    'train_cfg.max_iters': 40,
    'train_dataloader.batch_size': 16,
    'train_dataloader.num_workers': 0,
    'train_dataloader.dataset.ann_file': 'splits/train_all.csv',
    'test_dataloader.num_workers': 0,
}
grid = dict(
    tuning=[None, 'VisualPrompt'],
    head=['linear', dict(fragment='cite', name='text anchors')],
)
shots = [1, 4]
split_seeds = 3
choosing = dict(budget=2, folds=2)
stain_groups = 0
