"""Names that matter to the session, upper case."""

from __future__ import annotations

from typing import Final

#: Functions that read or change session state. Native functions win over stored ones of the same name, quoted or not.
SESSION_FUNCTIONS: Final = frozenset(
    b"LAST_INSERT_ID ROW_COUNT FOUND_ROWS CONNECTION_ID GET_LOCK RELEASE_LOCK RELEASE_ALL_LOCKS NEXTVAL"
    b" LASTVAL SETVAL CURRVAL".split()
)
#: The answer carries a server's own connection id, which must then be compared with the server's own CONNECTION_ID().
SERVER_IDS: Final = frozenset(
    b"IS_USED_LOCK PS_THREAD_ID PS_CURRENT_THREAD_ID PROCESSLIST INNODB_TRX INNODB_LOCKS INNODB_LOCK_WAITS"
    b" DATA_LOCKS METADATA_LOCKS METADATA_LOCK_INFO PERFORMANCE_SCHEMA".split()
)
#: Tables that show session variables.
VARIABLE_TABLES: Final = frozenset(b"SESSION_VARIABLES VARIABLES_BY_THREAD SYSTEM_VARIABLES".split())
#: Words that may not hide in a word with other bytes: a byte above 0x7F is white space in some character sets.
KEYWORDS: Final = SESSION_FUNCTIONS | frozenset(
    b"INTO TEMPORARY SQL_CALC_FOUND_ROWS NEXT PREVIOUS VALUE FOR LOCAL SELECT RENAME IMMEDIATE".split()
)
SCOPES: Final = frozenset(b"GLOBAL SESSION LOCAL PERSIST PERSIST_ONLY".split())
#: Session variables the proxy keeps itself. Those that begin with ``session_track_`` as well.
VIRTUAL_VARIABLES: Final = frozenset([b"wait_timeout"])
#: Statements that change no session beyond what a server's session tracking and status flags report.
PLAIN_VERBS: Final = frozenset(
    b"SELECT INSERT UPDATE DELETE REPLACE CREATE ALTER DROP TRUNCATE RENAME GRANT REVOKE COMMIT ROLLBACK"
    b" SAVEPOINT RELEASE START BEGIN ANALYZE OPTIMIZE CHECK CHECKSUM REPAIR FLUSH LOAD IMPORT INSTALL UNINSTALL"
    b" PURGE RESET CHANGE STOP CACHE SHUTDOWN RESTART CLONE DO CALL HANDLER XA LOCK UNLOCK PREPARE EXECUTE"
    b" DEALLOCATE USE SET SHOW DESC DESCRIBE EXPLAIN HELP TABLE VALUES WITH KILL SIGNAL RESIGNAL GET BACKUP END".split()
)
READ_VERBS: Final = frozenset(b"SELECT SHOW DESC DESCRIBE EXPLAIN HELP TABLE VALUES WITH".split())
#: Variables whose session value makes the connection one client's own, with the reason of the hold.
HOLDING_VARIABLES: Final = {
    name: reason
    for reason, names in {
        "binlog": b"sql_log_bin sql_log_off binlog_format binlog_row_image binlog_direct_non_transactional_updates"
        b" skip_replication gtid_domain_id gtid_seq_no server_id pseudo_slave_mode pseudo_replica_mode gtid_next"
        b" gtid_next_list original_commit_timestamp original_server_version immediate_server_version",
        "insert_id": b"insert_id timestamp rand_seed1 rand_seed2 pseudo_thread_id",
        "unsure": b"sql_auto_is_null profiling",
    }.items()
    for name in names.split()
}
#: The values of those that are what a new connection has. DEFAULT always is.
HARMLESS_VALUES: Final = {b"sql_log_bin": (b"1", b"ON", b"TRUE")} | dict.fromkeys(
    (b"sql_auto_is_null", b"profiling", b"sql_log_off", b"skip_replication"), (b"0", b"OFF", b"FALSE")
)
NEXT_TRANSACTION: Final = frozenset(b"transaction_isolation tx_isolation transaction_read_only tx_read_only".split())
#: Functions that a killed SELECT may call without loss, and the words that stand before a parenthesis.
HARMLESS_CALLS: Final = frozenset(
    b"COUNT SUM MIN MAX AVG STD STDDEV STDDEV_POP STDDEV_SAMP VAR_POP VAR_SAMP VARIANCE GROUP_CONCAT BIT_AND"
    b" BIT_OR BIT_XOR JSON_ARRAYAGG JSON_OBJECTAGG JSON_EXTRACT JSON_UNQUOTE JSON_OBJECT JSON_ARRAY"
    b" JSON_CONTAINS JSON_VALUE JSON_LENGTH JSON_VALID JSON_KEYS JSON_SEARCH JSON_TYPE JSON_SET JSON_TABLE"
    b" ROW_NUMBER RANK DENSE_RANK LAG LEAD NTILE FIRST_VALUE LAST_VALUE NTH_VALUE IN AND OR NOT XOR EXISTS ANY"
    b" ALL SOME FROM JOIN ON USING WHERE HAVING BY SELECT DISTINCT AS OVER VALUES LIKE BETWEEN WHEN THEN ELSE"
    b" CASE UNION EXCEPT INTERSECT LATERAL INTERVAL INDEX KEY FOR AGAINST MATCH PARTITION WITH RECURSIVE LIMIT"
    b" OFFSET IS DIV MOD REGEXP RLIKE IF IFNULL NULLIF COALESCE ISNULL GREATEST LEAST CONCAT CONCAT_WS LOWER"
    b" UPPER LCASE UCASE LENGTH CHAR_LENGTH CHARACTER_LENGTH SUBSTR SUBSTRING SUBSTRING_INDEX MID LEFT RIGHT"
    b" LPAD RPAD TRIM LTRIM RTRIM REPLACE REVERSE REPEAT SPACE LOCATE POSITION INSTR FIELD FIND_IN_SET FORMAT"
    b" HEX UNHEX ASCII ORD CHAR BIN OCT CONV STRCMP ELT MAKE_SET QUOTE SOUNDEX MD5 SHA SHA1 SHA2 CRC32 UUID"
    b" UUID_TO_BIN BIN_TO_UUID ABS CEIL CEILING FLOOR ROUND TRUNCATE SIGN SQRT POW POWER EXP LN LOG LOG2 LOG10"
    b" SIN COS TAN RAND PI NOW CURDATE CURTIME CURRENT_DATE CURRENT_TIME CURRENT_TIMESTAMP LOCALTIME"
    b" LOCALTIMESTAMP SYSDATE UTC_DATE UTC_TIME UTC_TIMESTAMP UNIX_TIMESTAMP FROM_UNIXTIME DATE TIME YEAR"
    b" QUARTER MONTH MONTHNAME DAY DAYNAME DAYOFMONTH DAYOFWEEK DAYOFYEAR WEEK WEEKDAY HOUR MINUTE SECOND"
    b" MICROSECOND EXTRACT DATE_ADD DATE_SUB ADDDATE SUBDATE ADDTIME SUBTIME DATEDIFF TIMEDIFF TIMESTAMPDIFF"
    b" TIMESTAMPADD DATE_FORMAT TIME_FORMAT STR_TO_DATE LAST_DAY MAKEDATE MAKETIME TO_DAYS FROM_DAYS CONVERT_TZ"
    b" TIMESTAMP CAST CONVERT BINARY DATABASE SCHEMA USER CURRENT_USER SESSION_USER SYSTEM_USER VERSION"
    b" CURRENT_ROLE CHARSET COLLATION SLEEP BENCHMARK INET_ATON INET_NTOA INET6_ATON INET6_NTOA DECIMAL VARCHAR"
    b" SIGNED UNSIGNED DATETIME GROUPING ROW DEFAULT REGEXP_REPLACE REGEXP_SUBSTR REGEXP_INSTR REGEXP_LIKE"
    b" ST_DISTANCE ST_CONTAINS ST_WITHIN ST_GEOMFROMTEXT ST_ASTEXT POINT LAST_INSERT_ID ROW_COUNT FOUND_ROWS"
    b" CONNECTION_ID".split()
)
