# LC25000 lung on two CPU cores: what prompt and text anchors are worth over a linear probe, with 1 to 16
# tile groups per class. `cite fewshot studies/lc25000_lung --options data_root=…`
# A tile group (one original tile and its rotated copies) stands for a slide, a stain cluster for a patient.
base = 'lc25000/linear'
columns = dict(slide='tile_group', patient='stain_cluster')
options = {
    'model.backbone.model': 'tiny-tissue',
    'train_cfg.max_iters': 40,
    'train_dataloader.batch_size': 16,
    'train_dataloader.num_workers': 0,
    'train_dataloader.dataset.columns': columns,
    'test_dataloader.num_workers': 0,
    'test_dataloader.dataset.columns': columns,
    'test_dataloader.dataset.store': True,
}
text = {'model.head.text_encoder.model': 'tiny-tissue'}

methods = {  # the first is the one that the others are compared with
    'linear probe': dict(options={'optim_wrapper.optimizer.lr': 1e-2}),
    'class means': dict(options={'model.head': dict(type='PrototypeHead')}),
    'text anchors': dict(config='lc25000/text_only', options=text),
    'CITE': dict(
        config='lc25000/cite',
        options={
            **text,
            'optim_wrapper.optimizer.lr': 3e-3,
            'train_dataloader.dataset.store': True,
        },
    ),
}
baselines = ['colour']

shots = [1, 2, 4, 8, 16]
split_seeds = 5
seeds = 1
choosing = dict(budget=3, folds=2)
del columns, text
