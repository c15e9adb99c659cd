\set first random(1, 99000)
SELECT aid, bid, abalance, repeat('x', 185) AS filler FROM pgbench_accounts WHERE aid BETWEEN :first AND :first + 999;
