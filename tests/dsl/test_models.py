"""Models own what they know: names, formulas, ratios, and whether they are on the command line."""

from __future__ import annotations

from typing import get_args

import pytest

from validstats.cli.dsl import _MODELS
from validstats.dsl.regression import MODELS, ModelName


def test_every_model_of_the_signature_is_one_of_the_table() -> None:
    assert set(get_args(ModelName)) == set(MODELS)
    assert all(name == model.name for name, model in MODELS.items())


def test_the_command_line_offers_those_that_say_so() -> None:
    assert set(_MODELS) == {name for name, model in MODELS.items() if model.on_command_line}


def test_classes_are_predicted_by_classifiers_on_the_command_line() -> None:
    numbers = {name for name in _MODELS if MODELS[name].predicts_numbers}
    assert numbers == {"mean", "difference", "linear", "poisson"}


def test_a_model_of_ones_own_keeps_what_its_parent_checks() -> None:
    class Ratio(type(MODELS["mean"])):
        """A mean under another name."""

    ratio = Ratio(name="ratio", moment=MODELS["mean"].moment, takes_covariates=False, takes_offset=False)
    assert ratio.names("y", ("Intercept",), ()) == ("ratio(y)",)
    with pytest.raises(ValueError, match="model='ratio' takes no covariates"):
        ratio.check("y", ("Intercept", "x"), True, ())
    with pytest.raises(ValueError, match="model='ratio' takes no offset"):
        ratio.check_offset(True)
