"""DataModules whose data is swapped between rounds."""

from lit_iterative.datamodules.digits import Digits, DigitsData
from lit_iterative.datamodules.domains import OtherLight
from lit_iterative.datamodules.jitter import Jitter
from lit_iterative.datamodules.mixing import Mixing
from lit_iterative.datamodules.prompts import PromptData
from lit_iterative.datamodules.refreshable import Refreshable
from lit_iterative.datamodules.sums import SumsData

__all__ = ["Digits", "DigitsData", "Jitter", "Mixing", "OtherLight", "PromptData", "Refreshable", "SumsData"]
