"""The command line in three groups: `watch` an agent, `measure` it, `make` one. Each command imports what it needs."""

from playground.cli.app import app, main

__all__ = ["app", "main"]
