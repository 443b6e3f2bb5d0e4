"""Tools: Python, searching, reading and MCP servers as LangChain tools whose work is recorded in the journal."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .library import read_page_tool as read_page_tool
    from .library import search_tool as search_tool
    from .mcp_servers import McpServer as McpServer
    from .mcp_servers import mcp_tools as mcp_tools
    from .programs import python_tool as python_tool
    from .recording import journaled as journaled

_HOMES = {
    "McpServer": "mcp_servers",
    "journaled": "recording",
    "mcp_tools": "mcp_servers",
    "python_tool": "programs",
    "read_page_tool": "library",
    "search_tool": "library",
}

__all__ = sorted(_HOMES)


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from importlib import import_module

    return getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)
