"""Preprocessing that sees rows it was not fitted on is caught; honest preprocessing is let pass."""

from __future__ import annotations

from functools import partial

import numpy as np
import pytest
from sklearn.decomposition import PCA
from sklearn.impute import KNNImputer
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer, MinMaxScaler, OneHotEncoder, QuantileTransformer, StandardScaler

from truetune.data.checks.preprocessing_leaks import check_preprocessing
from truetune.data.dataset import Dataset
from truetune.errors import DataError

ROWS = np.random.default_rng(0).normal(3, 2, size=(500, 6)).astype("float32")
LABELS = np.arange(500) % 2


def parts(X=ROWS):
    data = Dataset(X, LABELS)
    return data.take(np.arange(400)), data.take(np.arange(400, 500))


class Plain:
    """What every cheat below has of an honest transformer."""

    def fit(self, X, y=None):
        self.mean = X.mean(0)
        return self

    def transform(self, X):
        return X - self.mean


HONEST = {
    "StandardScaler": StandardScaler,
    "StandardScaler in place": partial(StandardScaler, copy=False),
    "MinMaxScaler": MinMaxScaler,
    "PCA": partial(PCA, 3),
    "PCA whitened": partial(PCA, 3, whiten=True),
    "log": lambda: FunctionTransformer(np.log1p, validate=False),
    "quantiles": partial(QuantileTransformer, n_quantiles=50),
    "keeps its training rows": partial(KNNImputer, n_neighbors=2),
    "one hot": partial(OneHotEncoder, handle_unknown="ignore", sparse_output=False),
    "pipeline": lambda: make_pipeline(StandardScaler(), PCA(2)),
    "own": Plain,
}


@pytest.mark.parametrize("make", HONEST.values(), ids=HONEST)
@pytest.mark.filterwarnings("ignore:invalid value", "ignore::UserWarning")
def test_honest_preprocessing_is_let_pass(make):
    train, other = parts()
    before = train.X.copy()
    check_preprocessing(make, train, other)
    np.testing.assert_array_equal(train.X, before)


def test_numbers_far_from_zero_are_rounded_and_let_pass():
    check_preprocessing(partial(PCA, 3), *parts(ROWS + np.float32(1e4)))


@pytest.mark.parametrize(
    "X", [ROWS.reshape(500, 2, 3), np.round(ROWS[:, :1])], ids=["boxes", "one feature of few values"]
)
def test_other_shapes(X):
    check_preprocessing(Plain, *parts(X))


def test_what_needs_more_rows_than_are_looked_at_gets_them_all():
    X = np.random.default_rng(1).normal(size=(500, 390))
    check_preprocessing(partial(PCA, 350), *parts(X))


def test_an_error_of_the_transformer_itself_stays_what_it_is():
    with pytest.raises(ValueError, match="n_components=7"):
        check_preprocessing(partial(PCA, 7), *parts())


# Cheats


class ScalesWhatItIsGiven(Plain):
    def transform(self, X):
        return (X - X.mean(0)) / X.std(0)


def test_a_row_that_depends_on_the_rows_beside_it():
    message = (
        r"ScalesWhatItIsGiven returns different values for 3 rows alone than for the same rows among 400\. .*in `fit`"
    )
    with pytest.raises(DataError, match=message):
        check_preprocessing(ScalesWhatItIsGiven, *parts())


class LearnsLater(Plain):
    """Moves its mean with all that it transforms."""

    def transform(self, X):
        out = X - self.mean
        if len(X) == 100:
            self.mean = (self.mean + X.mean(0)) / 2
        return out


class Jitters(Plain):
    def transform(self, X):
        return X + np.random.default_rng().normal(size=(len(X), 1)) if len(X) == 300 else X


@pytest.mark.parametrize("make", [LearnsLater, Jitters])
def test_transforming_that_changes_what_comes_later(make):
    with pytest.raises(
        DataError, match=rf"{make.__name__} returns different values for the training rows after it has"
    ):
        check_preprocessing(make, *parts())


class WorksInPlace(Plain):
    def fit(self, X, y=None):
        X -= X.mean(0)
        return super().fit(X)


def test_fitting_that_changes_the_rows_it_is_given():
    with pytest.raises(DataError, match=r"WorksInPlace changes the rows it is fitted on\. Expected `fit` to leave"):
        check_preprocessing(WorksInPlace, *parts())


class Holds(Plain):
    def __init__(self, rows=None):
        self.rows = rows


class Slotted(Plain):
    __slots__ = ("held",)

    def __init__(self, rows):
        self.held = rows


def closed_over(rows):
    class Inner(Plain):
        def transform(self, X):
            return X - rows.mean(0)

    return Inner


def _makes_a_fit_of_all(rows):
    return lambda: StandardScaler().fit(rows)


HOLDING = {
    "attribute": (lambda: Holds(ROWS), "rows"),
    "another dtype": (lambda: Holds(ROWS.astype("float64")), "rows"),
    "validation rows only": (lambda: Holds(ROWS[400:]), "rows"),
    "a list of arrays": (lambda: Holds([ROWS[:400], ROWS[400:]]), r"rows\.1"),
    "a mapping of a dataset": (lambda: Holds({"all": Dataset(ROWS, LABELS)}), r"rows\.all\.X"),
    "slots": (lambda: Slotted(ROWS), "held"),
    "closure of a method": (closed_over(ROWS), "rows"),
    "closure of the factory": (_makes_a_fit_of_all(ROWS), r"its factory\.rows"),
    "arguments of the factory": (partial(Holds, rows=ROWS), "rows"),
    "function of a transformer": (lambda: FunctionTransformer(_makes_a_fit_of_all(ROWS)), r"func\.rows"),
}


@pytest.mark.parametrize(("make", "where"), HOLDING.values(), ids=HOLDING)
def test_validation_rows_that_are_held(make, where):
    with pytest.raises(DataError, match=rf"holds 100 of the 100 validation rows searched for \(in {where}\)\."):
        check_preprocessing(make, *parts())


def test_training_rows_may_be_held():
    check_preprocessing(lambda: Holds(ROWS[:400]), *parts())


def test_the_input_is_named():
    data = Dataset({"left": ROWS, "right": ROWS + 1}, LABELS)
    with pytest.raises(DataError, match=r"ScalesWhatItIsGiven of the input 'left' returns"):
        check_preprocessing(ScalesWhatItIsGiven, data.take(np.arange(400)), data.take(np.arange(400, 500)))


class Drops(Plain):
    def transform(self, X):
        return X[1:]


def test_rows_that_get_lost():
    with pytest.raises(DataError, match=r"Drops returns an array of shape \(399, 6\) for 400 rows\. Expected one"):
        check_preprocessing(Drops, *parts())
