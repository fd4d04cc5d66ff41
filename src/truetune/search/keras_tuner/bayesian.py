"""KerasTuner's Bayesian oracle: a Gaussian process with a Matérn kernel and the lower confidence bound."""

from __future__ import annotations

import warnings
from typing import Any

import keras_tuner as kt
import numpy as np
import scipy.optimize
from numpy.typing import NDArray
from sklearn.exceptions import ConvergenceWarning
from threadpoolctl import threadpool_limits

from truetune.search.base import SearchProblem
from truetune.search.keras_tuner.embedding import Array, Embedding
from truetune.search.keras_tuner.oracle import SearchOracle, objective_of
from truetune.search.values import random_start
from truetune.seeds import derive_seed
from truetune.space import Value

CANDIDATES = 1000
REFINED = 5
NEIGHBOURS = 20
NEARLY_THE_SAME = 0.02
"""Of each range: closer than that in every coordinate, two trials would differ by chance only."""

KERNEL_TRIALS = 250
"""The length scale is learnt from at most so many trials: its likelihood costs the cube of their number."""


class BayesianOracle(SearchOracle, kt.oracles.BayesianOptimizationOracle):  # type: ignore[misc]
    """KerasTuner's model and acquisition function, with another way to the acquisition's optimum.

    KerasTuner starts L-BFGS at 50 random points, evaluates one point at a time, and takes the optimum even where it
    decodes to values that were tried: on conditional spaces 40 trials had 10 distinct configurations, because
    coordinates of inactive hyperparameters move the point and not the model. Here random points and neighbours of the
    best trials are rounded to what they decode to, scored together, the best are refined by L-BFGS, and the best
    that is new is taken.
    """

    def __init__(self, problem: SearchProblem) -> None:
        super().__init__(
            objective=objective_of(problem),
            max_trials=problem.max_trials,
            # KerasTuner's default, three for each hyperparameter, would leave 30 trials no search at all.
            num_initial_points=random_start(problem.max_trials),
            seed=derive_seed(problem.seed, "bayesian"),
        )
        self.attach(problem)

    def populate_space(self, trial_id: str) -> dict[str, Any]:
        embedding = Embedding(self.space, self.dimensions)
        random_phase = len(self.completed()) < (self.num_initial_points or 1)
        if self.is_first() or random_phase or embedding.width == 0:
            return self._random_populate_space()  # type: ignore[no-any-return]
        # Small matrices: threads of the linear algebra cost more than they give.
        with threadpool_limits(limits=1):
            values = self._acquire(embedding)
        if values is None:
            return self._random_populate_space()  # type: ignore[no-any-return]
        return {"status": "RUNNING", "values": values}

    def _acquire(self, embedding: Embedding) -> dict[str, Value] | None:
        self._random_state = np.random.RandomState(self.seed_for("acquisition"))
        self._fit(embedding)
        decoded = [embedding.decode(point) for point in self._candidates(embedding)]
        points = np.array([embedding.encode(values) for values in decoded])
        scores = self._bound(points)
        for index in np.argsort(scores, kind="stable")[:REFINED]:
            values = embedding.decode(self._refine(points[index]))
            point = embedding.encode(values)
            decoded.append(values)
            points = np.vstack([points, point])
            scores = np.append(scores, self._bound(point[None]))
        order = np.argsort(scores, kind="stable")
        new = [index for index in order if not self._duplicate(decoded[index])]
        apart = self._apart(embedding, points)
        chosen = next((index for index in new if apart[index]), new[0] if new else None)
        return None if chosen is None else decoded[chosen]

    def _apart(self, embedding: Embedding, points: Array) -> NDArray[np.bool_]:
        """Which points differ from every trial by more than chance would, shape (n,)."""
        tried = np.array([embedding.encode(entry.values) for entry in self.entries.values()])
        nearest = np.full(len(points), np.inf)
        for point in tried:
            nearest = np.minimum(nearest, np.abs(points - point).max(axis=1))
        return nearest >= NEARLY_THE_SAME

    def _fit(self, embedding: Embedding) -> None:
        """Learn from the finished trials; running and failed ones count as the model's own pessimistic guess.

        Those that ran out of memory count as the worst score there is: bad enough to move away from, and finite.

        KerasTuner asks the model for that guess before it was ever fitted. It leaves failed trials out, so that their
        neighbourhood stays unknown and thereby attractive.
        """
        finished = self.completed()
        x = np.array([embedding.encode(entry.values) for entry in finished])
        y = np.array([float(entry.score or 0.0) for entry in finished])
        y = -y if self.problem.direction == "max" else y
        infeasible = [embedding.encode(entry.values) for entry in self.infeasible()]
        if infeasible:
            x, y = np.vstack([x, infeasible]), np.append(y, np.full(len(infeasible), y.max()))
        self.gpr = self._learn_kernel(x, y)
        guessed = [embedding.encode(entry.values) for entry in self.unscored()]
        if guessed:
            mean, deviation = self.gpr.predict(np.array(guessed), return_std=True)
            self._fit_known_kernel(np.vstack([x, guessed]), np.append(y, mean + deviation))

    def _learn_kernel(self, x: Array, y: Array) -> Any:
        self.gpr = self._make_gpr()
        self.gpr.random_state = self.seed_for("kernel")
        self.gpr.n_restarts_optimizer = 5 if len(y) <= 100 else 1
        chosen = np.sort(np.argsort(y, kind="stable")[:KERNEL_TRIALS])
        if len(y) > KERNEL_TRIALS:
            half = KERNEL_TRIALS // 2
            chosen = np.union1d(np.argsort(y, kind="stable")[:half], np.arange(len(y) - half, len(y)))
        with warnings.catch_warnings():
            # A length scale at its bound means flat or noisy scores, which is harmless.
            warnings.simplefilter("ignore", ConvergenceWarning)
            self.gpr.fit(x[chosen], y[chosen])
        if len(chosen) < len(y):
            self._fit_known_kernel(x, y)
        return self.gpr

    def _fit_known_kernel(self, x: Array, y: Array) -> None:
        self.gpr.kernel, self.gpr.optimizer = self.gpr.kernel_, None
        self.gpr.fit(x, y)

    def _candidates(self, embedding: Embedding) -> Array:
        """Points of the cube, shape (n, width): uniform ones, and the best trials with a few coordinates redrawn."""
        uniform = self._random_state.uniform(size=(CANDIDATES, embedding.width))
        sign = -1 if self.problem.direction == "max" else 1
        best = sorted(self.completed(), key=lambda entry: sign * float(entry.score or 0.0))[:REFINED]
        centres = np.repeat([embedding.encode(entry.values) for entry in best], NEIGHBOURS, axis=0)
        moved = self._random_state.uniform(size=centres.shape) < min(1.0, 3.0 / embedding.width)
        steps = self._random_state.normal(scale=0.2, size=centres.shape)
        return np.vstack([uniform, np.clip(centres + moved * steps, 0.0, 1.0)])

    def _bound(self, points: Array) -> Array:
        """KerasTuner's acquisition function, smaller is better; points: shape (n, width)."""
        mean, deviation = self.gpr.predict(points, return_std=True)
        bound: Array = mean - self.beta * deviation
        return bound

    def _refine(self, start: Array) -> Array:
        """L-BFGS from `start`, with all points of one finite-difference gradient predicted together."""
        step = 1e-5

        def bound_and_gradient(point: Array) -> tuple[float, Array]:
            steps = np.where(point + step <= 1.0, step, -step)
            bounds = self._bound(np.vstack([point, point + np.diag(steps)]))
            return float(bounds[0]), (bounds[1:] - bounds[0]) / steps

        result = scipy.optimize.minimize(
            bound_and_gradient,
            x0=start,
            jac=True,
            bounds=[(0.0, 1.0)] * len(start),
            method="L-BFGS-B",
            options={"maxiter": 30},
        )
        optimum: Array = np.clip(result.x, 0.0, 1.0)
        return optimum
