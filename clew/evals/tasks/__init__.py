"""Task sets: questions with gold answers from files, public datasets and generators."""

from clew.evals.tasks.items import Gold, Item, Link, TaskSet, read_items, write_items
from clew.evals.tasks.sets import load, names, write_documents

__all__ = ["Gold", "Item", "Link", "TaskSet", "load", "names", "read_items", "write_documents", "write_items"]
