"""An old `model.neck` and `model.head` → ours."""

from __future__ import annotations

from typing import Any

from cite.migrate.backbone import ARCHS
from cite.migrate.ledger import Section, spoken_for
from cite.migrate.options import Options

PRECISION = 'what trains is float32 here; the frozen part computes in model.precision'
INFERRED = 'sizes follow from tower and text encoder'
POOLINGS = {'pooler_output': 'pooler_output', 'last_hidden_state': 'cls'}


def migrate_neck(old: Section) -> dict[str, Any] | None:
    """Our spec of the neck; None where there was none."""
    if not old.keys():
        return None
    with spoken_for(old):
        kind = old.take('type')
        if kind != 'ProjectionNeck':
            old.ledger.refuse(f'{old.path("type")}={kind!r} (known: ProjectionNeck)')
        spec = {'type': 'ProjectionNeck', 'init': old.take('init', 'kaiming_uniform')}
        for key, default in (('act_before', None), ('act_after', None), ('bias', True)):
            value = old.take(key, default)
            if value != default:
                spec[key] = value
        for key in ('in_features', 'out_features'):
            old.drop(key, INFERRED)
        old.drop('float16', PRECISION)
        if old.take('fix', False):
            spec['frozen'] = True
    return spec


def migrate_head(old: Section, n_classes: int, options: Options) -> dict[str, Any]:
    """Our spec of the head."""
    kind = old.take('type')
    with spoken_for(old):
        with spoken_for(old.section('loss')) as loss:
            loss.expect('type', 'CrossEntropyLoss', why='the loss is cross-entropy')
            loss.expect('loss_weight', 1.0, why='scale the learning rate instead')
        for key in ('topk', 'cal_acc'):
            old.drop(key, 'every metric is always computed')
        if kind in ('MyLinearClsHead', 'LinearClsHead'):
            return _linear(old, n_classes)
        if kind == 'TextEmbeddingHead':
            return _text(old, options)
        if kind == 'CLIPTextHead':
            return _zero_shot(old, options)
        old.ledger.refuse(
            f'{old.path("type")}={kind!r} (known: TextEmbeddingHead, MyLinearClsHead, LinearClsHead, '
            'CLIPTextHead)'
        )
    return {}


def _linear(old: Section, n_classes: int) -> dict[str, Any]:
    old.drop('in_channels', INFERRED)
    old.expect('num_classes', n_classes, why=f'the data set has {n_classes} classes')
    with spoken_for(old.section('init_cfg')) as init:
        init.expect('type', 'Normal', why='the weights start normally distributed')
        init.expect('layer', 'Linear', why='there is one linear layer')
        std = init.take('std', 0.01)
    return {'type': 'LinearHead'} if std == 0.01 else {'type': 'LinearHead', 'init_std': std}


def _text(old: Section, options: Options) -> dict[str, Any]:
    spec: dict[str, Any] = {
        'type': 'TextEmbeddingHead',
        'texts': list(old.take('texts') or []),
        'temperature': old.take('temperature', 1.0),
    }
    if old.take('learnable_t', False):
        spec['learnable_temperature'] = True
    old.drop('float16', PRECISION)
    with spoken_for(old.section('text_encoder')) as encoder:
        kind = encoder.take('type')
        if kind != 'BERT':
            old.ledger.refuse(f'{encoder.path("type")}={kind!r} (known: BERT)')
        model = encoder.take('model', 'michiyasunaga/BioLinkBERT-large')
        key = encoder.take('key', 'pooler_output')
        if key not in POOLINGS:
            old.ledger.refuse(f'{encoder.path("key")}={key!r} (known: {", ".join(POOLINGS)})')
        encoder.expect('text_feature_file', None, why='embeddings come from the text encoder')
    spec['text_encoder'] = {
        'type': 'TextEncoder',
        'model': options.text_encoder or model,
        'pooling': POOLINGS.get(key, 'auto'),
    }
    return spec


def _zero_shot(old: Section, options: Options) -> dict[str, Any]:
    arch = old.take('arch')
    encoder = {'type': 'CLIPTextEncoder'}
    if options.text_encoder is not None:
        encoder['model'] = options.text_encoder
    elif arch in ARCHS:
        if options.model is not None:
            encoder['model'] = ARCHS[arch]
    else:
        old.ledger.refuse(
            f'{old.path("arch")}={arch!r} (known: {", ".join(ARCHS)}; --text-encoder)'
        )
    texts = list(old.take('texts') or [])
    return {'type': 'ZeroShotHead', 'texts': texts, 'text_encoder': encoder}
