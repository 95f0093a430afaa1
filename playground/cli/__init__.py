"""The command line: `app` holds what watches and questions an agent, `making` what makes one."""

from playground.cli.app import app, main

__all__ = ["app", "main"]
