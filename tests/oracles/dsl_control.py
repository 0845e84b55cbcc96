"""The bounded share of a control variate, one row and one coefficient at a time."""

from __future__ import annotations

import numpy as np


def _mu(eta, logit):
    return 1 / (1 + np.exp(-eta)) if logit else eta


def _slope(mu, logit):
    return mu * (1 - mu) if logit else 1.0


def weighted_root(X, y, w, logit, steps=100):
    """Root of ``sum w x (y - mu)`` by Newton steps."""
    b = np.zeros(X.shape[1])
    for _ in range(steps):
        mu = _mu(X @ b, logit)
        slope = np.array([_slope(m, logit) for m in mu])
        b = b + np.linalg.solve(X.T @ (X * (w * slope)[:, None]), X.T @ (w * (y - mu)))
    return b


def controlled_by_hand(X, y, h, labelled, pi, logit=False, q=0.0, cell=None, control=True):
    """Estimate, standard error, degrees of freedom and share of every coefficient, for rows drawn independently."""
    N, p = X.shape
    rows = [i for i in range(N) if labelled[i]]
    n, w = len(rows), 1 / pi
    m = max(n - p, 1)
    lab = np.array(rows)
    b_g = weighted_root(X[lab], y[lab], w[lab], logit)
    mu = _mu(X @ b_g, logit)
    jac = sum(w[i] * _slope(mu[i], logit) * np.outer(X[i], X[i]) for i in rows) / N
    A = np.linalg.inv(jac)
    s2_top = sum(w[i] * (y[i] - mu[i]) ** 2 / _slope(mu[i], logit) for i in rows)
    s2 = s2_top / sum(w[i] for i in rows) * n / m
    phi_g, carried = [], []
    for i in rows:
        slope = _slope(mu[i], logit)
        lev = min(w[i] * slope * X[i] @ A @ X[i] / N, 0.9)
        e = y[i] - mu[i]
        e_star = e / (1 - lev)
        if lev >= 0.5:
            sign = -1.0 if e < 0 else 1.0
            e_star = sign * max(abs(e) / (1 - lev), np.sqrt(s2 * slope / (1 - lev)))
        phi_g.append(A @ X[i] * w[i] * e_star)
        carried.append(np.abs(A @ X[i]) * w[i] * np.sqrt(slope))
    phi_g, carried = np.array(phi_g), np.array(carried)
    V = (phi_g**2).sum(axis=0) / N**2
    E = np.zeros(p)
    if cell is not None:
        for c in set(cell[lab].tolist()):
            inside = [i for i in rows if cell[i] == c]
            ones = sum(y[i] == 1 for i in inside)
            if min(ones, len(inside) - ones) >= 5:
                continue
            rate = sum(w[i] * y[i] for i in inside) / sum(w[i] for i in inside)
            rare = 1.0 if rate < 0.5 else 0.0
            chance = [mu[i] if rare else 1 - mu[i] for i in inside]
            for i, k in zip(inside, chance):
                E += 0.5 * k / sum(chance) * (A @ X[i] * w[i] * (rare - rate)) ** 2 / N**2
    v = V + E

    def df(u):
        k4 = (u**4).sum() / (u**2).sum() ** 2
        top = max(n - p - 1, 2)
        return top if k4 <= 1 / n else min(max(2 / (k4 - 1 / n), 2), top)

    df0 = [1 / ((carried[:, c] ** 4).sum() / (carried[:, c] ** 2).sum() ** 2) - 1 for c in range(p)]
    delta, phi_d, expected = np.zeros(p), np.zeros((N, p)), np.full(p, np.inf)
    if control:
        b_h = weighted_root(X, h, np.ones(N), logit)
        mu_h = _mu(X @ b_h, logit)
        A_hL = np.linalg.inv(sum(w[i] * _slope(mu_h[i], logit) * np.outer(X[i], X[i]) for i in rows) / N)
        A_hN = np.linalg.inv(sum(_slope(mu_h[i], logit) * np.outer(X[i], X[i]) for i in range(N)) / N)
        for i in range(N):
            phi_d[i] = -A_hN @ X[i] * (h[i] - mu_h[i])
            if labelled[i]:
                phi_d[i] += A_hL @ X[i] * w[i] * (h[i] - mu_h[i])
        delta = sum(A_hL @ X[i] * w[i] * (h[i] - mu_h[i]) for i in rows) / N
        # row i is labelled with probability pi, and then adds g / pi
        square, fourth = np.zeros(p), np.zeros(p)
        for i in range(N):
            g = A_hN @ X[i] * (h[i] - mu_h[i])
            square += pi[i] * (g / pi[i]) ** 2
            fourth += pi[i] * (g / pi[i]) ** 4
        for c in range(p):
            k4, top = fourth[c] / square[c] ** 2, max(n - p - 1, 2)
            expected[c] = top if k4 <= 1 / n else min(max(2 / (k4 - 1 / n), 2), top)
    F = n / max(n - min(q, n / 3) - 1, n / 3)
    share, error, degrees = [], [], []
    for c in range(p):
        C = phi_g[:, c] @ phi_d[lab, c] / N**2
        D = F * (phi_d[:, c] ** 2).sum() / N**2

        def ratio(share_, C=C, D=D, c=c):
            return 1 - 2 * share_ * C / v[c] + share_**2 * D / v[c]

        s = 0.0
        if v[c] > 0 and D > 0 and n - p >= 10:
            s = min(max(C / D, 0), 1)
            gain_rows = min(df(phi_g[:, c]), df0[c], expected[c])
            s *= min(max(2 * (1 - ratio(s)) * (gain_rows - 1) - 1, 0), 1)
        r = 1.0 if s == 0 else min(ratio(s) * (1 + 1 / m), 1 + 1 / m)
        d = max(2, min(df(phi_g[:, c] - s * phi_d[lab, c]), df0[c]))
        share.append(s)
        error.append(np.sqrt(v[c] * r))
        degrees.append(max(d, 3) if E[c] > 0 else d)
    return b_g - np.array(share) * delta, np.array(error), np.array(degrees), np.array(share)
