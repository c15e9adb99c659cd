"""Redis over HTTP, as `@upstash/redis` and `upstash-redis` speak it: Upstash's REST API."""
