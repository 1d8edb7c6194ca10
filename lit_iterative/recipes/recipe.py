"""Recipes by their names; nothing here imports torch."""

from dataclasses import dataclass
from difflib import get_close_matches
from functools import cached_property
from pathlib import Path

from lit_iterative.errors import SetupError
from lit_iterative.recipes.header import Header, read_base, read_header

#: Where the recipes are, in an installed package too.
FOLDER = Path(__file__).parents[1] / "configs"
BASE = "base"


@dataclass(frozen=True)
class Recipe:
    """A recipe.

    Args:
        path: Its file.
    """

    path: Path

    @property
    def name(self) -> str:
        """Its name: that of the file."""
        return self.path.stem

    @property
    def family(self) -> str:
        """Its folder."""
        return self.path.parent.name

    @cached_property
    def text(self) -> str:
        """The file."""
        return self.path.read_text(encoding="utf-8")

    @cached_property
    def header(self) -> Header:
        """What it says of itself."""
        return read_header(self.text, str(self.path))

    @property
    def configs(self) -> list[Path]:
        """The files to give to ``fit``, in order: its base where it has one, then itself.

        Raises:
            SetupError: If there is no such base.
        """
        name = read_base(self.text, str(self.path))
        if name is None:
            return [self.path]
        base = FOLDER / BASE / f"{name}.yaml"
        if not base.is_file():
            known = ", ".join(sorted(path.stem for path in base.parent.glob("*.yaml")))
            raise SetupError(f"{self.path} has the base {name!r}, which there is not. Name one of {known}.")
        return [base, self.path]

    @property
    def arguments(self) -> list[str]:
        """What stands behind ``lit-iterative`` to run it."""
        return ["fit", *(part for path in self.configs for part in ("--config", str(path)))]


def recipes() -> list[Recipe]:
    """Return all recipes, by family and name."""
    return [Recipe(path) for path in sorted(FOLDER.rglob("*.yaml")) if path.parent.name != BASE]


def find_recipe(name: str) -> Recipe:
    """Return a recipe by its name, by family and name, or a file of your own by its path.

    Raises:
        SetupError: If there is no such recipe.

    Example:
        >>> find_recipe("flexmatch").family
        'pseudo_label'
        >>> find_recipe("flexmach")
        Traceback (most recent call last):
        ...
        lit_iterative.errors.SetupError: There is no recipe 'flexmach'. Near it are flexmatch...
    """
    if name.endswith(".yaml") and Path(name).is_file():
        return Recipe(Path(name))
    known = {recipe.name: recipe for recipe in recipes()}
    wanted = name.removesuffix(".yaml").rsplit("/", 1)
    found = known.get(wanted[-1])
    if found is None or wanted[:-1] not in ([], [found.family]):
        near = get_close_matches(wanted[-1], known)
        hint = f" Near it are {', '.join(near)}." if near else ""
        raise SetupError(f"There is no recipe {name!r}.{hint} 'lit-iterative recipes list' names all.")
    return found
