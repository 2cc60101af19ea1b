"""The same data in both channels, which makes a validation score worthless."""

from salvia_algorithms.files import DataFile
from salvia_container import log


def warn_of_duplicates(train: list[DataFile], validation: list[DataFile]) -> None:
    """Warns where both channels hold a file of the same name and size: the score would be that of known rows."""
    sizes = {file.name: (file, file.path.stat().st_size) for file in train}
    for file in validation:
        twin, size = sizes.get(file.name, (file, -1))
        if size == file.path.stat().st_size:
            log.warning(
                f"Suspected identical files found. ({twin.path} and {file.path} with same size {size} bytes). "
                "Note: Duplicate data in the training set and validation set is usually not intentional and can "
                "impair the validity of the model evaluation by the validation score."
            )
