"""LightningModules that wrap a policy, a classifier or a reward model."""
