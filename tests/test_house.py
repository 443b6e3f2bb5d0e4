"""The house: nothing imports upward, packages export what they promise, and importing Clew stays cheap."""

from __future__ import annotations

import ast
import importlib
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent / "clew"

FLOORS = {
    "clew.errors": 1,
    "clew.task": 1,
    "clew.config": 1,
    "clew.journal": 2,
    "clew.models": 3,
    "clew.retrieval": 3,
    "clew.sandbox": 3,
    "clew.scoring": 4,
    "clew.memory": 4,
    "clew.tools": 4,
    "clew.graphs": 5,
    "clew.testing": 5.5,
    "clew.agents": 6,
    "clew.evals": 6,
    "clew.training": 6,
    "clew.cli": 7,
}

PUBLIC = {
    "clew": "Answer Budget Cost Journal Model Note Recipe Task effect fork note replay resume run run_sync scope",
    "clew.journal": "Budget Cost Effect Event Hold Journal Recipe Replayed Run RunRow Segment Transcript current "
    "default_path effect export_jsonl fork import_jsonl note register_secret replay resume run run_sync scope",
    "clew.models": "Capabilities LogProb Messages Model Reply Retries StopScanner Timeouts ToolCall Transport Usage "
    "forget_probes to_transcript",
    "clew.retrieval": "ChunkSettings Corpus Embedder Hit IndexProgress IndexReport Page Ranking Searcher "
    "SentenceEmbedder Store StoreContents Window best_windows contents_of corpus_name excerpts forget_folder "
    "index_folders is_server near_duplicate normalise_query read search",
    "clew.testing": "Call Fault Faulty Features PRESETS RandomText Reply Request Rule ScriptedSearcher ScriptedServer "
    "Template Unexpected anthropic_like_prefill hidden_reasoning openai vllm",
    "clew.cli": "main",
    "clew.graphs": "Graph Steps agentless best_of closed_book corag cot mixture_of_agents rag react reflexion "
    "remembering search_o1 self_refine sets start vote",
    "clew.sandbox": "Box DEFAULT_IMAGE Engine Execution Host ImageMissing Interpreter Limits Protection Sandbox "
    "SandboxFailed Session build gc run run_command sandbox session",
    "clew.training": "ChainRow RepairRow RepairRows Sampled apart chain_rows masked repair_rows rows_of "
    "sample_chains write_rows",
    "clew.scoring": "Abstention Assertion Call Case CaseResult Choice Contains ExactMatch F1 GeneratedTests GoldPatch "
    "Mathematics ModelJudge Number PatchReward Pointwise Preference ProcessReward Rating RewardModel Sample "
    "Samples Scorer Selection SuiteReport UnitTests Verdict abstains best boxed by_equality by_key "
    "code_in contains exact_match extract_answer f1 fingerprint_of knows_gold normalise parse_number "
    "run_tests scorer_for vote",
    "clew.memory": "Attempt Demonstration Demonstrations Entry Episodes Insight Insights Lesson MemoryStore Origin "
    "Recalled attempts_in draw_insights evaluated family_of",
    "clew.tools": "McpServer journaled mcp_tools python_tool read_page_tool search_tool",
    "clew.evals": "Evaluation evaluate",
    "clew.evals.tasks": "Gold Item Link TaskSet load names read_items write_documents write_items",
}

HEAVY = (
    "torch",
    "transformers",
    "sentence_transformers",
    "litellm",
    "qdrant_client",
    "qdrant_edge",
    "docker",
    "langgraph",
    "langchain_core",
    "mcp",
    "sympy",
    "math_verify",
    "datasets",
    "matplotlib",
    "pypdf",
    "nbformat",
)


def modules() -> list[tuple[str, Path]]:
    found = []
    for path in sorted(ROOT.rglob("*.py")):
        parts = path.relative_to(ROOT.parent).with_suffix("").parts
        found.append((".".join(parts[:-1] if parts[-1] == "__init__" else parts), path))
    return found


def floor_of(module: str) -> float | None:
    """The floor of a module of Clew; None for the package itself and for other distributions."""
    parts = module.split(".")
    return FLOORS.get(".".join(parts[:2])) if parts[0] == "clew" else None


def imports(name: str, path: Path) -> set[str]:
    found: set[str] = set()
    package = name if path.name == "__init__.py" else name.rpartition(".")[0]
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            base = node.module or ""
            if node.level:
                stem = package.rsplit(".", node.level - 1)[0] if node.level > 1 else package
                base = f"{stem}.{base}".rstrip(".")
            found |= {base} | ({f"clew.{alias.name}" for alias in node.names} if base == "clew" else set())
    return found


def test_every_module_stands_on_a_floor() -> None:
    assert [name for name, _ in modules() if name != "clew" and floor_of(name) is None] == []


def test_nothing_imports_upward() -> None:
    upward = [
        f"{name} imports {other}"
        for name, path in modules()
        for other in imports(name, path)
        if (mine := floor_of(name)) is not None and (its := floor_of(other)) is not None and its > mine
    ]
    assert upward == []


@pytest.mark.parametrize("package", PUBLIC)
def test_public_names(package: str) -> None:
    module = importlib.import_module(package)
    assert sorted(module.__all__) == sorted(PUBLIC[package].split())
    assert all(getattr(module, name) is not None for name in module.__all__)


@pytest.mark.parametrize(
    "statement",
    [
        "import clew",
        "import clew.cli",
        "import clew.models, clew.retrieval, clew.journal, clew.testing",
        "import clew.scoring, clew.evals.tasks, clew.evals",
        "import clew.memory, clew.tools, clew.sandbox",
    ],
)
def test_importing_loads_nothing_heavy(statement: str) -> None:
    code = f"{statement}\nimport sys\nprint(sorted(set(sys.modules) & set({HEAVY!r})))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_modules_stay_small() -> None:
    long = {name: n for name, path in modules() if (n := len(path.read_text().splitlines())) > 420}
    assert long == {}
