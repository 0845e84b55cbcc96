from __future__ import annotations

import hashlib
import hmac
import struct

import numpy as np
import pandas as pd
import pytest
from scipy import sparse

from validstats.holdout.ledger.store import counter_generator
from validstats.intake import (
    ask_digest,
    derive_key,
    holdout_fingerprint,
    keyed_ranks,
    keyed_row_digests,
    totals_of_units,
)


def test_noise_is_a_function_of_secret_index_and_stream():
    draws = {
        (secret, index, stream): counter_generator(secret, index, stream).normal()
        for secret in (b"a", b"b")
        for index in (0, 1)
        for stream in ("answer", "threshold")
    }
    assert len(set(draws.values())) == 8
    assert counter_generator(b"a", 1, "answer").normal() == draws[(b"a", 1, "answer")]


def test_noise_over_indices_is_standard_normal():
    draws = np.array([counter_generator(b"key", i).normal() for i in range(4000)])
    assert abs(draws.mean()) < 4 / np.sqrt(4000)
    assert abs(draws.var() - 1) < 4 * np.sqrt(2 / 4000)
    assert abs(np.corrcoef(draws[:-1], draws[1:])[0, 1]) < 4 / np.sqrt(4000)


def test_purposes_do_not_run_into_each_other():
    assert derive_key(b"k", "ab", "c") != derive_key(b"k", "a", "bc")


def test_fingerprint_knows_the_rows_and_not_their_order():
    generator = np.random.default_rng(0)
    X, y = generator.normal(size=(50, 3)), generator.integers(0, 2, 50)
    order = generator.permutation(50)

    def fingerprint(X, y, secret=b"s"):
        return holdout_fingerprint(secret, [keyed_row_digests(secret, X, y)])

    same = fingerprint(X, y)
    assert fingerprint(X[order], y[order]) == same
    assert fingerprint(X.tolist(), y.astype(float)) == same
    assert fingerprint(X, 1 - y) != same
    assert fingerprint(X[:-1], y[:-1]) != same
    assert fingerprint(np.vstack([X, X[:1]]), np.append(y, y[0])) != same
    assert fingerprint(X, y, secret=b"other") != same


def test_frames_and_arrays_of_the_same_rows_agree():
    pl = pytest.importorskip("polars")
    X = np.arange(12.0).reshape(4, 3)
    columns = {name: X[:, j] for j, name in enumerate("abc")}
    expected = keyed_row_digests(b"s", X)
    assert np.array_equal(keyed_row_digests(b"s", pd.DataFrame(columns)), expected)
    assert np.array_equal(keyed_row_digests(b"s", pl.DataFrame(columns)), expected)


def test_text_and_mixed_rows_have_digests():
    rows = np.array([["a", 1], ["a", 1.0], ["b", 1], [None, np.nan]], dtype=object)
    digests = keyed_row_digests(b"s", rows)
    assert len({tuple(digest) for digest in digests.tolist()}) == 3
    assert digests[0].tolist() == digests[1].tolist()
    frame = pd.DataFrame({"a": ["a", "a", "b", None], "b": [1, 1, 1, np.nan]})
    np.testing.assert_array_equal(keyed_row_digests(b"s", frame), digests)
    assert len({tuple(digest) for digest in keyed_row_digests(b"s", np.array(["x", "y"])).tolist()}) == 2
    for number, text in ((1.0, "1.0"), (1, "1"), (True, "True")):
        one, other = keyed_row_digests(b"s", np.array([number, text, "z"], dtype=object))[:2].tolist()
        assert one != other


def test_sparse_rows_have_the_digests_of_dense_ones():
    dense = np.random.default_rng(0).normal(size=(30, 6))
    dense[dense < 0.5] = 0.0
    dense[3, 2] = np.nan
    dense[5] = 0.0
    for made in (sparse.csr_matrix, sparse.csc_array, sparse.coo_matrix):
        np.testing.assert_array_equal(
            keyed_row_digests(b"s", made(dense), np.arange(30)), keyed_row_digests(b"s", dense, np.arange(30))
        )


def plain_word(value: object, key: bytes) -> int:
    if isinstance(value, str):
        return int.from_bytes(
            hashlib.blake2b(f"t:{value}".encode(), key=key, digest_size=8).digest(), "little"
        )
    return struct.unpack("<Q", struct.pack("<d", value))[0]


def plain_mixed(digest: tuple[int, int], key: bytes, lane: int) -> int:
    first, second = struct.unpack("<QQ", derive_key(key, lane)[:16])

    def finalised(z: int) -> int:
        z ^= z >> 30
        z = z * 0xBF58476D1CE4E5B9 % 2**64
        z ^= z >> 27
        z = z * 0x94D049BB133111EB % 2**64
        return z ^ z >> 31

    return finalised((finalised(digest[lane] ^ first) + digest[1 - lane]) % 2**64 ^ second)


@pytest.mark.parametrize("cells", [4, 12, 100])
@pytest.mark.parametrize("text", [False, True])
def test_digests_are_those_of_one_row_after_the_other(cells, text, monkeypatch):
    """One row at a time in whole numbers, against blocks of words."""
    monkeypatch.setattr("validstats.intake.digests._CELLS", cells)
    X, y = np.random.default_rng(2).normal(size=(7, 3)), np.arange(7) % 2
    labels = np.array(["a", "b"], dtype=object)[y] if text else y
    key = derive_key(b"s", "rows")
    seed = int.from_bytes(derive_key(key, 3, 1)[:16], "little")
    drawn = [int(f) for f in np.random.Philox(key=seed).random_raw(2 + 2 * 2 * 4)]
    expected = []
    for row in zip(*X.T.tolist(), labels.tolist(), strict=True):
        words = [plain_word(cell, key) for cell in row]
        low, high = [word % 2**32 for word in words], [word >> 32 for word in words]
        expected.append(
            tuple(
                (
                    drawn[k]
                    + sum(f * w for f, w in zip(drawn[2 + 4 * k :], low, strict=False))
                    + sum(f * w for f, w in zip(drawn[10 + 4 * k :], high, strict=False))
                )
                % 2**64
                for k in (0, 1)
            )
        )
    digests = keyed_row_digests(b"s", X, labels)
    assert [tuple(digest) for digest in digests.tolist()] == expected
    order_key = derive_key(b"s", "order", "vault")
    assert keyed_ranks(b"s", digests, "vault").tolist() == [plain_mixed(d, order_key, 0) for d in expected]
    key = derive_key(b"s", "fingerprint")
    sums = [sum(plain_mixed(d, key, lane) for d in expected) % 2**64 for lane in (0, 1)]
    message = b"".join(number.to_bytes(8, "big") for number in (7, *sums))
    assert holdout_fingerprint(b"s", [digests]) == hmac.new(key, message, hashlib.sha256).hexdigest()
    unit, key = np.array([0, 1, 0, 2, 2, 0, 1]), derive_key(b"s", "clusters")
    assert totals_of_units(b"s", [digests], unit).tolist() == [
        [
            sum(plain_mixed(d, key, lane) for d, u in zip(expected, unit, strict=True) if u == k) % 2**64
            for lane in (0, 1)
        ]
        for k in range(3)
    ]


def test_rows_that_differ_a_little_have_other_digests_and_fingerprints():
    """Signs, last bits, and cells that changed places within a column: where sums of words alone are blind."""
    X = np.random.default_rng(0).normal(size=(200, 3))
    others = [X * [-1, -1, 1], np.nextafter(X, np.inf), X[:, ::-1], np.c_[X[::-1, 0], X[:, 1:]], X + 0.0]
    digests = [keyed_row_digests(b"s", other) for other in (X, *others)]
    for other in digests[1:-1]:
        assert (other != digests[0]).any(axis=1).mean() > 0.9
    prints = [holdout_fingerprint(b"s", [other]) for other in digests]
    assert len(set(prints)) == len(prints) - 1 and prints[0] == prints[-1]
    many = keyed_row_digests(b"s", np.random.default_rng(0).integers(0, 2**20, (50_000, 2)))
    for word in many.T:  # every bit of either word is set in half of the rows
        shares = (word[:, None] >> np.arange(64, dtype=np.uint64) & np.uint64(1)).mean(axis=0)
        assert np.abs(shares[8:] - 0.5).max() < 0.02


def test_missing_and_negative_zero_are_canonical():
    a = keyed_row_digests(b"s", np.array([[np.nan, 0.0]]))
    b = keyed_row_digests(b"s", np.array([[-np.nan, -0.0]]))
    np.testing.assert_array_equal(a, b)


def test_inputs_are_not_changed():
    X = np.array([[-0.0, np.nan]])
    before = X.tobytes()
    keyed_row_digests(b"s", X)
    ask_digest(b"s", X)
    assert X.tobytes() == before


def test_keyed_ranks_follow_rows_and_depends_on_the_purpose():
    generator = np.random.default_rng(1)
    X = generator.normal(size=(40, 2))
    shuffle = generator.permutation(40)
    digests = keyed_row_digests(b"s", X)
    first = X[np.argsort(keyed_ranks(b"s", digests, "vault"))]
    second = X[shuffle][np.argsort(keyed_ranks(b"s", digests[shuffle], "vault"))]
    assert np.array_equal(first, second)
    assert not np.array_equal(first, X[np.argsort(keyed_ranks(b"s", digests, "chunks"))])


def test_what_was_asked_is_told_apart():
    asks = [
        ask_digest(b"s", "accuracy", [0, 1, 1]),
        ask_digest(b"s", "accuracy", [0, 1, 0]),
        ask_digest(b"s", "brier", [0, 1, 1]),
        ask_digest(b"s", "accuracy", [[0, 1, 1]]),
        ask_digest(b"t", "accuracy", [0, 1, 1]),
        ask_digest(b"s", "accuracy", np.array(["a", "b"])),
        ask_digest(b"s", "accuracy[0, 1, 1]"),
    ]
    assert len(set(asks)) == len(asks)
    assert ask_digest(b"s", [0, 1]) == ask_digest(b"s", np.array([0.0, 1.0]))
