"""The MySQL client/server protocol, as MySQL 5.7 to 9 and MariaDB speak it."""
