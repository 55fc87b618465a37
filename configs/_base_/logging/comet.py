# Curves in Comet as well: add this file to `_base_`. With `offline_directory` in init_kwargs they stay
# there until `comet upload` sends them. No code, pictures and paths go out.
# Needs pip install 'cite-pathology[comet]'.
visualizer = dict(
    type='Visualizer',
    vis_backends=[
        dict(type='LocalVisBackend'),
        dict(
            type='cite.mm.tracking_backends.CometCurves',
            init_kwargs=dict(
                project_name='cite',
                log_code=False,
                log_graph=False,
                log_git_metadata=False,
                log_git_patch=False,
                log_env_details=False,
                parse_args=False,
                auto_output_logging=False,
                auto_param_logging=False,
                auto_metric_logging=False,
            ),
        ),
    ],
)
