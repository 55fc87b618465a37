# Curves in Weights & Biases as well: add this file to `_base_`. No code, pictures and paths go out.
# Needs pip install 'cite-pathology[wandb]'.
visualizer = dict(
    type='Visualizer',
    vis_backends=[
        dict(type='LocalVisBackend'),
        dict(
            type='cite.mm.tracking_backends.WandbCurves',
            init_kwargs=dict(
                project='cite',
                save_code=False,
                settings=dict(
                    disable_code=True, disable_git=True, console='off', x_disable_meta=True
                ),
            ),
            define_metric_cfg=[
                dict(name='step', hidden=True),
                dict(name='*', step_metric='step'),
            ],
        ),
    ],
)
