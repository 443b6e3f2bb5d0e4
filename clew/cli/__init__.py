"""The commands: arguments in, words out."""

from clew.cli.app import main

__all__ = ["main"]
