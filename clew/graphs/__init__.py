"""The methods, one module each, as LangGraph graphs of one shape: `{"task": ...}` in, `{"answer": ...}` out."""

from clew.graphs.base import Graph, Steps
from clew.graphs.closed_book import closed_book
from clew.graphs.corag import corag
from clew.graphs.cot import cot
from clew.graphs.rag import rag
from clew.graphs.search_o1 import search_o1
from clew.graphs.start import start

__all__ = ["Graph", "Steps", "closed_book", "corag", "cot", "rag", "search_o1", "start"]
