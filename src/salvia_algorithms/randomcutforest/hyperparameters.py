"""The hyperparameters and channels of Random Cut Forest."""

from salvia_algorithms.first_party.channels import REPLICATED, SHARDED, Accepted
from salvia_algorithms.first_party.hyperparameters import Hyperparameter, table
from salvia_algorithms.interval import Interval

ACCURACY, PRECISION_RECALL = "accuracy", "precision_recall_fscore"

TABLE = table(
    Hyperparameter("feature_dim", "integer", Interval(1, 10000), required=True),
    Hyperparameter("num_trees", "integer", Interval(50, 1000), "100", tuned=Interval(50, 1000)),
    Hyperparameter("num_samples_per_tree", "integer", Interval(1, 2048), "256", tuned=Interval(1, 2048)),
    Hyperparameter("eval_metrics", "list", (ACCURACY, PRECISION_RECALL), '["accuracy", "precision_recall_fscore"]'),
    Hyperparameter("mini_batch_size", "integer", Interval(1), "1000"),
    Hyperparameter("epochs", "integer", Interval(1), "1", idle="one pass draws the sample"),
    Hyperparameter("force_dense", "flag", default="true", idle="sparse rows become dense a mini-batch at a time"),
    Hyperparameter("_ftp_port", "integer", Interval(1, 65535), "8999", idle="hosts do not exchange files"),
)
CHANNELS = (Accepted("train", required=True, distributions=(SHARDED,)), Accepted("test", distributions=(REPLICATED,)))
