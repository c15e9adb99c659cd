"""The system variables that are tracked and replayed, and those that are virtual.

The server reports changes of the variables in `session_track_system_variables`. The list is explicit: with `*` MySQL
9.7 sends `statement_id` on every OK. A name the server does not know is an error on MariaDB (1193), so the list is
cut to what SHOW VARIABLES names.
"""

from __future__ import annotations

from typing import Final

TRACKED: Final = tuple(
    b"""
    autocommit auto_increment_increment auto_increment_offset alter_algorithm big_tables block_encryption_mode
    bulk_insert_buffer_size
    character_set_client character_set_connection character_set_results collation_connection character_set_filesystem
    check_constraint_checks column_compression_threshold completion_type cte_max_recursion_depth
    deadlock_search_depth_long
    default_collation_for_utf8mb4 default_storage_engine default_tmp_storage_engine default_week_format
    div_precision_increment
    end_markers_in_json eq_range_index_dive_limit explain_format explicit_defaults_for_timestamp foreign_key_checks
    generated_random_password_length group_concat_max_len histogram_generation_max_mem_size idle_transaction_timeout
    idle_readonly_transaction_timeout idle_write_transaction_timeout information_schema_stats_expiry
    interactive_timeout innodb_ft_user_stopword_table innodb_lock_wait_timeout innodb_strict_mode innodb_table_locks
    internal_tmp_mem_storage_engine
    join_buffer_size join_cache_level key_cache_block_size lc_messages lc_time_names lock_wait_timeout long_query_time
    low_priority_updates
    max_delayed_threads max_error_count max_execution_time max_heap_table_size max_join_size max_length_for_sort_data
    max_points_in_geometry max_recursive_iterations max_seeks_for_key max_session_mem_used max_sort_length
    max_sp_recursion_depth
    max_statement_time min_examined_row_limit net_buffer_length net_read_timeout net_retry_count net_write_timeout
    new note_verbosity old old_alter_table
    old_mode
    optimizer_max_sel_arg_weight optimizer_prune_level optimizer_search_depth optimizer_selectivity_sampling_limit
    optimizer_switch optimizer_trace optimizer_trace_features optimizer_trace_limit optimizer_trace_max_mem_size
    optimizer_trace_offset optimizer_use_condition_selectivity parser_max_mem_size preload_buffer_size
    print_identified_with_as_hex profiling profiling_history_size query_alloc_block_size query_cache_type
    query_cache_wlock_invalidate query_prealloc_size range_alloc_block_size range_optimizer_max_mem_size
    read_buffer_size
    read_rnd_buffer_size rowid_merge_buff_size secondary_engine_cost_threshold select_into_buffer_size
    select_into_disk_sync select_into_disk_sync_delay session_alloc_block_size set_operations_buffer_size
    show_create_table_skip_secondary_engine show_create_table_verbosity show_gipk_in_create_table_and_information_schema
    show_old_temporals sort_buffer_size sql_auto_is_null sql_big_selects sql_buffer_result
    sql_generate_invisible_primary_key
    sql_if_exists sql_mode sql_notes sql_quote_show_create sql_require_primary_key sql_safe_updates sql_select_limit
    sql_warnings standard_compliant_cte storage_engine strict_innodb system_versioning_alter_history
    system_versioning_asof system_versioning_insert_history terminology_use_previous time_zone tmp_disk_table_size
    tmp_memory_table_size tmp_table_size transaction_alloc_block_size transaction_isolation transaction_prealloc_size
    transaction_read_only tx_isolation tx_read_only unique_checks updatable_views_with_limit use_secondary_engine
    use_stat_tables windowing_use_high_precision xa_detach_on_prepare
    """.split()
)
"""Session variables whose change can be replayed by `SET name=value`. Whatever is not here and changes, pins."""

VIRTUAL: Final = frozenset(
    (
        b"wait_timeout",
        b"session_track_gtids",
        b"session_track_schema",
        b"session_track_state_change",
        b"session_track_system_variables",
        b"session_track_transaction_info",
    )
)
"""A client's own values of these are recorded and shown, never sent: Outlive needs the real ones for the dead man's
switch and for its own tracking."""

CHARSETS: Final = frozenset((b"character_set_client", b"character_set_connection", b"character_set_results"))
"""An empty report means NULL for these (measured on 9.7 and 10.11)."""

SYNONYMS: Final = {b"tx_isolation": b"transaction_isolation", b"tx_read_only": b"transaction_read_only"}
"""MariaDB 11.1 renamed these and keeps the old names as aliases; where both exist only the new one is tracked."""

EXPLAINED: Final = frozenset((b"last_insert_id", b"identity"))
"""Set by SET, tracked by no tracker, and kept by the session itself."""
