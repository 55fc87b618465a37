"""What the published CITE code called things, and what stands in their place here.

The one table: messages, `cite migrate` and docs/migration.md go by it.
"""

from __future__ import annotations

FORMER_NAMES = {
    'ImageClassifier': 'CiteClassifier',
    'CLIPImageBackbone': 'VisionTower(model=…)',
    'PromptedCLIPImageBackbone': 'VisionTower(model=…, tuning=VisualPrompt)',
    'VisionTransformerFrozen': 'VisionTower(model=…)',
    'PromptedVisionTransformer': 'VisionTower(model=…, tuning=VisualPrompt)',
    'BERT': 'TextEncoder',
    'CLIPTextHead': 'ZeroShotHead',
    'MyLinearClsHead': 'LinearHead',
    'LinearClsHead': 'LinearHead',
    'PatchGastricCls3': 'PatchDataset',
    'PatchGastricPipeline': 'ResizePatch, AugmentPatch',
    'CLIPPreprocess': 'ResizePatch',
    'IterBasedRunner': 'CiteRunner',
}
"""Type name there → type here. `ProjectionNeck` and `TextEmbeddingHead` kept their names."""


def hint(name: str) -> str:
    """What to do about a name of the original code; '' for any other name."""
    if name not in FORMER_NAMES:
        return ''
    return (
        f' {name!r} is a name of the original code, here {FORMER_NAMES[name]}: cite migrate CONFIG.'
    )
