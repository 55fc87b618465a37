"""What a page is started with."""

from __future__ import annotations

import ipaddress
from dataclasses import dataclass
from pathlib import Path

from cite.errors import ConfigError

LOOPBACK = '127.0.0.1'
PORT = 7860
NOTE = 'For research use only, not for diagnosis.'
"""Stands on every tab, and on every picture that leaves the page."""
DEFAULT = 'tiny-tissue'
"""The pair that comes with the library, and is always there to choose."""


@dataclass(frozen=True)
class Settings:
    """What a page offers, and where it listens.

    Attributes:
        pairs: Names or files of pairs; the first one searches the folder.
        adapters: Files.
        folder: Images that can be searched; None: no search.
        slides: Folder of slides that can be chosen; None: slides are uploaded.
        host: Address to listen at.
        port: 1 to 65535; 0: any that is free.
        max_upload_mb: Mebibytes that an uploaded file may have.
        device: As `cite.load` takes it.

    Raises:
        ConfigError: A port or a size that there is not, or a folder that is missing.
    """

    pairs: tuple[str, ...] = (DEFAULT,)
    adapters: tuple[Path, ...] = ()
    folder: Path | None = None
    slides: Path | None = None
    host: str = LOOPBACK
    port: int = PORT
    max_upload_mb: int = 200
    device: str | None = None

    def __post_init__(self) -> None:
        if not 0 <= self.port <= 65535:
            raise ConfigError(f'--port: expected 1 to 65535 (0: any free one), found {self.port}')
        if self.max_upload_mb < 1:
            raise ConfigError(f'--max-upload-mb: expected at least 1, found {self.max_upload_mb}')
        for option, folder in (('--folder', self.folder), ('--slides', self.slides)):
            if folder is not None and not folder.is_dir():
                raise ConfigError(f'{option} {folder}: no such folder')

    @property
    def is_local(self) -> bool:
        """Whether only this machine can reach the page."""
        if self.host == 'localhost':
            return True
        try:
            return ipaddress.ip_address(self.host).is_loopback
        except ValueError:
            return False
