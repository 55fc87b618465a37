"""Whether two records say that their features are of one model; else cosines between them mean nothing."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from cite.errors import ConfigError

SAME = ('digest', 'tuning_digest', 'after_digest')
"""What must agree in two records."""


def require_model(what: str, record: Mapping[str, Any], option: str) -> None:
    """Refuses features whose record does not name the digest of their model.

    Args:
        what: The features, for the message.
        option: What takes them nevertheless.

    Raises:
        ConfigError: There is none.
    """
    if not record.get('digest'):
        raise ConfigError(
            f'the features of {what}: no record beside them says of which model they are. Write them by '
            f'`cite features` and leave the record (.json) beside them; or, if you know that it is the '
            f'same model, say so: --options {option}=true'
        )


def refuse_other_model(
    one: str,
    of_one: Mapping[str, Any],
    other: str,
    of_other: Mapping[str, Any],
    trust: bool,
    option: str,
) -> None:
    """Refuses features of two models, and those of which it is not known unless they are trusted.

    Args:
        one, other: The features, for messages.
        of_one, of_other: Their records.
        trust: Take what has no record.
        option: What sets `trust`.

    Raises:
        ConfigError: Naming what differs, or what to do.
    """
    for what, record in ((one, of_one), (other, of_other)):
        if not trust:
            require_model(what, record, option)
    if not (of_one.get('digest') and of_other.get('digest')):
        return
    for key in SAME:
        if of_one.get(key) != of_other.get(key):
            raise ConfigError(
                f'{one}: features of {of_one.get("model")} ({key} {str(of_one.get(key))[:12]}), those of '
                f'{other} are of {of_other.get("model")} ({str(of_other.get(key))[:12]}); use the '
                'same model'
            )
