# Class means (SimpleShot) on PatchGastric: nothing trains.
_base_ = [
    '../_base_/runtime.py',
    '../_base_/protocols/fixed.py',
    '../_base_/models/prototype.py',
    '../_base_/schedules/adamw_300.py',
]
