# Linear probe on LC25000 lung.
_base_ = [
    '../_base_/runtime.py',
    '../_base_/datasets/lc25000_lung.py',
    '../_base_/models/linear.py',
    '../_base_/schedules/adamw_300.py',
]
