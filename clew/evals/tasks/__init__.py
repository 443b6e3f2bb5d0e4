"""Task sets: questions with gold answers from files, public datasets and generators."""

from clew.evals.tasks.items import Gold, Item, Link, TaskSet, read_items, write_items

__all__ = ["Gold", "Item", "Link", "TaskSet", "read_items", "write_items"]
