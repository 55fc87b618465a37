# Curves in MLflow as well: add this file to `_base_`. They go where MLFLOW_TRACKING_URI says, else into
# work_dirs/mlflow.db. No files, pictures and paths go out. Needs pip install 'cite-pathology[mlflow]'.
visualizer = dict(
    type='Visualizer',
    vis_backends=[
        dict(type='LocalVisBackend'),
        dict(type='cite.mm.tracking_backends.MLflowCurves', exp_name='cite', folder='work_dirs'),
    ],
)
