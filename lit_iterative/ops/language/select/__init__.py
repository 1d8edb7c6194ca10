"""Selecting: which candidates go on."""
