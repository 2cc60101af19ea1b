"""The hyperparameters and channels of K-Means."""

from salvia_algorithms.first_party.channels import REPLICATED, Accepted
from salvia_algorithms.first_party.hyperparameters import Hyperparameter, table
from salvia_algorithms.interval import Interval
from salvia_algorithms.kmeans.seeding import PLUS_PLUS, RANDOM

EXTRA_CENTERS = 10  # what "auto" evaluates to
TRIALS = 10
METHODS = (RANDOM, PLUS_PLUS)
MSD, SSD = "msd", "ssd"

_POSITIVE = Interval(1)

TABLE = table(
    Hyperparameter("feature_dim", "integer", _POSITIVE, required=True),
    Hyperparameter("k", "integer", _POSITIVE, required=True),
    Hyperparameter("epochs", "integer", _POSITIVE, "1", tuned=Interval(1, 10)),
    Hyperparameter("eval_metrics", "list", (MSD, SSD), '["msd"]'),
    Hyperparameter("extra_center_factor", "integer", _POSITIVE, "auto", auto=True, tuned=Interval(4, 10)),
    Hyperparameter("half_life_time_size", "integer", Interval(0), "0"),
    Hyperparameter("init_method", "choice", METHODS, RANDOM, tuned=METHODS),
    Hyperparameter("local_lloyd_init_method", "choice", METHODS, PLUS_PLUS),
    Hyperparameter("local_lloyd_max_iter", "integer", _POSITIVE, "300"),
    Hyperparameter("local_lloyd_num_trials", "integer", _POSITIVE, "auto", auto=True),
    Hyperparameter("local_lloyd_tol", "number", Interval(0, 1), "0.0001"),
    Hyperparameter("mini_batch_size", "integer", _POSITIVE, "5000", tuned=Interval(3000, 15000)),
    Hyperparameter("force_dense", "flag", default="true", idle="sparse rows become dense a mini-batch at a time"),
    Hyperparameter("_num_slices", "integer", _POSITIVE, "1", idle="centers are not sliced"),
    Hyperparameter("_disable_wait_to_read", "flag", default="false", idle="nothing is computed lazily"),
)
# What a stream of records does not depend on, all of it or what it is by now.
LATER = ("epochs", "eval_metrics", *(name for name in TABLE if name.startswith("local_lloyd_")))
CHANNELS = (Accepted("train", required=True), Accepted("test", distributions=(REPLICATED,)))
