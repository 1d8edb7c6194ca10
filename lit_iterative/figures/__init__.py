"""Figures, drawn with matplotlib, which the extra ``plots`` installs."""
