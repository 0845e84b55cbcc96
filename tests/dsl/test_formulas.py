"""Formulas and what they may hold."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from validstats.dsl.regression import DesignBuilder, parse_formula


class TestFormulas:
    def test_parts(self):
        parsed = parse_formula("log(y) ~ x + C(g) | unit + time | d ~ z1 + z2")
        assert (
            parsed.effects == ("unit", "time")
            and parsed.endogenous == "d"
            and parsed.instruments == "z1 + z2"
        )
        assert str(parsed) == "log(y) ~ x + C(g) | unit + time | d ~ z1 + z2"
        assert parse_formula("y").covariates == "1"

    @pytest.mark.parametrize(
        "bad", ["", "~ x", "y ~", "y ~ x | | z", "y ~ x | a ~ b | c ~ d", None, "y ~ x | d ~ z | u"]
    )
    def test_nonsense_is_refused(self, bad):
        with pytest.raises(ValueError, match="formula"):
            parse_formula(bad)

    def test_levels_and_transformations_are_those_of_the_template(self):
        frame = pd.DataFrame(
            {"y": [0.0, 1.0, 0.0, 1.0], "g": ["a", "b", "c", "a"], "x": [1.0, 2.0, 3.0, 6.0]}
        )
        builder = DesignBuilder(parse_formula("y ~ C(g) + center(x)"), frame, ["g", "y"])
        assert (
            builder.outcome_labels == ("y",)
            and builder.covariate_labels == ("g",)
            and builder.variables == ("x",)
        )
        only_b = builder.design({"g": np.array(["b"] * 4, dtype=object)})
        np.testing.assert_allclose(only_b[:, 1:3], np.tile([1.0, 0.0], (4, 1)))
        np.testing.assert_allclose(only_b[:, 3], frame["x"] - 3.0)
        np.testing.assert_array_equal(builder.outcome({"y": np.ones(4)}), np.ones(4))

    @pytest.mark.parametrize(
        "covariates",
        ["poly(v, 2)", "bs(v, df=4)", "scale(v)", "center(v):x", "np.log(v + 9)", "v**2", "I(v > 0)"],
    )
    def test_labels_are_found_inside_every_transformation(self, covariates):
        rng = np.random.default_rng(0)
        frame = pd.DataFrame({"y": rng.normal(size=30), "v": rng.normal(size=30), "x": rng.normal(size=30)})
        builder = DesignBuilder(parse_formula(f"y ~ {covariates}"), frame, ["v"])
        assert builder.covariate_labels == ("v",)
        assert builder.outcome_labels == ()

    def test_outcomes_of_several_columns_are_refused(self):
        frame = pd.DataFrame({"y": [0.0, 1.0], "g": ["a", "b"], "x": [1.0, 2.0]})
        builder = DesignBuilder(parse_formula("C(g) ~ x"), frame, ["g"])
        with pytest.raises(ValueError, match="one number"):
            builder.outcome()
