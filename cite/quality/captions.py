"""Captions as people write them on the web: what is said, without what only points elsewhere."""

from __future__ import annotations

import re
import unicodedata

_URL = re.compile(r'(?:https?://|www\.)\S+|\bpic\.twitter\.com/\S+', re.IGNORECASE)
_TAG = re.compile(r'</?[a-zA-Z][^<>]{0,100}>')
_MENTION = re.compile(r'(?<![\w@])@\w+')
_HASHTAG = re.compile(r'(?<![\w#&])#(\w+)')
_LAST_TAGS = re.compile(r'(?:\s*(?<![\w#&])#\w+[\s,;]*)+$')
_JOINERS = {'\u200b', '\u200d', '\ufe0e', '\ufe0f', '\u20e3'}
# these scripts write no spaces, so a character counts for a word
_NO_SPACES = re.compile(r'[\u0e00-\u0e7f\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff]')
_WORD = re.compile(r'[^\W\d_]{2,}')


def clean_caption(text: str) -> str:
    """The caption without addresses, mentions, emojis and HTML tags, on one line.

    Hashtags at the end are keywords of the post and go; those within a sentence are words of it, and lose
    only their sign: 'Classic #melanoma in a node #pathology #dermpath' → 'Classic melanoma in a node'.
    """
    text = _TAG.sub(' ', _URL.sub(' ', text))
    text = _MENTION.sub(' ', text)
    text = ''.join(' ' if _is_pictograph(char) else char for char in text)
    text = _LAST_TAGS.sub('', text.strip())
    text = ' '.join(_HASHTAG.sub(r'\1', text).split())
    return re.sub(r' ([.,;:!?)])', r'\1', text)


def without_addresses(text: str) -> str:
    """The caption without URLs, whose '?' asks nothing."""
    return _URL.sub(' ', text)


def count_words(text: str) -> int:
    """Words of two letters or more; of scripts without spaces (Chinese, Japanese, Thai), characters."""
    return len(_NO_SPACES.findall(text)) + len(_WORD.findall(_NO_SPACES.sub(' ', text)))


def _is_pictograph(char: str) -> bool:
    if char in _JOINERS:
        return True
    code = ord(char)
    if 0x1F000 <= code <= 0x1FAFF or 0x2600 <= code <= 0x27BF:
        return True
    return unicodedata.category(char) == 'So' and char not in '°©®™'
