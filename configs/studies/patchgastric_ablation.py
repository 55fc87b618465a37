# Prompt × text on PatchGastric, the ablation of the CITE paper: neither, each alone, both.
_base_ = 'patchgastric_methods.py'
methods = {
    '_delete_': True,
    'neither (linear probe)': 'patchgastric/linear',
    'prompt alone (VPT)': 'patchgastric/vpt',
    'text alone (anchors)': 'patchgastric/text_only',
    'prompt and text (CITE)': 'patchgastric/cite',
}
