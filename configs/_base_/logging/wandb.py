# Curves in Weights & Biases as well: add this file to `_base_`. Needs pip install 'cite-pathology[wandb]'.
visualizer = dict(
    type='Visualizer',
    vis_backends=[
        dict(type='LocalVisBackend'),
        dict(type='WandbVisBackend', init_kwargs=dict(project='cite')),
    ],
)
