"""Options that several commands share."""

from __future__ import annotations

from typing import Annotated

import typer

Run = Annotated[str, typer.Argument(metavar="RUN", help="Id of the run, or the beginning of it.", show_default=False)]
Json = Annotated[bool, typer.Option("--json", help="One JSON object per line; fields in docs/cli.md.")]
Journal = Annotated[
    str | None, typer.Option("--journal", metavar="FILE", help="Journal file [.clew/journal.db].", show_default=False)
]
Store = Annotated[
    str | None,
    typer.Option(
        "--store",
        metavar="PLACE",
        help="Folder of the index [.clew/store], or URL of a collection.",
        show_default=False,
    ),
]
Embedder = Annotated[
    str | None,
    typer.Option(
        "--embedder", metavar="NAME", help="offline, a folder, or a sentence-transformers name.", show_default=False
    ),
]
Rerank = Annotated[
    str | None,
    typer.Option(
        "--rerank", metavar="NAME", help="Cross-encoder: a folder or a sentence-transformers name.", show_default=False
    ),
]
Model = Annotated[
    str | None, typer.Option("--model", metavar="NAME", help="LiteLLM name, as provider/model.", show_default=False)
]
ApiBase = Annotated[
    str | None,
    typer.Option("--api-base", metavar="URL", help="Address of an OpenAI-compatible server.", show_default=False),
]
ReaderModel = Annotated[
    str | None,
    typer.Option("--reader-model", metavar="NAME", help="Another model to read pages.", show_default=False),
]
MaxSearches = Annotated[
    int | None, typer.Option("--max-searches", metavar="N", help="Searches at most.", show_default=False)
]
Temperature = Annotated[
    float | None, typer.Option("--temperature", metavar="T", help="Sampling temperature.", show_default=False)
]
MaxTokens = Annotated[
    int | None, typer.Option("--max-tokens", metavar="N", help="Tokens of one model call.", show_default=False)
]
Timeout = Annotated[
    float | None,
    typer.Option("--timeout", metavar="S", help="Seconds that the server may be silent.", show_default=False),
]
BudgetUsd = Annotated[
    float | None, typer.Option("--budget-usd", metavar="USD", help="Stop before this is spent.", show_default=False)
]
BudgetTokens = Annotated[
    int | None,
    typer.Option("--budget-tokens", metavar="N", help="Limit of prompt plus completion tokens.", show_default=False),
]
BudgetSeconds = Annotated[
    float | None, typer.Option("--budget-seconds", metavar="S", help="Limit of active seconds.", show_default=False)
]
Sandbox = Annotated[
    str | None,
    typer.Option("--sandbox", metavar="KIND", help="Where programs run: docker, process or auto.", show_default=False),
]
Image = Annotated[
    str | None, typer.Option("--image", metavar="NAME", help="Docker image with python3.", show_default=False)
]
