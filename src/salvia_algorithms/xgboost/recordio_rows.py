"""recordio-protobuf files: features and label under the key "values"; sparse records stay sparse."""

from salvia_algorithms.files import DataFile
from salvia_algorithms.xgboost.rows import Rows
from salvia_container import recordio
from salvia_container.failure import UserError


def read(file: DataFile) -> Rows:
    """Rows of one file."""
    try:
        records = recordio.read(memoryview(file.buffer()))
    except recordio.Malformed as error:
        raise UserError(f"Failed to load recordio-protobuf data with exception:\n{file.name}: {error}") from error
    if records.label is None:
        raise UserError(
            "Got input data without labels. Please check the input data set. "
            f"The records of {file.name} have no label under the key 'values'."
        )
    return Rows(records.features, records.label)
