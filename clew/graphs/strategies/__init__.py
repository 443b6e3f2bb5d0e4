"""The strategies, one module each: graphs of the standard shape around one inner graph, or several."""

from clew.graphs.strategies.best_of import best_of
from clew.graphs.strategies.mixture_of_agents import mixture_of_agents
from clew.graphs.strategies.reflexion import reflexion
from clew.graphs.strategies.remembering import remembering
from clew.graphs.strategies.self_refine import self_refine
from clew.graphs.strategies.sets import sets
from clew.graphs.strategies.vote import vote

__all__ = ["best_of", "mixture_of_agents", "reflexion", "remembering", "self_refine", "sets", "vote"]
