"""What a principal may say: its rules on content, judged on the statement as the server reads it (docs/rules.md)."""
