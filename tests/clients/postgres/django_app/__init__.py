"""An application of Django's, and a script that uses it as requests do."""
