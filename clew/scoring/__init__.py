"""Verdicts on answers; for now, finding the answer in what a model wrote."""

from clew.scoring.extract import boxed, extract_answer

__all__ = ["boxed", "extract_answer"]
