"""Causal language models of Hugging Face in this process: `local/<folder>` behind LiteLLM.

    provider    LiteLLM's face: requests in, OpenAI responses and chunks out
    loading     a folder becomes a model and a tokenizer, once per process
    prompts     chat template, tool calls, token ids
    batching    the thread that writes for all requests at once, and the queue before it
    batch       rows that share key and value caches
    rows        one text that is being written
    sampling    the next token of each row, by its own seed
    scoring     log probabilities of given text

Only `provider` is reached from outside, when a local model is first called: these modules import torch.
"""

import os

# Read when torch is loaded: its threads otherwise wait for each other at full speed, and on cores that other processes
# use as well a step of a small model takes a hundred times as long.
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
