"""Playground: watch what a generalist agent does when its goal prompt changes."""

__version__ = "0.1.0"
