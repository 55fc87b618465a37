# Text encoders under CITE on PatchGastric: whose words say best what a grade looks like.
_base_ = 'patchgastric_methods.py'
methods = dict(_delete_=True)
grid = dict(
    text_encoder=[
        'clip-vit-b16',
        'biobert-large-cased-v1.1',
        'pubmedbert-base',
        'biolinkbert-base',
        'biolinkbert-large',
    ],
)
