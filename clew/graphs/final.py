"""What methods share about answers: the instruction per kind of task, and the fall-back to another graph."""

from __future__ import annotations

from langgraph.graph import END, START, StateGraph

from clew.graphs.base import Graph, MethodState
from clew.journal import note, scope
from clew.task import TaskKind

_BOX = "Put the final answer, and nothing else, inside \\boxed{}."

TASK_INSTRUCTIONS: dict[TaskKind, str] = {
    "qa": f"Answer the question in as few words as possible; answer every part of it. {_BOX}",
    "math": f"Solve the problem. {_BOX}",
    "choice": "Choose one of the options. Put its letter, and nothing else, inside \\boxed{}.",
    "code": "Write the program. Give the whole program in one block that begins with ```python and ends with ```.",
    "repair": "Say what has to be changed and why.",
}


def with_back_off(graph: Graph, other: Graph) -> Graph:
    """`graph`, and `other` for the tasks that it found no answer for (status `no_answer`, `malformed` or `partial`)."""

    async def method(state: MethodState) -> MethodState:
        with scope("method"):
            done = await graph.ainvoke({"task": state["task"]})
        return {"answer": done["answer"]}

    async def back_off(state: MethodState) -> MethodState:
        first = state["answer"]
        note("back_off", {"status": first["status"], "stop_reason": first["stop_reason"]})
        with scope("back_off"):
            done = await other.ainvoke({"task": state["task"]})
        return {"answer": {**done["answer"], "stop_reason": "back_off"}}

    def route(state: MethodState) -> str:
        answer = state["answer"]
        unanswered = not answer["text"] and answer["status"] in ("no_answer", "malformed", "partial")
        return "back_off" if unanswered else END

    builder = StateGraph(MethodState)
    builder.add_node("method", method)
    builder.add_node("back_off", back_off)
    builder.add_edge(START, "method")
    builder.add_conditional_edges("method", route, ["back_off", END])
    builder.add_edge("back_off", END)
    fingerprint = {**graph.fingerprint, "back_off": other.fingerprint}
    return Graph.of(builder.compile(name=graph.name), fingerprint=fingerprint, recipe=graph.recipe)
