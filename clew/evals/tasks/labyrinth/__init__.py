"""Labyrinth: worlds that no model has seen, as documents, with questions of one to five hops and their gold."""

from clew.evals.tasks.labyrinth.asking import questions
from clew.evals.tasks.labyrinth.entities import Entity, Fact, World
from clew.evals.tasks.labyrinth.folder import Report, best_constant, make
from clew.evals.tasks.labyrinth.making import world

__all__ = ["Entity", "Fact", "Report", "World", "best_constant", "make", "questions", "world"]
