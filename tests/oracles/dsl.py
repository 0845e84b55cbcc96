"""Slow, obvious versions of the algorithms of validstats.dsl."""

from __future__ import annotations

from itertools import combinations, product

import numpy as np


def numeric_jacobian(score, params, step=1e-6):
    """Negative derivative of a summed score by central differences."""
    p = len(params)
    columns = []
    for k in range(p):
        e = np.zeros(p)
        e[k] = step
        columns.append(-(score(params + e) - score(params - e)) / (2 * step))
    return np.column_stack(columns)


def psi_row_by_row(gold_scores, expected_scores, labelled, probability):
    """``g + R / pi (s - g)``, one row after the other; gold scores are given for all rows."""
    rows = []
    for i in range(len(labelled)):
        g = expected_scores[i]
        rows.append(g + (gold_scores[i] - g) / probability[i] if labelled[i] else g)
    return np.array(rows)


def pairwise_meat(psi, *cluster_vectors):
    """Sum of ``psi_i psi_j'`` over all pairs of rows that share a cluster of any kind, over n."""
    n, p = psi.shape
    total = np.zeros((p, p))
    for i in range(n):
        for j in range(n):
            if i == j or any(c[i] == c[j] for c in cluster_vectors):
                total += np.outer(psi[i], psi[j])
    return total / n


def dummy_matrix(*codes):
    """All dummies of all variables, side by side."""
    return np.hstack([(c[:, None] == np.unique(c)[None, :]).astype(float) for c in codes])


def projection_matrix(*codes):
    """Orthogonal projection on the dummies, as a dense matrix."""
    dummies = dummy_matrix(*codes)
    return dummies @ np.linalg.pinv(dummies)


def within_regression(y, X, *codes):
    """Coefficients of a regression on covariates and dummies."""
    return np.linalg.lstsq(np.hstack([X, dummy_matrix(*codes)]), y, rcond=None)[0][: X.shape[1]]


def adjusted_within(y_gold, x_gold, y_pred, x_pred, labelled, probability, projection, correct):
    """Own-term-corrected (or plain) fixed-effects cross products, entry by entry, for a point prediction."""
    w = labelled / probability
    n, p = x_gold.shape
    adjusted_x = x_pred + w[:, None] * (x_gold - x_pred)
    adjusted_y = y_pred + w * (y_gold - y_pred)
    gram, cross = np.zeros((p, p)), np.zeros(p)
    for i in range(n):
        own_xx = (1 - w[i]) * np.outer(x_pred[i], x_pred[i]) + w[i] * np.outer(x_gold[i], x_gold[i])
        own_xy = (1 - w[i]) * x_pred[i] * y_pred[i] + w[i] * x_gold[i] * y_gold[i]
        gram += own_xx
        cross += own_xy
        for j in range(n):
            if i == j and correct:
                gram -= projection[i, i] * own_xx
                cross -= projection[i, i] * own_xy
            else:
                gram -= projection[i, j] * np.outer(adjusted_x[i], adjusted_x[j])
                cross -= projection[i, j] * adjusted_x[i] * adjusted_y[j]
    return gram, cross


def poisson_samples(probability):
    """Every labelling pattern with its probability under independent labelling."""
    for pattern in product([False, True], repeat=len(probability)):
        labelled = np.array(pattern)
        yield labelled, float(np.prod(np.where(labelled, probability, 1 - probability)))


def simple_samples(n, size):
    """Every labelling pattern of a fixed size, all equally likely."""
    chosen = list(combinations(range(n), size))
    for members in chosen:
        labelled = np.zeros(n, dtype=bool)
        labelled[list(members)] = True
        yield labelled, 1 / len(chosen)


def stratified_samples(strata, sizes):
    """Every labelling pattern with a fixed size in every stratum."""
    parts = [list(combinations(np.flatnonzero(strata == h), m)) for h, m in enumerate(sizes)]
    total = np.prod([len(p) for p in parts])
    for members in product(*parts):
        labelled = np.zeros(len(strata), dtype=bool)
        for m in members:
            labelled[list(m)] = True
        yield labelled, 1 / total


def best_linear_augmentation(score, regressors, probability):
    """Augmentation of least design variance when every score is known: weighted least squares, dense."""
    weight = (1 - probability) / probability
    z = np.column_stack([np.ones(len(score)), regressors])
    gram, cross = np.zeros((z.shape[1],) * 2), np.zeros((z.shape[1], score.shape[1]))
    for i in range(len(score)):
        gram += weight[i] * np.outer(z[i], z[i])
        cross += weight[i] * np.outer(z[i], score[i])
    return z @ np.linalg.solve(gram, cross)


def weighted_projection_matrix(weights, *codes):
    """Orthogonal projection on the dummies times the root of the weights, as a dense matrix."""
    dummies = dummy_matrix(*codes) * np.sqrt(weights)[:, None]
    return dummies @ np.linalg.pinv(dummies)


def corrected_cross_moment(left, right, w, projection):
    """``left' (I - P) right`` of adjusted variables, entry by entry; each is (gold, predicted)."""
    (a_gold, a_pred), (b_gold, b_pred) = left, right
    a = a_pred + w[:, None] * (a_gold - a_pred)
    b = b_pred + w[:, None] * (b_gold - b_pred)
    total = np.zeros((a.shape[1], b.shape[1]))
    for i in range(len(w)):
        own = (1 - w[i]) * np.outer(a_pred[i], b_pred[i]) + w[i] * np.outer(a_gold[i], b_gold[i])
        total += (1 - projection[i, i]) * own
        for j in range(len(w)):
            if i != j:
                total -= projection[i, j] * np.outer(a[i], b[j])
    return total


def two_stage_within(y, X, Z, weights, *codes):
    """Two-stage least squares with the dummies written out among covariates and instruments."""
    root = np.sqrt(weights)
    dummies = dummy_matrix(*codes) * root[:, None]
    x = np.hstack([X * root[:, None], dummies])
    z = np.hstack([Z * root[:, None], dummies])
    fitted = z @ np.linalg.pinv(z) @ x
    return (np.linalg.pinv(fitted) @ (y * root))[: X.shape[1]]
