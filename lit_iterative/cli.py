"""IterativeCLI: LightningCLI for training in rounds."""

import os
import sys
from collections.abc import Sequence
from copy import copy
from hashlib import sha256
from typing import Any, Literal

import lightning.pytorch as pl
from lightning.pytorch.callbacks import ProgressBar, TQDMProgressBar
from lightning.pytorch.cli import LightningArgumentParser, LightningCLI, SaveConfigCallback
from lightning.pytorch.loggers import TensorBoardLogger
from lightning.pytorch.utilities import rank_zero_info

# Imported so that YAML may name their classes without the module.
import lit_iterative.callbacks
import lit_iterative.datamodules
import lit_iterative.guards
import lit_iterative.modules
import lit_iterative.ops
import lit_iterative.ops.language
import lit_iterative.rounds.adapters  # noqa: F401
from lit_iterative import __version__, control
from lit_iterative.callbacks.lines import LogLines, RoundLines, rounds_of
from lit_iterative.errors import LitIterativeError, SetupError
from lit_iterative.inspect.summary import DEFAULT_MONITOR, Outcome, summarise
from lit_iterative.rounds.store import Store

DESCRIPTION = (
    "Train in rounds: the model makes the data that it is trained on next. The commands fit, validate, test and "
    "predict take a YAML file (--config) and any of its keys as options. The same fit command goes on where a run "
    "was stopped. 'lit-iterative rounds --help' tells how to look into the rounds of a run, to prune them and to go "
    "back; 'lit-iterative report DIR' writes a page about it."
)
CONTROL = "control.json"


class SaveConfig(SaveConfigCallback):
    """Saves the whole configuration beside the logs, but never over a file that the run was given."""

    def setup(self, trainer: pl.Trainer, pl_module: pl.LightningModule, stage: str) -> None:
        """Save it before the first stage."""
        path = os.path.abspath(os.path.join(trainer.log_dir or ".", self.config_filename))
        if path not in {os.path.abspath(str(given)) for given in self.config.get("config") or []}:
            super().setup(trainer, pl_module, stage)


class IterativeCLI(LightningCLI):
    """LightningCLI that tells of rounds while they are made, and closes with a table of them.

    Args:
        args: Arguments of the command line; those of the process when left out.
    """

    def __init__(self, args: Sequence[str] | None = None) -> None:
        self._refused: LitIterativeError | None = None
        self._control_of: tuple[pl.Trainer, control.Budget] | None = None
        super().__init__(
            save_config_callback=SaveConfig,
            save_config_kwargs={"overwrite": True},  # the same command goes on in the same folder
            seed_everything_default=0,
            parser_kwargs={"prog": "lit-iterative", "description": DESCRIPTION, "version": __version__},
            args=None if args is None else list(args),
        )

    def parse_arguments(self, parser: LightningArgumentParser, args: Any) -> None:
        """Parse the arguments that were given, whatever those of the process are."""
        self.config = parser.parse_args(args)

    def add_arguments_to_parser(self, parser: LightningArgumentParser) -> None:
        """Add what the closing table needs."""
        parser.add_argument(
            "--control",
            type=Literal["no_rounds"] | None,
            help="After fit, train the same model for as many steps without rounds; show both in the closing table.",
        )
        parser.add_argument(
            "--monitor",
            type=str,
            default=DEFAULT_MONITOR,
            help="The held-out metric shown for every round, and first in the closing table.",
        )

    @property
    def _given(self) -> Any:
        """The options of the subcommand, instantiated."""
        return self.config_init[self.subcommand]

    def instantiate_trainer(self, **kwargs: Any) -> pl.Trainer:
        """Make the trainer, with a progress bar that suits where the output goes."""
        callbacks = _as_list(self._given.trainer.callbacks)
        if self._control_of is not None:
            run, budget = self._control_of
            kwargs = control.trainer_options(callbacks, run, budget)
            callbacks = kwargs["callbacks"]
        callbacks = [*callbacks, RoundLines(self._given.monitor)]
        if self._given.trainer.enable_progress_bar is not False and not _has_bar(callbacks):
            callbacks.append(TQDMProgressBar() if sys.stdout.isatty() else LogLines())
        trainer: pl.Trainer = super().instantiate_trainer(**{**kwargs, "callbacks": callbacks})
        return trainer

    def before_instantiate_classes(self) -> None:
        """Watch what is made, so that an error of ours is not lost."""
        self.parser.add_instantiator(self._watched, object)

    def _watched(self, kind: type, *args: Any, **kwargs: Any) -> Any:
        try:
            return kind(*args, **kwargs)
        except LitIterativeError as error:
            self._refused = error
            raise

    def instantiate_classes(self) -> None:
        """Make what the configuration names.

        The parser tries every type that an option may have, and tells of all failures in one long message; where
        one of our classes has refused its arguments, that alone is raised.
        """
        try:
            super().instantiate_classes()
        except ValueError as error:
            refused = self._refused or _own_cause(error)
            if refused is None:
                raise
            raise refused from None

    # ---- around fit -----------------------------------------------------------------------------------

    def before_fit(self) -> None:
        """Refuse a control of nothing.

        Raises:
            SetupError: If there are no rounds to leave out.
        """
        if self._given.control is not None and rounds_of(self.trainer) is None:
            raise SetupError(
                f"control: {self._given.control} compares with a run without rounds, but this one has none. Add a "
                "callback that makes rounds, such as PseudoLabels, to trainer.callbacks, or leave control out."
            )

    def after_fit(self) -> None:
        """Print the closing table."""
        rounds = rounds_of(self.trainer)
        if rounds is None or not self.trainer.state.finished:
            return
        outcomes = self._compared(rounds.store) if self._given.control is not None else []
        if self.trainer.is_global_zero:
            print(
                f"\n{summarise(rounds.store, self._given.monitor, outcomes)}\n\n{self._where(rounds.store)}", flush=True
            )

    def _where(self, store: Store) -> str:
        """Say what the run has left, and how to look into it."""
        lines = [f"Rounds: {store.url} (lit-iterative rounds list {store.url})"]
        folders = [logger.save_dir for logger in self.trainer.loggers if isinstance(logger, TensorBoardLogger)]
        lines.append(f"A page about it: lit-iterative report {store.url}")
        lines += [f"Curves and figures: tensorboard --logdir {folder}" for folder in folders]
        return "\n".join(lines)

    def _compared(self, store: Store) -> list[Outcome]:
        """Return how the run ended, and how its control did."""
        budget = control.budget_of(self.trainer)
        known = self._known_control(store, budget)
        mine = control.held_out(self.trainer, self.model, self.datamodule)
        if known is None:
            known = self._run_control(budget)
            if self.trainer.is_global_zero:
                store.files.write_json(CONTROL, {"key": self._control_key(budget), "metrics": known})
        return [Outcome("with rounds", budget.steps, mine), Outcome("without rounds", budget.steps, known)]

    def _control_key(self, budget: control.Budget) -> str:
        """Return a hash of what decides how the control ends."""
        config = self.parser.dump(self.config, skip_none=False)
        return sha256(f"{config}{budget}".encode()).hexdigest()

    def _known_control(self, store: Store, budget: control.Budget) -> dict[str, float] | None:
        """Return the end of a control that was run before."""
        found = store.files.read_json(CONTROL) if store.files.exists(CONTROL) else None
        if found is None or found["key"] != self._control_key(budget):
            return None
        metrics: dict[str, float] = found["metrics"]
        return metrics

    def _run_control(self, budget: control.Budget) -> dict[str, float]:
        """Train the control, made anew from the same seed and configuration."""
        rank_zero_info(f"Control: the same model without rounds, {budget.steps} steps")
        seed = self.config[self.subcommand].seed_everything
        if seed is not False:
            pl.seed_everything(seed, workers=True, verbose=False)
        twin = copy(self)
        twin.save_config_callback = None
        twin._control_of = (self.trainer, budget)
        twin.instantiate_classes()
        control.match_epochs(twin.datamodule, budget)
        twin.trainer.fit(twin.model, datamodule=twin.datamodule)
        return control.held_out(twin.trainer, twin.model, twin.datamodule)


def _own_cause(error: BaseException | None) -> LitIterativeError | None:
    while error is not None and not isinstance(error, LitIterativeError):
        error = error.__cause__
    return error


def _as_list(callbacks: Any) -> list[pl.Callback]:
    return list(callbacks) if isinstance(callbacks, list) else [] if callbacks is None else [callbacks]


def _has_bar(callbacks: Sequence[pl.Callback]) -> bool:
    return any(isinstance(callback, ProgressBar) for callback in callbacks)
