"""Tests of whole runs: crashes, ranks, workers."""
