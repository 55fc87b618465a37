# Curves in TensorBoard as well: add this file to `_base_`. Needs pip install 'cite-pathology[tensorboard]'.
visualizer = dict(
    type='Visualizer',
    vis_backends=[dict(type='LocalVisBackend'), dict(type='TensorboardVisBackend')],
)
