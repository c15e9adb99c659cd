"""PlanetScale's SQL over HTTP, as `@planetscale/database` speaks it, for MySQL and MariaDB."""
