"""Databases that are spoken to without a connection of one's own: one HTTP request is one statement or transaction.

The one table of them; docs/remedies/stateless.md is made from it (stateless_page.py). Each entry says what was read in
the manual that it names, in the year that it names, and no more: what could not be checked is left out.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final


@dataclass(frozen=True, slots=True, kw_only=True)
class Interface:
    """One stateless interface of one database."""

    database: str
    name: str
    what: str
    transactions: str
    limits: str
    authentication: str
    source: str
    checked: int = 2026
    serves: tuple[str, ...] = ()
    """Databases of databases.py for which it is a way in, or a hosted form with one."""
    maintained: bool = True
    """False: it has ended, or its maker has given it up."""


INTERFACES: Final[Sequence[Interface]] = (
    Interface(
        database="Amazon Athena",
        name="Athena API",
        what="SQL over files in object storage. A statement is started, and its result fetched when it is there.",
        transactions="None over several requests.",
        limits="Asynchronous: start, ask, fetch. For reports, not for requests that a person waits for.",
        authentication="IAM, signed requests (SigV4)",
        source="Athena API Reference, StartQueryExecution and GetQueryResults",
    ),
    Interface(
        database="Amazon Aurora (MySQL and PostgreSQL)",
        name="RDS Data API",
        what="SQL over HTTPS; the service keeps the connections to the cluster.",
        transactions="Yes, over several requests: BeginTransaction, CommitTransaction, RollbackTransaction.",
        limits="Response 1 MiB, row 64 KB, request 4 MiB. A transaction ends after 3 min without a call, and after "
        "24 h. The cluster's writer only; not on T instance classes.",
        authentication="IAM (SigV4), and the database's user from Secrets Manager",
        source="Amazon Aurora User Guide, Amazon RDS Data API limitations; RDS Data API Reference, BeginTransaction",
        serves=("mysql", "postgresql"),
    ),
    Interface(
        database="Amazon DynamoDB",
        name="DynamoDB API",
        what="Key-value and document store that has no connections at all.",
        transactions="Within one request: TransactWriteItems with up to 100 actions and 4 MB.",
        limits="Item 400 KB; a Query reads at most 1 MB a page.",
        authentication="IAM, signed requests (SigV4)",
        source="Amazon DynamoDB API Reference, TransactWriteItems and Query",
    ),
    Interface(
        database="Amazon Neptune",
        name="HTTPS endpoint and Neptune Data API",
        what="Graph database: a Gremlin or openCypher query in one HTTPS request.",
        transactions="Each request is its own.",
        limits="HTTP/1.1 only; neptune_query_timeout bounds a query.",
        authentication="IAM database authentication (SigV4), where it is switched on",
        source="Neptune User Guide, Using the HTTPS REST endpoint to connect to a Neptune DB instance",
    ),
    Interface(
        database="Amazon Redshift",
        name="Redshift Data API",
        what="SQL over HTTPS, asynchronous: a statement is submitted, and its result fetched when it is there.",
        transactions="BatchExecuteStatement runs its statements as one transaction.",
        limits="Result 500 MB, row 64 KB.",
        authentication="IAM, with Secrets Manager or temporary database credentials",
        source="Redshift Management Guide, Troubleshooting issues for Amazon Redshift Data API; Data API Reference, "
        "BatchExecuteStatement",
    ),
    Interface(
        database="Amazon Timestream for LiveAnalytics",
        name="Timestream Query API",
        what="Time series; queries in SQL, answered in pages.",
        transactions="None.",
        limits="A query ends after 60 s; a row of at most 1 MB.",
        authentication="IAM, signed requests (SigV4)",
        source="Amazon Timestream API Reference, Query",
    ),
    Interface(
        database="Apache Cassandra",
        name="Stargate REST, Document and GraphQL APIs",
        what="A gateway of its own between HTTP and CQL.",
        transactions="No: the REST API has no lightweight transactions.",
        limits="For Astra DB deprecated since 2024, with its end planned for the end of 2025; the Data API follows it.",
        authentication="A token of Stargate's own authentication API, in a header",
        source="DataStax documentation, Developing with the Stargate REST API; Astra DB Serverless, Legacy APIs",
    ),
    Interface(
        database="Apache CouchDB",
        name="CouchDB HTTP API",
        what="Document database whose only interface is HTTP.",
        transactions="No: a document is changed at once, several are not.",
        limits="Document 8 MB by default (max_document_size, since 3.0).",
        authentication="Basic, or a cookie from _session",
        source="CouchDB manual, 3.0.x Release Notes, Upgrade Notes",
    ),
    Interface(
        database="Azure Cosmos DB for NoSQL",
        name="REST API",
        what="Document database, HTTPS.",
        transactions="Within one request and one logical partition: transactional batch.",
        limits="A batch of at most 2 MB and 5 s.",
        authentication="Account key or Microsoft Entra ID, in a header",
        source="Azure Cosmos DB documentation, Transactional batch operations",
    ),
    Interface(
        database="ClickHouse",
        name="HTTP interface (port 8123)",
        what="SQL over HTTP; inserts in the body of a POST.",
        transactions="A request is one statement.",
        limits="URL 16 KB; GET is read-only.",
        authentication="User and password: Basic, or in headers",
        source="ClickHouse documentation, HTTP Interface",
    ),
    Interface(
        database="Cloudflare D1",
        name="D1 binding and REST API",
        what="SQLite as a service, called from Workers or over REST.",
        transactions="A batch is one transaction; BEGIN is refused.",
        limits="A query ends after 30 s; 100 bound parameters; statement 100 KB; row 1 MB; database 10 GB.",
        authentication="The Worker's binding, or an API token",
        source="Cloudflare D1 documentation, Limits",
    ),
    Interface(
        database="Cloudflare Hyperdrive (before MySQL or PostgreSQL)",
        name="Hyperdrive binding",
        what="Not HTTP: a managed pool by transaction before an existing database, for Workers only. A proxy layer.",
        transactions="Yes, as the database has them.",
        limits="A statement ends after 60 s; cached responses up to 50 MB; at least 5 connections to the database, "
        "and its maximum is a soft one.",
        authentication="The Worker's binding; the database's user is Hyperdrive's",
        source="Cloudflare Hyperdrive documentation, Limits and Connection pooling",
        serves=("mysql", "postgresql"),
    ),
    Interface(
        database="Databricks SQL",
        name="Statement Execution API",
        what="SQL on a warehouse, over REST, waiting or asynchronous.",
        transactions="None over several requests.",
        limits="A call waits 5 to 50 s; results 25 MiB inline, 100 GiB by links.",
        authentication="Bearer token (OAuth or personal access token)",
        source="Databricks REST API Reference, Statement Execution",
    ),
    Interface(
        database="Elasticsearch",
        name="REST API",
        what="Search and documents; HTTP is its interface, and that of OpenSearch, which began as its fork.",
        transactions="No: a document is changed at once, a bulk request is not.",
        limits="Request 100 MB by default (http.max_content_length).",
        authentication="Basic, API key or token",
        source="Elasticsearch Reference, Networking settings",
    ),
    Interface(
        database="Google BigQuery",
        name="REST API (jobs.query)",
        what="SQL for analysis.",
        transactions="Within one multi-statement query, or over several requests in a session.",
        limits="A response page of at most 10 MB.",
        authentication="OAuth 2.0 access token",
        source="BigQuery REST Reference, jobs.query; BigQuery documentation, Introduction to sessions",
    ),
    Interface(
        database="Google Firestore (Firebase)",
        name="REST and gRPC API",
        what="Document database; the Firebase client libraries speak it, too.",
        transactions="Yes, over several requests.",
        limits="A transaction ends after 270 s, and after 60 s idle; request 10 MiB; document 1 MiB.",
        authentication="Firebase Authentication or OAuth 2.0 access token",
        source="Firestore documentation, Quotas and limits",
    ),
    Interface(
        database="InfluxDB",
        name="HTTP API (/api/v2/write, /api/v2/query, /query)",
        what="Time series: line protocol in, Flux or InfluxQL out.",
        transactions="None.",
        limits="What is possible differs by product: Cloud Serverless has no /api/v2/query.",
        authentication="API token in a header",
        source="InfluxDB Cloud documentation, API quick start; Cloud Serverless, Use the InfluxDB v2 API",
    ),
    Interface(
        database="MongoDB",
        name="Atlas Data API",
        what="HTTPS before Atlas. It ended on 30 September 2025, and requests to it fail. What is left is a driver, in "
        "a service of one's own or behind another maker's gateway.",
        transactions="-",
        limits="-",
        authentication="-",
        source="MongoDB documentation, Atlas Data API (End of Life)",
        maintained=False,
    ),
    Interface(
        database="Neo4j",
        name="HTTP API (/db/NAME/tx)",
        what="Cypher over HTTP, several statements a request. Deprecated since 5.26; not on Aura.",
        transactions="Yes, over several requests, to one member of a cluster.",
        limits="An idle transaction is rolled back after a timeout that the server sets.",
        authentication="Basic, in a header",
        source="Neo4j HTTP API manual, Introduction and Run transactions",
        maintained=False,
    ),
    Interface(
        database="Neo4j",
        name="Query API (/db/NAME/query/v2)",
        what="Cypher over HTTP, one statement a request; also on Aura.",
        transactions="Yes; over several requests on Aura and single servers, else to the same member only.",
        limits="An open transaction times out; an empty request keeps it.",
        authentication="Authorization header (Basic or bearer token)",
        source="Neo4j Query API manual, Run transactions",
    ),
    Interface(
        database="Neon (PostgreSQL)",
        name="SQL over HTTP",
        what="PostgreSQL as a service; one POST a query.",
        transactions="Several statements in one request; interactive ones need its WebSocket.",
        limits="The response is bounded (10 MB when it was raised in 2023).",
        authentication="The database's user, in a header, or a JWT",
        source="Neon documentation, changelog of 2023-08-16, Neon serverless driver enhancements",
        serves=("postgresql",),
    ),
    Interface(
        database="Oracle Database",
        name="Oracle REST Data Services, REST-Enabled SQL",
        what="A service beside the database (with a pool of its own): SQL in a POST, JSON back. Off by default.",
        transactions="Within one request.",
        limits="As its administrator sets them.",
        authentication="Basic or OAuth 2.0",
        source="Oracle REST Data Services Developer's Guide, REST-Enabled SQL Service",
    ),
    Interface(
        database="PlanetScale (Vitess, MySQL)",
        name="HTTP API of @planetscale/database",
        what="MySQL as a service; one POST a query.",
        transactions="Yes: the client sends the session's state back with each request.",
        limits="-",
        authentication="Basic, with the database's user",
        source="PlanetScale documentation, PlanetScale serverless driver for JavaScript",
        serves=("mysql",),
    ),
    Interface(
        database="PostgreSQL (and Supabase)",
        name="PostgREST",
        what="A service beside the database (with a pool of its own): tables, views and functions as REST.",
        transactions="Each request is one; several statements go into a function.",
        limits="db-max-rows bounds a response; statement_timeout of the role.",
        authentication="JWT, whose role the request runs as",
        source="PostgREST documentation, Transactions and Authentication",
        serves=("postgresql",),
    ),
    Interface(
        database="SingleStore",
        name="Data API",
        what="SQL over HTTP, by a server that is built in.",
        transactions="-",
        limits="Concurrent requests up to a setting of the engine (http_api_pool_capacity).",
        authentication="Basic, or a bearer token",
        source="SingleStore documentation, Data API",
    ),
    Interface(
        database="Snowflake",
        name="SQL API (/api/v2/statements)",
        what="SQL over REST; results in partitions.",
        transactions="Within one request of several statements.",
        limits="A call waits 45 s; longer statements are asked for by their handle.",
        authentication="OAuth or key pair (JWT)",
        source="Snowflake documentation, SQL API introduction and reference",
    ),
    Interface(
        database="SQL Server and Azure SQL (also PostgreSQL, MySQL, Cosmos DB)",
        name="Data API builder",
        what="A service beside the database, in a container: tables, views and procedures as REST and GraphQL.",
        transactions="Within one request; several statements go into a stored procedure.",
        limits="Pages of 100 records by default (max-page-size); max-response-size-mb.",
        authentication="OAuth 2.0 / JWT, and roles of its own",
        source="Data API builder documentation, What's new in version 1.2; Feature availability",
        serves=("sqlserver", "postgresql", "mysql"),
    ),
    Interface(
        database="SurrealDB",
        name="HTTP API (/sql)",
        what="SurrealQL in a POST.",
        transactions="Within one request.",
        limits="Request 1 MiB at /sql, 4 MiB at /rpc by default.",
        authentication="Bearer token or Basic",
        source="SurrealDB documentation, Via HTTP",
    ),
    Interface(
        database="Turso (libSQL)",
        name="SQL over HTTP (/v2/pipeline)",
        what="SQLite as a service: several statements a request.",
        transactions="Within one request, or over several with a baton that expires.",
        limits="A stream without a statement times out; every request renews it.",
        authentication="Bearer token",
        source="Turso documentation, SQL over HTTP Reference",
    ),
    Interface(
        database="Upstash (Redis)",
        name="REST API",
        what="Redis as a service, a command or pipeline a request.",
        transactions="multi-exec: several commands in one request, atomic.",
        limits="Request 10 MB on the smaller plans.",
        authentication="Bearer token",
        source="Upstash documentation, REST API; ERR max request size exceeded",
        serves=("redis",),
    ),
)
"""By database."""


def interfaces_of(database: str) -> list[Interface]:
    """The maintained ones through which a database of databases.py can be reached, itself or a hosted form of it."""
    # MariaDB speaks MySQL's protocol; services that host MySQL do not host it.
    return [each for each in INTERFACES if database in each.serves and each.maintained]
