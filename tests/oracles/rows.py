"""Slow, obvious versions of the words, marks and digests of rows, in Python's whole numbers."""

from __future__ import annotations

import hashlib
import hmac
import math
import struct

import numpy as np

WORD = 2**64


def bits(number):
    """The 64 bits of a number as float64."""
    return struct.unpack("<Q", struct.pack("<d", float(number) + 0.0))[0]


def factor(place):
    """The fixed odd factor of a column: splitmix64 of its place."""
    z = (place + 1) * 0x9E3779B97F4A7C15 % WORD
    for by, shift in ((0xBF58476D1CE4E5B9, 31), (0x94D049BB133111EB, 29)):
        z = z * by % WORD
        z ^= z >> shift
    return z | 1


def mark_word(value):
    """Bits of a number, or the hash of a text's letters, rounded to the bits that count."""
    if isinstance(value, str):
        word = sum(ord(letter) * factor(place) for place, letter in enumerate(value)) % WORD
    else:
        word = bits(value)
    return (word + 2**28) % WORD >> 29


def mark(cells, label):
    """The mark of a row with its label."""
    return sum(mark_word(value) * factor(place) for place, value in enumerate([*cells, label])) % WORD


def derived_key(secret, *purpose):
    """A key for a purpose."""
    message = b""
    for word in purpose:
        text = str(word).encode()
        message += len(text).to_bytes(4, "big") + text
    return hmac.new(secret, message, hashlib.sha256).digest()


def digest_word(value, key):
    """Word of a cell of rows whose digests are kept."""
    if value is None or (isinstance(value, float) and math.isnan(value)):
        return bits(math.nan)
    if isinstance(value, str):
        return int.from_bytes(
            hashlib.blake2b(f"t:{value}".encode(), key=key, digest_size=8).digest(), "little"
        )
    return bits(value)


def row_digests(secret, *parts):
    """Two words a row; every part is a list of rows of cells."""
    key = derived_key(secret, "rows")
    widths = [len(part[0]) for part in parts]
    seed = int.from_bytes(derived_key(key, *widths)[:16], "little")
    width = sum(widths)
    drawn = [int(word) for word in np.random.Philox(key=seed).random_raw(2 + 4 * width)]
    found = []
    for rows in zip(*parts):
        words = [digest_word(value, key) for cells in rows for value in cells]
        digest = []
        for k in (0, 1):
            low, high = drawn[2 + k * width :][:width], drawn[2 + (2 + k) * width :][:width]
            digest.append(
                (drawn[k] + sum(a * (w % 2**32) + b * (w >> 32) for a, b, w in zip(low, high, words))) % WORD
            )
        found.append(digest)
    return found


def finalised(z):
    """The finaliser of splitmix64."""
    z ^= z >> 30
    z = z * 0xBF58476D1CE4E5B9 % WORD
    z ^= z >> 27
    z = z * 0x94D049BB133111EB % WORD
    return z ^ z >> 31


def mixed(digest, key, lane):
    """Both words of a digest mixed to one under a key."""
    mixing = derived_key(key, lane)
    first, second = (int.from_bytes(mixing[at : at + 8], "little") for at in (0, 8))
    z = (finalised(digest[lane] ^ first) + digest[1 - lane]) % WORD
    return finalised(z ^ second)


def fingerprint(secret, digests):
    """One text for a set of rows."""
    key = derived_key(secret, "fingerprint")
    sums = [sum(mixed(digest, key, lane) for digest in digests) % WORD for lane in (0, 1)]
    message = b"".join(number.to_bytes(8, "big") for number in (len(digests), *sums))
    return hmac.new(key, message, hashlib.sha256).hexdigest()


def asked(secret, *parts):
    """The key of a question, from the tagged bytes of what was asked."""
    message = b"".join(tag + len(raw).to_bytes(8, "big") + raw for tag, raw in parts)
    return hmac.new(derived_key(secret, "ask"), message, hashlib.sha256).hexdigest()
