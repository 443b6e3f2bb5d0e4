"""From recorded runs to training data."""

from clew.training.chains import ChainRow, chain_rows, masked, write_rows
from clew.training.rejection import Sampled, rows_of, sample_chains
from clew.training.repair_rows import RepairRow, RepairRows, apart, repair_rows

__all__ = [
    "ChainRow", "RepairRow", "RepairRows", "Sampled", "apart", "chain_rows", "masked", "repair_rows", "rows_of",
    "sample_chains", "write_rows",
]  # fmt: skip
