"""The methods, one module each, as LangGraph graphs of one shape: `{"task": ...}` in, `{"answer": ...}` out."""

from clew.graphs.base import Graph, Steps
from clew.graphs.cot import cot
from clew.graphs.search_o1 import search_o1

__all__ = ["Graph", "Steps", "cot", "search_o1"]
