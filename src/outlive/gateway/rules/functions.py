"""Functions that only compute: no state, file, lock, connection, other statement or setting is behind them.

Whatever is not in here has to be listed by the configuration. Left out on purpose, beside those with effects: what
shows the server (version, current_setting, pg_relation_size), what waits or burns (pg_sleep, BENCHMARK), what makes
large values of small ones (repeat, lpad, generate_series), and what reads by a name in a text (query_to_xml).
"""

from __future__ import annotations

from typing import Final


def words(text: str) -> frozenset[str]:
    """Those of a text, which have blanks between them."""
    return frozenset(text.split())


_BOTH: Final = """
abs acos ascii asin atan atan2 avg ceil ceiling char_length character_length coalesce concat concat_ws cos cot count
cume_dist current_date current_time current_timestamp degrees dense_rank exp extract first_value floor greatest
grouping lag last_value lead least left length ln localtime localtimestamp log log10 lower ltrim max md5 min mod now
nth_value ntile nullif octet_length percent_rank pi position power radians rank replace reverse right round row_number
rtrim sign sin sqrt stddev stddev_pop stddev_samp substr substring sum tan trim upper var_pop var_samp variance
overlay bit_length sha224 sha256 sha384 sha512 bit_and bit_or bit_xor cast
"""
_POSTGRES: Final = """
age array_agg array_append array_cat array_dims array_length array_lower array_ndims array_position array_positions
array_prepend array_remove array_replace array_to_json array_to_string array_upper bool_and bool_or btrim cardinality
cbrt clock_timestamp convert_from convert_to corr covar_pop covar_samp date_bin date_part date_trunc decode div encode
every  gcd get_byte initcap isfinite json_agg json_array_elements json_array_elements_text
json_array_length json_build_array json_build_object json_each json_each_text json_extract_path json_extract_path_text
json_object json_object_agg json_object_keys json_strip_nulls json_typeof jsonb_agg jsonb_array_elements
jsonb_array_elements_text jsonb_array_length jsonb_build_array jsonb_build_object jsonb_each jsonb_each_text
jsonb_extract_path jsonb_extract_path_text jsonb_insert jsonb_object jsonb_object_agg jsonb_object_keys jsonb_pretty
jsonb_set jsonb_strip_nulls jsonb_typeof justify_days justify_hours justify_interval lcm make_date make_interval
make_time make_timestamp make_timestamptz mode num_nulls num_nonnulls percentile_cont percentile_disc
quote_ident quote_literal quote_nullable regr_avgx regr_avgy regr_count regr_intercept regr_r2 regr_slope regr_sxx
regr_sxy regr_syy row row_to_json scale split_part starts_with statement_timestamp string_agg string_to_array strpos
to_char to_date to_hex to_json to_jsonb to_number to_timestamp transaction_timestamp translate trim_array trim_scale
trunc ts_headline ts_rank ts_rank_cd to_tsquery to_tsvector plainto_tsquery phraseto_tsquery websearch_to_tsquery
unnest width_bucket array gen_random_uuid random timezone
"""
_MYSQL: Final = """
adddate addtime any_value bin binary bit_count char chr conv convert convert_tz crc32 curdate curtime date date_add
date_format date_sub datediff day dayname dayofmonth dayofweek dayofyear elt field find_in_set format from_days
from_unixtime group_concat hex hour if ifnull inet_aton inet_ntoa inet6_aton inet6_ntoa insert instr interval is_uuid
json_array json_array_append json_array_insert json_arrayagg json_contains json_contains_path json_depth json_extract
json_insert json_keys json_length json_merge_patch json_merge_preserve json_object json_objectagg json_pretty json_quote
json_remove json_replace json_search json_set json_type json_unquote json_valid json_value last_day lcase locate log2
makedate maketime match against microsecond mid minute month monthname oct ord period_add period_diff quarter quote rand
regexp_instr regexp_like regexp_replace regexp_substr row sec_to_time second sha sha1 sha2 soundex std str_to_date
strcmp subdate subtime sysdate time time_format time_to_sec timediff timestamp timestampadd timestampdiff to_days
to_seconds truncate ucase unhex unix_timestamp utc_date utc_time utc_timestamp uuid uuid_to_bin bin_to_uuid values week
weekday weekofyear year yearweek xor
"""
HARMLESS: Final = {
    "postgres": words(_BOTH + _POSTGRES),
    "mysql": words(_BOTH + _MYSQL),
}

_GRAMMAR_BOTH: Final = """
in exists any all some as and or not where select from join on using over filter by when then else case limit offset
into set returning union except intersect distinct having is like between values with partition range rows within
end escape interval cross natural inner outer full order group window div mod regexp rlike ilike similar conflict key
lateral rollup cube sets recursive materialized ignore for of update delete insert return fetch first next only xor
"""
_TYPES: Final = """
varchar char character varying nchar nvarchar bit varbit numeric decimal dec float real double precision int integer
bigint smallint tinyint mediumint text timestamp timestamptz timetz time interval signed unsigned datetime binary
varbinary bpchar zone
"""
GRAMMAR: Final = words(_GRAMMAR_BOTH)
"""Words that may stand before a parenthesis without being called."""
TYPES: Final = words(_TYPES)
"""Types that may have their length in parentheses, in a cast."""
