"""The networks: one module a model family, their cards, and the registry."""
