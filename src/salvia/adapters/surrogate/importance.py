"""How much each coordinate matters: the share of the model's variance that it explains by itself, over the unit cube.

Source: the first-order indices of Sobol', "Sensitivity estimates for nonlinear mathematical models" (1993), of the posterior
mean; as in Hutter, Hoos and Leyton-Brown, "An Efficient Approach for Assessing Hyperparameter Importance" (2014).
"""

import numpy as np
from scipy.stats import qmc

from salvia.adapters.surrogate.cube import Cube
from salvia.adapters.surrogate.gaussian import fit
from salvia.adapters.surrogate.proposal import recent_and_best, standardised
from salvia.ports.surrogate import Observations

_SAMPLES, _LEVELS = 8, 12  # 2**_SAMPLES points of the other coordinates, at so many levels of one


def importance(known: Observations) -> list[float]:
    """From 0 to 1 for each coordinate; zeros when there are fewer values than coordinates and two, or they are all the same."""
    cube = Cube(known.dimensions)
    if len(known.values) < max(5, cube.size + 2) or min(known.values) == max(known.values):
        return [0.0] * cube.size
    points, values = recent_and_best(np.array(known.points), np.array(known.values))
    random = np.random.default_rng([known.seed, len(values)])
    model = fit(cube.features(points), standardised(values), cube.groups, random, restarts=1)
    base = qmc.Sobol(cube.size, rng=random).random_base2(_SAMPLES)
    whole = float(model.predict(cube.features(base))[0][:, 0].var())
    if whole <= 0:
        return [0.0] * cube.size
    shares = []
    for index in range(cube.size):
        count = int(cube.categories[index]) or _LEVELS
        means = []
        for level in range(count):
            fixed = base.copy()
            fixed[:, index] = (level + 0.5) / count
            means.append(float(model.predict(cube.features(fixed))[0][:, 0].mean()))
        shares.append(min(1.0, float(np.var(means)) / whole))
    return shares
