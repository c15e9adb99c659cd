"""boto3, unmodified: statements, transactions, batches, errors, at PostgreSQL and MariaDB."""

import http.client

import pytest
from botocore.exceptions import ClientError

from tests.gateway.rds.clients import Place


def test_a_transaction(place: Place) -> None:
    table = place.table("id INT PRIMARY KEY, name VARCHAR(20)")
    id = place.begin()
    insert = f"INSERT INTO {table} VALUES (:id, :name)"
    done = place.execute(insert, {"id": {"longValue": 1}, "name": {"stringValue": "a'b"}}, transactionId=id)
    assert done["numberOfRecordsUpdated"] == 1
    assert place.value(f"SELECT COUNT(*) FROM {table}") == ("longValue", 0)
    assert place.commit(id) == "Transaction Committed"
    assert place.execute(f"SELECT id, name FROM {table}")["records"] == [[{"longValue": 1}, {"stringValue": "a'b"}]]
    id = place.begin()
    place.execute(insert, {"id": {"longValue": 2}, "name": {"isNull": True}}, transactionId=id)
    assert place.rollback(id) == "Rollback Complete"
    assert place.value(f"SELECT COUNT(*) FROM {table}") == ("longValue", 1)
    with pytest.raises(place.client.exceptions.TransactionNotFoundException):
        place.commit(id)


def test_a_batch(place: Place) -> None:
    table = place.table("id INT PRIMARY KEY, name VARCHAR(20)")
    sets = [
        [{"name": "1", "value": {"longValue": n}}, {"name": "2", "value": {"stringValue": str(n)}}] for n in range(3)
    ]
    insert = f"INSERT INTO {table} VALUES (:1, :2)"
    done = place.client.batch_execute_statement(sql=insert, parameterSets=sets, **place.arns)
    assert [result["generatedFields"] for result in done["updateResults"]] == [[], [], []]
    with pytest.raises(place.client.exceptions.DatabaseErrorException):  # all or nothing
        place.client.batch_execute_statement(sql=insert, parameterSets=[_set(7), _set(0)], **place.arns)
    assert place.value(f"SELECT COUNT(*) FROM {table}") == ("longValue", 3)
    id = place.begin()
    place.client.batch_execute_statement(sql=insert, parameterSets=[_set(8), _set(9)], transactionId=id, **place.arns)
    place.rollback(id)
    assert place.value(f"SELECT COUNT(*) FROM {table}") == ("longValue", 3)


def _set(number: int) -> list[object]:
    return [{"name": "1", "value": {"longValue": number}}, {"name": "2", "value": {"isNull": True}}]


def test_errors(place: Place) -> None:
    with pytest.raises(place.client.exceptions.DatabaseErrorException) as raised:
        place.execute("SELECT nothing FROM nowhere")
    message = raised.value.response["Error"]["Message"]
    if place.database == "pg":
        assert message == 'ERROR: relation "nowhere" does not exist; Position: 21; SQLState: 42P01'
    else:
        assert message.startswith("Database error code: 1146. Message: Table ")
        assert message.endswith("; Error code: 1146; SQLState: 42S02")
    with pytest.raises(place.client.exceptions.BadRequestException, match=":missing"):
        place.execute("SELECT :missing", {"other": {"longValue": 1}})
    with pytest.raises(place.client.exceptions.BadRequestException, match="deprecated"):
        place.client.execute_sql(
            dbClusterOrInstanceArn="a" * 11, awsSecretStoreArn="b" * 11, sqlStatements="SELECT 1", database="x"
        )
    with pytest.raises(ClientError, match="schema is not supported"):
        place.execute("SELECT 1", schema="other")
    with pytest.raises(place.client.exceptions.DatabaseNotFoundException):
        place.execute("SELECT 1", database="other")


def test_ddl_commits_and_the_transaction_goes_on(my: Place) -> None:
    table, other = my.table("id INT"), my.table("id INT")
    id = my.begin()
    my.execute(f"INSERT INTO {table} VALUES (1)", transactionId=id)
    my.execute(f"ALTER TABLE {other} ADD more INT", transactionId=id)
    my.execute(f"INSERT INTO {table} VALUES (2)", transactionId=id)
    assert my.rollback(id) == "Rollback Complete"
    assert my.execute(f"SELECT id FROM {table}")["records"] == [[{"longValue": 1}]]


def test_generated_fields_of_a_batch(my: Place) -> None:
    table = my.table("id INT PRIMARY KEY AUTO_INCREMENT, name VARCHAR(20)")
    sets = [[{"name": "name", "value": {"stringValue": name}}] for name in ("a", "b")]
    insert = f"INSERT INTO {table} (name) VALUES (:name)"
    done = my.client.batch_execute_statement(sql=insert, parameterSets=sets, **my.arns)
    assert [result["generatedFields"] for result in done["updateResults"]] == [[{"longValue": 1}], [{"longValue": 2}]]


def test_json_of_a_result_with_its_metadata(place: Place) -> None:
    done = place.execute("SELECT 1 AS a, 'x' AS b", formatRecordsAs="JSON", includeResultMetadata=True)
    assert done["formattedRecords"] == '[{"a":1,"b":"x"}]'
    assert [column["label"] for column in done["columnMetadata"]] == ["a", "b"]
    assert "columnMetadata" not in place.execute("SELECT 1 AS a")


def test_another_method(pg: Place) -> None:
    connection = http.client.HTTPConnection(pg.url.removeprefix("http://"), timeout=20)
    for method in ("GET", "HEAD", "PUT"):
        connection.request(method, "/Execute")
        response = connection.getresponse()
        assert (response.status, response.headers["Allow"]) == (405, "POST")
        assert response.read() == (b"" if method == "HEAD" else b"Method Not Allowed")
    connection.close()
