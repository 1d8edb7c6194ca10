"""Engines that run a policy inside fit: forward passes and, later, samplers."""
