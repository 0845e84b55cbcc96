from __future__ import annotations

import hashlib
import hmac

import numpy as np
import pytest

from validstats.holdout.ledger import (
    ascending,
    ask_digest,
    derive_key,
    holdout_fingerprint,
    keyed_ranks,
    keyed_row_digests,
)
from validstats.holdout.ledger import store as fingerprint_module
from validstats.holdout.ledger.store import counter_generator


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
        return holdout_fingerprint(secret, keyed_row_digests(secret, X, y))

    same = fingerprint(X, y)
    assert fingerprint(X[order], y[order]) == same
    assert fingerprint(X.tolist(), y.astype(float)) == same
    assert fingerprint(X, 1 - y) != same
    assert fingerprint(X[:-1], y[:-1]) != same
    assert fingerprint(np.vstack([X, X[:1]]), np.append(y, y[0])) != same
    assert fingerprint(X, y, secret=b"other") != same


def test_frames_and_arrays_of_the_same_rows_agree():
    pd, pl = pytest.importorskip("pandas"), pytest.importorskip("polars")
    X = np.arange(12.0).reshape(4, 3)
    columns = {name: X[:, j] for j, name in enumerate("abc")}
    expected = keyed_row_digests(b"s", X)
    assert np.array_equal(keyed_row_digests(b"s", pd.DataFrame(columns)), expected)
    assert np.array_equal(keyed_row_digests(b"s", pl.DataFrame(columns)), expected)


def test_text_and_mixed_rows_have_digests():
    rows = np.array([["a", 1], ["a", 1.0], ["b", 1], [None, np.nan]], dtype=object)
    digests = keyed_row_digests(b"s", rows)
    assert digests[0] == digests[1]
    assert len(set(digests.tolist())) == 3
    assert len(set(keyed_row_digests(b"s", np.array(["x", "y"])).tolist())) == 2


@pytest.mark.parametrize("chunk", [1, 3, 100])
@pytest.mark.parametrize("text", [False, True])
def test_digests_are_those_of_one_row_after_the_other(chunk, text, monkeypatch):
    monkeypatch.setattr(fingerprint_module, "_CHUNK", chunk)
    X, y = np.random.default_rng(2).normal(size=(7, 3)), np.arange(7) % 2
    labels = np.array(["a", "b"], dtype=object)[y] if text else y
    parts = [[x.tobytes() for x in X]]
    parts.append([repr((f"t:{v}",)).encode() for v in labels] if text else [v.tobytes() for v in y + 0.0])
    key = derive_key(b"s", "rows")
    expected = [
        hashlib.blake2b(
            b"".join(len(part).to_bytes(4, "big") + part for part in row), key=key, digest_size=16
        ).digest()
        for row in zip(*parts, strict=True)
    ]
    digests = keyed_row_digests(b"s", X, labels)
    assert [d.tobytes() for d in digests] == expected
    order_key = derive_key(b"s", "order", "vault")
    ranks = [hashlib.blake2b(d, key=order_key, digest_size=16).digest() for d in expected]
    assert ascending(keyed_ranks(b"s", digests, "vault")).tolist() == sorted(range(7), key=ranks.__getitem__)
    message = (7).to_bytes(8, "big") + b"".join(sorted(expected))
    assert (
        holdout_fingerprint(b"s", digests)
        == hmac.new(derive_key(b"s", "fingerprint"), message, hashlib.sha256).hexdigest()
    )


def test_missing_and_negative_zero_are_canonical():
    a = keyed_row_digests(b"s", np.array([[np.nan, 0.0]]))
    b = keyed_row_digests(b"s", np.array([[-np.nan, -0.0]]))
    assert a == b


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
    first = X[ascending(keyed_ranks(b"s", digests, "vault"))]
    second = X[shuffle][ascending(keyed_ranks(b"s", digests[shuffle], "vault"))]
    assert np.array_equal(first, second)
    assert not np.array_equal(first, X[ascending(keyed_ranks(b"s", digests, "chunks"))])


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
