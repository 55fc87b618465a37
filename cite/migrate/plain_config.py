"""The config text inside an old checkpoint → a dict, without running it.

mmcls writes the whole config, everything filled in, into the `meta` of a checkpoint: assignments of
literals and `dict(…)`. A checkpoint may come from anybody, so the text is read, never executed.
"""

from __future__ import annotations

import ast
from typing import Any

from cite.errors import ConfigError


def read_plain_config(text: str, what: str) -> dict[str, Any]:
    """Values by name.

    Args:
        text: Python with nothing but assignments of literals, lists, tuples, dicts and `dict(…)`.
        what: Names it in the error.

    Raises:
        ConfigError: Anything else in it.
    """
    try:
        statements = ast.parse(text).body
        return dict(_assigned(statement) for statement in statements)
    except (SyntaxError, ValueError, TypeError, RecursionError, MemoryError) as error:
        raise ConfigError(
            f'{what} is no plain config ({" ".join(str(error).split())}); give the one that it was '
            'trained with: --config'
        ) from error


def _assigned(statement: ast.stmt) -> tuple[str, Any]:
    if isinstance(statement, ast.Assign) and len(statement.targets) == 1:
        target = statement.targets[0]
        if isinstance(target, ast.Name):
            return target.id, _value(statement.value)
    raise ValueError(f'line {statement.lineno}: not an assignment')


def _value(node: ast.expr) -> Any:
    if isinstance(node, ast.Call):
        named = isinstance(node.func, ast.Name) and node.func.id == 'dict' and not node.args
        if not named or any(keyword.arg is None for keyword in node.keywords):
            raise ValueError(f'line {node.lineno}: a call')
        return {str(keyword.arg): _value(keyword.value) for keyword in node.keywords}
    if isinstance(node, ast.List):
        return [_value(item) for item in node.elts]
    if isinstance(node, ast.Tuple):
        return tuple(_value(item) for item in node.elts)
    if isinstance(node, ast.Dict):
        if any(key is None for key in node.keys):
            raise ValueError(f'line {node.lineno}: an unpacked dict')
        keys = [ast.literal_eval(key) for key in node.keys if key is not None]
        return dict(zip(keys, map(_value, node.values), strict=True))
    return ast.literal_eval(node)
