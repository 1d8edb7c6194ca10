"""Ops for language policies."""
