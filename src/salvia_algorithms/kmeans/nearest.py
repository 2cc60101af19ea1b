"""Which centre is nearest to each row: one matrix product, in pieces that stay in the cache."""

import numpy as np
import numpy.typing as npt
import scipy.sparse as sp

Floats = npt.NDArray[np.float32]
Doubles = npt.NDArray[np.float64]
Places = npt.NDArray[np.intp]
Rows = Floats | sp.csr_matrix

PIECE_CELLS = 1 << 19  # of the products of rows and centres at a time: 2 MiB


class Nearest:
    """Answers for fixed `centers` (k, d). Everything is measured from their mean, so that far from 0 no digits are lost."""

    def __init__(self, centers: Floats) -> None:
        self.centers = np.ascontiguousarray(centers, np.float32)
        self._origin = self.centers.mean(axis=0)
        moved = self.centers - self._origin
        # x·c - |c|²/2 is largest where |x - c|² is smallest; the last column is multiplied with 1.
        self._products = np.ascontiguousarray(
            np.column_stack([moved, -0.5 * (moved * moved).sum(axis=1)]).T, np.float32
        )

    def places(self, rows: Floats) -> Places:
        """For each of these rows (n, d) the number of its nearest centre; of equally near ones the first."""
        found = np.empty(len(rows), np.intp)
        step = max(16, PIECE_CELLS // len(self.centers))
        piece = np.ones((min(step, len(rows)), rows.shape[1] + 1), np.float32)
        for start in range(0, len(rows), step):
            stop = min(start + step, len(rows))
            moved = piece[: stop - start]
            np.subtract(rows[start:stop], self._origin, out=moved[:, :-1])
            np.argmax(moved @ self._products, axis=1, out=found[start:stop])
        return found

    def distances(self, rows: Floats) -> tuple[Places, Floats]:
        """The nearest centres, and the squared distances to them."""
        found = self.places(rows)
        away = rows - self.centers[found]
        return found, np.einsum("ij,ij->i", away, away)


def sums(rows: Floats, found: Places, k: int) -> Floats:
    """The sum (k, d) of the rows of each centre."""
    one = np.ones(len(rows), np.float32)
    chosen = sp.csr_matrix((one, found, np.arange(len(rows) + 1)), shape=(len(rows), k))
    total: Floats = chosen.T @ rows
    return total
