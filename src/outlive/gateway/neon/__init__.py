"""Neon's SQL over HTTP, and PostgreSQL's own protocol over a WebSocket: what `@neondatabase/serverless` speaks."""
