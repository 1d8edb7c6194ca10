"""DataModules whose data is swapped between rounds."""

from lit_iterative.datamodules.mixing import Mixing
from lit_iterative.datamodules.refreshable import Refreshable

__all__ = ["Mixing", "Refreshable"]
