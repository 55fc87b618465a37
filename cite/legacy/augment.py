"""The published augmentation, which training and testing both applied."""

from __future__ import annotations

import random

from PIL import Image
from torchvision import transforms
from torchvision.transforms import functional as F


class OriginalAugment:
    """Colour jitter, flips and quarter turns, with the generators in the published order.

    `saturation=(0, 0.2)` is a range of factors there, so that images become nearly grey. The number of
    quarter turns comes from Python's generator, everything else from torch's.

    Put it behind `ResizePatch(how='squash', interpolation='bilinear')`: the published code resizes first.
    """

    augments = True

    def __init__(self) -> None:
        self.jitter = transforms.ColorJitter(brightness=0.2, saturation=(0, 0.2), hue=0.1)
        self.flips = (transforms.RandomHorizontalFlip(), transforms.RandomVerticalFlip())
        self.turn = transforms.RandomRotation((90, 90))

    def __call__(self, image: Image.Image) -> Image.Image:
        turns = random.randint(0, 3)
        image = self.jitter(image if isinstance(image, Image.Image) else F.to_pil_image(image))
        for step in (*self.flips, *[self.turn] * turns):
            image = step(image)
        return image
