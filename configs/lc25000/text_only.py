# Text anchors without a visual prompt, on LC25000 lung.
_base_ = [
    '../_base_/runtime.py',
    '../_base_/datasets/lc25000_lung.py',
    '../_base_/models/text_only.py',
    '../_base_/schedules/adamw_300.py',
]

model = dict(
    head=dict(
        texts=[
            'lung adenocarcinoma',
            'benign lung tissue',
            'lung squamous cell carcinoma',
        ]
    )
)
