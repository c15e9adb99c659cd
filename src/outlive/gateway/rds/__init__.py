"""The dialect of the RDS Data API, for the clients that speak it. docs/rds.md tells it to users."""
