"""Staged repair after "Agentless: Demystifying LLM-based Software Engineering Agents" (Xia et al. 2024)."""
