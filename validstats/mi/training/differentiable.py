"""A differentiable estimate of mutual information, for training loops (extra ``torch``)."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from scipy.optimize import linear_sum_assignment

from validstats._typing import Float2D
from validstats.mi.network import MEDIAN, load_weights, residual_scale, shipped_weights_path
from validstats.mi.statistics import LIMIT, STATISTIC_NAMES, gaussian_bias
from validstats.mi.training.torch_module import QuantileNetwork, torch

__all__ = [
    "DIFFERENTIABLE_STATISTICS",
    "LearnedMIModule",
    "smooth_statistics",
    "soft_normal_scores",
]

DIFFERENTIABLE_STATISTICS = (
    *STATISTIC_NAMES[: STATISTIC_NAMES.index("folds_linear")],
    *STATISTIC_NAMES[STATISTIC_NAMES.index("radius_low") : STATISTIC_NAMES.index("scores_ksg1")],
)
"""Statistics that are smooth in the normal scores: second order, Hermite polynomials and norms."""


class LearnedMIModule(torch.nn.Module):
    """Mutual information as a module whose value can be maximised by gradients."""

    # The same weights as ``LearnedMI(weights="differentiable")``, to whose estimate the value tends as the
    # temperature goes to zero: ranks are replaced by smooth ones, and the head reads only statistics that are
    # smooth in the scores. It was trained on the same families as the head of ``LearnedMI()``, is less sharp
    # than that one, which counts neighbours, and blind to dependence that neither correlations nor squares
    # show.
    # Where the dependence is hardly visible the estimate is flat, and a maximiser may stay there: start where
    # some dependence shows. A maximised estimate leaves the distributions that the network knows: it is
    # adversarial input. Report the value of :class:`LearnedMI`, or a permutation test, on fresh data, never
    # the value that was maximised.

    def __init__(self, temperature: float = 0.5, weights: Path | None = None) -> None:
        super().__init__()
        served = load_weights(shipped_weights_path("differentiable") if weights is None else Path(weights))
        self.temperature = temperature
        self.networks = torch.nn.ModuleList(
            QuantileNetwork(config, 0.0).load_arrays(parameters).double()
            for config, parameters in served.members
        )
        self.eval()
        for parameter in self.parameters():
            parameter.requires_grad_(False)
        for name in ("statistic_unit", "statistic_centre", "statistic_spread"):
            self.register_buffer(name, torch.as_tensor(served.scaling[name]))

    def quantiles(self, x: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
        """Return the predicted quantiles of log(1 + 2 I)."""
        if len(x) != len(y) or len(x) < 10 or x.ndim != 2 or y.ndim != 2:
            raise ValueError(
                f"x and y must be matrices with the same 10 or more rows, got {x.shape} and {y.shape}."
            )
        a, b = (soft_normal_scores(side.double(), self.temperature) for side in (x, y))
        values = smooth_statistics(a, b)
        vector = torch.stack(
            [values.get(name, a.new_zeros(())) for name in STATISTIC_NAMES[: len(self.statistic_unit)]]
        )
        ratio = vector / self.statistic_unit
        logs = torch.sign(ratio) * torch.log1p(ratio.abs())
        scaled = ((logs - self.statistic_centre) / self.statistic_spread).clamp(-5, 5)[None]
        anchor = torch.log1p(2 * anchor_of(values).clamp_min(0.0))[None]
        shape = np.array([[len(x), *sorted((x.shape[1], y.shape[1]))]])
        scale = torch.as_tensor(residual_scale(shape))
        members = [network(scaled, anchor, scale)[0] for network in self.networks]
        return torch.stack(members).mean(dim=0)

    def forward(self, x: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
        """Return the estimate in nats: the median, which may be slightly negative so that its gradient lives on."""
        return 0.5 * torch.expm1(self.quantiles(x, y)[MEDIAN])


def soft_normal_scores(side: torch.Tensor, temperature: float) -> torch.Tensor:
    """Return standardised normal scores of smooth ranks; the temperature 0 limit is that of mid-ranks."""
    # Returns scores; cost and memory grow with n^2 dim.
    n = len(side)
    width = temperature * side.std(dim=0) / n**0.5
    gaps = (side[:, None, :] - side[None, :, :]) / width
    share = torch.sigmoid(gaps).mean(dim=1)
    scores = torch.special.ndtri(share.clamp(1e-9, 1 - 1e-9))
    scores = scores - scores.mean(dim=0)
    return scores / scores.pow(2).mean(dim=0).sqrt()


def anchor_of(values: dict[str, torch.Tensor]) -> torch.Tensor:
    """Return the Gaussian anchor: corrected for bias where n allows, else shrunk."""
    return values["gauss_corrected"] if float(values["dim_per_row"]) < 0.5 else values["gauss_ridge"]


def _terms(rho: torch.Tensor) -> torch.Tensor:
    return -0.5 * torch.log1p(-rho.pow(2).clamp_max(LIMIT))


def _log_determinant(matrix: torch.Tensor, shrinkage: float) -> torch.Tensor:
    return 2 * _root(matrix, shrinkage).diagonal().log().sum()


def _root(matrix: torch.Tensor, shrinkage: float) -> torch.Tensor:
    identity = torch.eye(len(matrix), dtype=matrix.dtype)
    return torch.linalg.cholesky((1 - shrinkage) * matrix + (shrinkage + 1e-10) * identity)


def _solve(root: torch.Tensor, right: torch.Tensor) -> torch.Tensor:
    return torch.linalg.solve_triangular(root, right, upper=False)


def _hermite(z: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    out = []
    for values in (z**2 - 1, z**3 - 3 * z):
        values = values - values.mean(dim=0)
        out.append(values / (values.pow(2).mean(dim=0) + 1e-24).sqrt())
    return out[0], out[1]


def smooth_statistics(x: torch.Tensor, y: torch.Tensor) -> dict[str, torch.Tensor]:
    """Return the statistics named in ``DIFFERENTIABLE_STATISTICS``, the twins of those in NumPy."""
    n, dim_x, dim_y = len(x), x.shape[1], y.shape[1]
    corr_x, corr_y, products = x.T @ x / n, y.T @ y / n, _products(x, y)
    cross = products["cross"]
    out = _shape_values(n, dim_x, dim_y, x)
    out.update(_determinants(corr_x, corr_y, cross, n))
    shrinkage = (dim_x + dim_y) / (n + dim_x + dim_y)
    root_x, root_y = _root(corr_x, shrinkage), _root(corr_y, shrinkage)
    whitened = _solve(root_y, _solve(root_x, cross).T).T * (1 - shrinkage)
    left, canonical, right = torch.linalg.svd(whitened, full_matrices=False)
    terms = _terms(canonical.clamp_max(LIMIT**0.5))
    for k in range(4):
        out[f"canonical_{k + 1}"] = terms[k] if k < len(terms) else x.new_zeros(())
    out["canonical_energy"], out["canonical_energy_4"] = canonical.pow(2).sum(), canonical.pow(4).sum()
    out.update(_hermite_values(x, y, corr_x, corr_y, products))
    white_x, white_y = _solve(root_x, x.T).T, _solve(root_y, y.T).T
    rank = min(3, dim_x, dim_y)
    out.update(_norm_values(white_x, white_y, white_x @ left[:, :rank], white_y @ right[:rank].T))
    return out


def _shape_values(n: int, dim_x: int, dim_y: int, like: torch.Tensor) -> dict[str, torch.Tensor]:
    low, high = sorted((dim_x, dim_y))
    ratio = (dim_x + dim_y) / n
    numbers = {
        "log_n": np.log(n), "log_dim_low": np.log(low), "log_dim_high": np.log(high), "dim_per_row": ratio,
        "log_dim_per_row": np.log(ratio), "inverse_root_n": n**-0.5, "univariate": float(high == 1),
        "ties_low": 0.0, "ties_high": 0.0,
    }  # fmt: skip
    return {name: like.new_tensor(value) for name, value in numbers.items()}


def _determinants(
    corr_x: torch.Tensor, corr_y: torch.Tensor, cross: torch.Tensor, n: int
) -> dict[str, torch.Tensor]:
    dim_x, dim_y = cross.shape
    dim = dim_x + dim_y
    joint = torch.cat([torch.cat([corr_x, cross], dim=1), torch.cat([cross.T, corr_y], dim=1)])
    out = {}
    for name, shrinkage in (
        ("plain", 1e-7 if n > dim + 1 else 0.5),
        ("ridge", dim / (n + dim)),
        ("strong", 0.3),
    ):
        parts = _log_determinant(corr_x, shrinkage), _log_determinant(corr_y, shrinkage)
        out[f"gauss_{name}"] = 0.5 * (parts[0] + parts[1] - _log_determinant(joint, shrinkage))
        if name == "ridge":
            shares = torch.stack([parts[0] / dim_x, parts[1] / dim_y])
            out["within_low"], out["within_high"] = shares.min(), shares.max()
    out["gauss_corrected"] = out["gauss_plain"] - gaussian_bias(n, dim_x, dim_y)
    return out


def _products(x: torch.Tensor, y: torch.Tensor) -> dict[str, torch.Tensor]:
    """Correlations of the scores, of their Hermite polynomials, and of the one with the other."""
    n = len(x)
    (x2, x3), (y2, y3) = _hermite(x), _hermite(y)
    mixed = torch.maximum((x.T @ y2).abs(), (x2.T @ y).abs()) / n
    return {"cross": x.T @ y / n, "squares": x2.T @ y2 / n, "mixed": mixed, "cubes": x3.T @ y3 / n}


def _strength(products: dict[str, torch.Tensor]) -> Float2D:
    squared = {name: matrix.detach().numpy() ** 2 for name, matrix in products.items()}
    return squared["cross"] + squared["squares"] + squared["mixed"] + 0.5 * squared["cubes"]


def _hermite_values(
    x: torch.Tensor,
    y: torch.Tensor,
    corr_x: torch.Tensor,
    corr_y: torch.Tensor,
    products: dict[str, torch.Tensor],
) -> dict[str, torch.Tensor]:
    n = len(x)
    cross, squares = products["cross"], products["squares"]
    inside = []
    for side, corr in ((x, corr_x), (y, corr_y)):
        values, dim = _hermite(side)[0], side.shape[1]
        excess = values.T @ values / n - corr**2
        inside.append((excess - torch.diag(excess.diagonal())).sum() / max(dim * (dim - 1), 1))
    low_high = torch.stack(inside)
    out = {
        "excess_cross": (squares - cross**2).mean(), "excess_cross_max": (squares - cross**2).max(),
        "excess_low": low_high.min(), "excess_high": low_high.max(),
    }  # fmt: skip
    matched = linear_sum_assignment(_strength(products), maximize=True)
    for name, matrix in products.items():
        out[f"{name}_matched"] = _terms(matrix[matched]).sum()
        out[f"{name}_max"] = matrix.abs().max()
        out[f"{name}_energy"] = matrix.pow(2).sum() - matrix.numel() / n
    return out


def _norm_values(
    white_x: torch.Tensor, white_y: torch.Tensor, variates_x: torch.Tensor, variates_y: torch.Tensor
) -> dict[str, torch.Tensor]:
    out = {}
    norms = [white.pow(2).sum(dim=1) for white in (white_x, white_y)]
    spread = torch.stack([(r + 1e-9).log().std(correction=0) for r in norms])
    fourth = torch.stack([
        (v.pow(4).mean(dim=0) / v.pow(2).mean(dim=0).pow(2).clamp_min(1e-12)).max() for v in (variates_x, variates_y)
    ])  # fmt: skip
    dims = white_x.shape[1], white_y.shape[1]
    excess = torch.stack(
        [r.pow(2).mean() / r.mean().pow(2) * d / (d + 2) for r, d in zip(norms, dims, strict=True)]
    )
    for name, values in (("radius", spread), ("kurtosis", fourth), ("radius_fourth", excess)):
        out[f"{name}_low"], out[f"{name}_high"] = values.min(), values.max()
    return out
