"""A torch dataset over a patch table, in which each sample is a function of numbers alone."""

from __future__ import annotations

from collections.abc import Callable
from io import BytesIO
from typing import Any, TypedDict

from PIL import Image
from torch.utils.data import Dataset

from cite.data.file_digests import read_content
from cite.data.randomness import seeded
from cite.data.samplers import Draw
from cite.data.table import PatchTable
from cite.data.transforms import PatchTransform
from cite.data.views import HOW_VIEWED, View, check_views, views_of_draws
from cite.errors import ConfigError
from cite.images import load_rgb
from cite.images.read import decode_rgb

# Purposes, second in the key after the seed; the sampler's own are 1 to 5.
_TRAINING, _EVALUATION = 101, 102


class Item(TypedDict):
    """One sample: what the transform made of the image, its class index, its row in the table."""

    image: Any
    label: int
    index: int


class PatchDataset(Dataset[Item]):
    """Decoded and transformed patches.

    Args:
        table: the patches.
        transform: PIL image in RGB -> whatever the model takes, e.g. `PatchTransform`. It may draw
            from `random`, `numpy.random` or torch's CPU generator.
        seed: decides the draws of `transform`.
        views: training shows that many fixed views of each patch (see `cite.data.views`); by default
            every draw is augmented afresh.

    A `Draw` (training) is transformed under (seed, draw number), whichever worker does it; a plain
    row (evaluation) under (seed, row), so that scores repeat even with a transform that draws; a `View`
    under (seed, view, file).

    Raises:
        ConfigError: a number of views that is none, or a transform that cannot leave its augmentation out.
    """

    def __init__(
        self,
        table: PatchTable,
        transform: Callable[[Image.Image], Any],
        seed: int = 0,
        views: int | None = None,
    ) -> None:
        check_views(views)
        self.table, self.transform, self.seed, self.views = table, transform, seed, views
        self._plain = transform.plain if isinstance(transform, PatchTransform) else None
        if views is not None and self._plain is None:
            raise ConfigError(f'views need a PatchTransform, found {type(transform).__name__}')

    def __len__(self) -> int:
        return len(self.table)

    def __getitem__(self, key: int | Draw | View) -> Item:
        """Sample of a row, draw or view.

        Raises:
            DataError: the file is missing or does not decode.
        """
        if isinstance(key, Draw) and self.views is not None:
            key = View(key.index, int(views_of_draws(self.seed, [key.number], self.views)[0]))
        if isinstance(key, View):
            return self._view(key)
        if isinstance(key, Draw):
            index, randomness = key.index, (self.seed, _TRAINING, key.number)
        else:
            index, randomness = int(key), (self.seed, _EVALUATION, int(key))
        image = load_rgb(self.table.path(index))
        with seeded(*randomness):
            transformed = self.transform(image)
        return Item(image=transformed, label=int(self.table.labels[index]), index=index)

    def _view(self, view: View) -> Item:
        index = view.row
        content, digest = read_content(self.table.path(index))
        image = decode_rgb(BytesIO(content), self.table.path(index))
        if view.number == 0:
            assert self._plain is not None
            transformed: Any = self._plain(image)
        else:
            with seeded(self.seed, HOW_VIEWED, view.number, digest.tobytes().hex()):
                transformed = self.transform(image)
        return Item(image=transformed, label=int(self.table.labels[index]), index=index)
