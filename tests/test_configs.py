"""Every YAML in configs/ is a recipe or a base, wherever it is read from; tests/recipes runs them."""

from pathlib import Path

import pytest

from lit_iterative.recipes import FOLDER, Recipe, recipes

LINK = Path(__file__).parents[1] / "configs"
RECIPES = recipes()


def test_the_folder_at_the_front_door_is_that_of_the_package() -> None:
    assert LINK.resolve() == FOLDER.resolve()


def test_names_are_unique() -> None:
    assert len({recipe.name for recipe in RECIPES}) == len(RECIPES)


@pytest.mark.parametrize("recipe", RECIPES, ids=lambda recipe: recipe.name)
def test_recipe_says_what_follows_the_source_and_what_does_not(recipe: Recipe) -> None:
    assert recipe.header.follows
    assert recipe.header.choice
    assert all(path.is_file() for path in recipe.configs)
