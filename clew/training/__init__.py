"""From recorded runs to training data."""

from clew.training.chains import ChainRow, chain_rows, masked, write_rows
from clew.training.rejection import Sampled, rows_of, sample_chains

__all__ = ["ChainRow", "Sampled", "chain_rows", "masked", "rows_of", "sample_chains", "write_rows"]
