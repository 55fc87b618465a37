"""The whole classifier in one ONNX file: RGB in 0…1, of the tower's size, to logits."""

from __future__ import annotations

import io
from contextlib import redirect_stdout
from pathlib import Path

import torch
from torch import Tensor

from cite.classifier import Classifier
from cite.errors import ConfigError, ModelError

FILE = 'classifier.onnx'


def write_onnx(
    classifier: Classifier, images: Tensor, folder: Path
) -> tuple[str, list[tuple[Tensor, Tensor]]]:
    """Writes `classifier.onnx` with the input 'images' (batch, 3, side, side) and the output 'logits'.

    Args:
        classifier: In eval mode.
        images: Two images to trace it with.
        folder: Where to.

    Returns:
        The file's name, and outputs with those of the classifier, for a batch of another size too.

    Raises:
        ConfigError: The packages that write and run ONNX are not installed.
        ModelError: A model that PyTorch cannot write as ONNX.
    """
    try:
        import onnx  # noqa: F401
        import onnxruntime
        import onnxscript  # noqa: F401
    except ImportError as error:
        raise ConfigError(
            f"export to ONNX needs {error.name}: pip install 'cite-pathology[onnx]'"
        ) from error
    path = folder / FILE
    try:
        with redirect_stdout(io.StringIO()):  # its steps are of no use to a reader
            torch.onnx.export(
                classifier,
                (images,),
                str(path),
                input_names=['images'],
                output_names=['logits'],
                dynamic_shapes={'images': {0: torch.export.Dim('batch')}},
                dynamo=True,
                external_data=False,
                verbose=False,
            )
    except Exception as error:  # exporters fail in their own ways
        reason = str(error).strip().split('\n')[0]
        raise ModelError(
            f'{classifier.backbone.card.name} with {classifier.backbone.tuning!r} cannot be written as '
            f'ONNX ({type(error).__name__}: {reason})'
        ) from error
    session = onnxruntime.InferenceSession(str(path), providers=['CPUExecutionProvider'])
    batches = (images, torch.cat([images, images.flip(-1)])[:3])
    return FILE, [
        (torch.from_numpy(session.run(None, {'images': batch.numpy()})[0]), classifier(batch))
        for batch in batches
    ]
