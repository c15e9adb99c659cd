"""PostgreSQL's drivers and programs as they come, direct and through Outlive."""
