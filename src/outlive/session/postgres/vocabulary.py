"""Names that matter to the session. Functions and settings in lower case, keywords in upper case."""

from __future__ import annotations

from typing import Final

from .analysis import ADVISORY_LOCK, FUNCTION, SEED, SEQUENCE_ASKED, SEQUENCE_SET

#: Functions that tie the session to its server connection or ask for what is tied: (holds, asks, flags).
FUNCTIONS: Final[dict[bytes, tuple[int, int, int]]] = {
    b"pg_advisory_lock": (ADVISORY_LOCK, 0, 0),
    b"pg_advisory_lock_shared": (ADVISORY_LOCK, 0, 0),
    # May have got nothing.
    b"pg_try_advisory_lock": (ADVISORY_LOCK, ADVISORY_LOCK, 0),
    b"pg_try_advisory_lock_shared": (ADVISORY_LOCK, ADVISORY_LOCK, 0),
    b"pg_advisory_unlock": (0, ADVISORY_LOCK, 0),
    b"pg_advisory_unlock_shared": (0, ADVISORY_LOCK, 0),
    b"pg_advisory_unlock_all": (0, ADVISORY_LOCK, 0),
    b"nextval": (0, 0, SEQUENCE_SET),
    b"setval": (0, 0, SEQUENCE_SET),
    b"currval": (0, 0, SEQUENCE_ASKED),
    b"lastval": (0, 0, SEQUENCE_ASKED),
    b"setseed": (SEED, 0, 0),
    b"dblink_connect": (FUNCTION, 0, 0),
    b"dblink_connect_u": (FUNCTION, 0, 0),
    b"pg_replication_origin_session_setup": (FUNCTION, 0, 0),
}
SET_CONFIG: Final = b"set_config"
CURRENT_SETTING: Final = b"current_setting"
CAPTURED: Final = frozenset((SET_CONFIG, CURRENT_SETTING))

#: Settings that Outlive keeps itself: with their real values a connection of a node that vanished ends by itself.
VIRTUAL_SETTINGS: Final = frozenset(
    b"idle_session_timeout tcp_keepalives_idle tcp_keepalives_interval tcp_keepalives_count tcp_user_timeout"
    b" client_connection_check_interval".split()
)
#: Mean the transaction at hand even without LOCAL: each transaction begins with default_transaction_*.
TRANSACTION_SETTINGS: Final = frozenset(b"transaction_isolation transaction_read_only transaction_deferrable".split())
#: Lists of names (GUC_LIST_QUOTE): their items are quoted one by one.
NAME_LISTS: Final = frozenset(b"search_path temp_tablespaces local_preload_libraries session_preload_libraries".split())

#: All of PostgreSQL 18's statements. What begins otherwise is another server's, and anything may follow from it.
KNOWN_VERBS: Final = frozenset(
    b"ABORT ALTER ANALYSE ANALYZE BEGIN CALL CHECKPOINT CLOSE CLUSTER COMMENT COMMIT COPY CREATE DEALLOCATE DECLARE"
    b" DELETE DISCARD DO DROP END EXECUTE EXPLAIN FETCH GRANT IMPORT INSERT LISTEN LOAD LOCK MERGE MOVE NOTIFY PREPARE"
    b" REASSIGN REFRESH REINDEX RELEASE RESET REVOKE ROLLBACK SAVEPOINT SECURITY SELECT SET SHOW START TABLE TRUNCATE"
    b" UNLISTEN UPDATE VACUUM VALUES WITH".split()
)
READ_VERBS: Final = frozenset(b"SELECT SHOW EXPLAIN VALUES TABLE WITH FETCH".split())
#: What CREATE defines for later, without running it.
DEFINITIONS: Final = frozenset(b"FUNCTION PROCEDURE VIEW RULE TRIGGER POLICY EVENT AGGREGATE".split())
#: Functions that a killed SELECT may call without loss, and the words that stand before a parenthesis. None has a
#: digit: texts that differ in digits alone are judged alike (plain.py).
HARMLESS_CALLS: Final = frozenset(
    b"count sum min max avg stddev stddev_pop stddev_samp var_pop var_samp variance string_agg array_agg json_agg"
    b" jsonb_agg json_object_agg jsonb_object_agg bool_and bool_or every bit_and bit_or bit_xor corr mode"
    b" percentile_cont percentile_disc row_number rank dense_rank percent_rank cume_dist ntile lag lead first_value"
    b" last_value nth_value in and or not exists any all some from join on using where having by select distinct as"
    b" over filter within values like ilike between when then else case union except intersect lateral for partition"
    b" with recursive materialized limit offset is similar to collate row array rows range groups grouping sets cube"
    b" rollup tablesample if nullif coalesce greatest least concat concat_ws lower upper initcap length char_length"
    b" character_length octet_length bit_length substr substring left right lpad rpad trim ltrim rtrim btrim replace"
    b" reverse repeat strpos position overlay split_part translate format quote_ident quote_literal quote_nullable"
    b" ascii chr to_hex encode decode convert_from convert_to regexp_replace regexp_match regexp_matches"
    b" regexp_split_to_table regexp_split_to_array regexp_like regexp_count regexp_instr regexp_substr starts_with abs"
    b" ceil ceiling floor round trunc sign sqrt cbrt pow power exp ln log sin cos tan asin acos atan pi mod div"
    b" random now current_date current_time current_timestamp localtime localtimestamp clock_timestamp"
    b" statement_timestamp transaction_timestamp timeofday age date_part date_trunc date_bin extract make_date"
    b" make_time make_timestamp make_timestamptz make_interval to_char to_date to_number to_timestamp justify_days"
    b" justify_hours justify_interval isfinite cast interval date time timestamp numeric decimal varchar char"
    b" character varying bit generate_series generate_subscripts unnest cardinality array_length array_dims"
    b" array_lower array_upper array_ndims array_append array_prepend array_cat array_remove array_replace"
    b" array_position array_positions array_to_string string_to_array string_to_table array_to_json row_to_json"
    b" to_json to_jsonb json_build_object jsonb_build_object json_build_array jsonb_build_array json_object"
    b" jsonb_object json_array json_each jsonb_each json_each_text jsonb_each_text json_array_elements"
    b" jsonb_array_elements json_array_elements_text jsonb_array_elements_text json_array_length jsonb_array_length"
    b" json_extract_path jsonb_extract_path json_extract_path_text jsonb_extract_path_text json_object_keys"
    b" jsonb_object_keys json_typeof jsonb_typeof json_populate_record jsonb_populate_record json_to_record"
    b" jsonb_to_record json_to_recordset jsonb_to_recordset json_strip_nulls jsonb_strip_nulls jsonb_set jsonb_insert"
    b" jsonb_pretty jsonb_path_exists jsonb_path_match jsonb_path_query jsonb_path_query_array jsonb_path_query_first"
    b" json_value json_query json_exists to_tsvector to_tsquery plainto_tsquery phraseto_tsquery websearch_to_tsquery"
    b" ts_rank ts_rank_cd ts_headline setweight similarity word_similarity gen_random_uuid version current_database"
    b" current_schema current_schemas pg_backend_pid pg_typeof pg_sleep pg_get_userbyid pg_get_expr pg_get_indexdef"
    b" pg_get_constraintdef pg_get_viewdef pg_get_functiondef pg_table_is_visible pg_type_is_visible"
    b" pg_function_is_visible pg_encoding_to_char pg_relation_size pg_total_relation_size pg_table_size"
    b" pg_database_size pg_size_pretty pg_is_in_recovery pg_column_size obj_description col_description"
    b" shobj_description format_type has_table_privilege has_schema_privilege has_database_privilege"
    b" current_setting lower_inc upper_inc isempty num_nonnulls num_nulls st_distance st_contains st_within st_dwithin"
    b" st_intersects st_makepoint st_setsrid st_asgeojson st_astext st_geomfromtext point box".split()
)
