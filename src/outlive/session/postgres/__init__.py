"""PostgreSQL sessions."""

from .analysis import Analysis, Assignment, Part, Substitution
from .lexer import Analyser, Lexer, analyse

__all__ = ["Analyser", "Analysis", "Assignment", "Lexer", "Part", "Substitution", "analyse"]
