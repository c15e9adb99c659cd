"""What requests of the RDS Data API say. Members that are not named here are the clients' own, and are left alone.

Source: the service model of rds-data, version 2018-08-01.
"""

from __future__ import annotations

from typing import Literal

from msgspec import Struct


class ArrayValue(Struct, rename="camel", kw_only=True):
    """One of its members."""

    boolean_values: list[bool | None] | None = None
    long_values: list[int | None] | None = None
    double_values: list[float | str | None] | None = None
    string_values: list[str | None] | None = None
    array_values: list[ArrayValue | None] | None = None


class Field(Struct, rename="camel", kw_only=True):
    """One of its members. `blob_value` is base64; NaN and the infinities are texts."""

    is_null: bool | None = None
    boolean_value: bool | None = None
    long_value: int | None = None
    double_value: float | str | None = None
    string_value: str | None = None
    blob_value: str | None = None
    array_value: ArrayValue | None = None


class SqlParameter(Struct, rename="camel", kw_only=True):
    """A value by name."""

    name: str
    value: Field
    type_hint: Literal["JSON", "UUID", "TIMESTAMP", "DATE", "TIME", "DECIMAL"] | None = None


class ResultSetOptions(Struct, rename="camel", kw_only=True, frozen=True):
    """How numbers come that JavaScript would round."""

    decimal_return_type: Literal["STRING", "DOUBLE_OR_LONG"] = "STRING"
    long_return_type: Literal["LONG", "STRING"] = "LONG"


class Addressed(Struct, rename="camel", kw_only=True):
    """What every request names."""

    resource_arn: str
    secret_arn: str
    database: str | None = None
    schema: str | None = None


class Execute(Addressed, rename="camel", kw_only=True):
    """One statement."""

    sql: str
    parameters: list[SqlParameter] = []
    transaction_id: str | None = None
    include_result_metadata: bool = False
    continue_after_timeout: bool = False
    result_set_options: ResultSetOptions = ResultSetOptions()
    format_records_as: Literal["NONE", "JSON"] = "NONE"


class BatchExecute(Addressed, rename="camel", kw_only=True):
    """One statement for each set of parameters; without a set, once."""

    sql: str
    parameter_sets: list[list[SqlParameter]] = []
    transaction_id: str | None = None


class Begin(Addressed, rename="camel", kw_only=True):
    """A transaction over several requests."""


class End(Addressed, rename="camel", kw_only=True):
    """Its end."""

    transaction_id: str
