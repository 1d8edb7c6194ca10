"""Recipes: the YAML files in ``configs``, each of which follows a published system, and what their headers say."""

from lit_iterative.recipes.header import Header, read_header
from lit_iterative.recipes.recipe import FOLDER, Recipe, find_recipe, recipes

__all__ = ["FOLDER", "Header", "Recipe", "find_recipe", "read_header", "recipes"]
