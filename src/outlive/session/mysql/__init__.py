"""MySQL and MariaDB sessions."""

from .analysis import Analysis, Assignment, Hold, Kill, Substitution, Trivial
from .lexer import Analyser, Lexer, analyse

__all__ = ["Analyser", "Analysis", "Assignment", "Hold", "Kill", "Lexer", "Substitution", "Trivial", "analyse"]
