"""Methods and strategies, one module each: LangGraph graphs of one shape, `{"task": ...}` in, `{"answer": ...}` out."""

from clew.graphs.agentless.graph import agentless
from clew.graphs.base import Graph, Steps
from clew.graphs.closed_book import closed_book
from clew.graphs.corag import corag
from clew.graphs.cot import cot
from clew.graphs.rag import rag
from clew.graphs.react import react
from clew.graphs.search_o1 import search_o1
from clew.graphs.start import start
from clew.graphs.strategies import best_of, mixture_of_agents, reflexion, remembering, self_refine, sets, vote

__all__ = [
    "Graph", "Steps", "agentless", "best_of", "closed_book", "corag", "cot", "mixture_of_agents", "rag", "react",
    "reflexion", "remembering", "search_o1", "self_refine", "sets", "start", "vote",
]  # fmt: skip
