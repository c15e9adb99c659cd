// node http.js ENDPOINT URL DIRECT STATEMENTS: what the package does over HTTP, as one JSON object.
const { neon, neonConfig } = require("@neondatabase/serverless");
const { drizzle } = require("drizzle-orm/neon-http");
const { eq } = require("drizzle-orm");
const { integer, pgTable, text } = require("drizzle-orm/pg-core");
const { Client } = require("pg");

const [endpoint, url, direct, statements] = process.argv.slice(2);
neonConfig.fetchEndpoint = endpoint + "/sql";

const asText = { getTypeParser: () => (value) => value };
const failure = async (promise) => {
  try {
    return { done: await promise };
  } catch (error) {
    return { name: error.name, message: error.message, code: error.code, detail: error.detail, hint: error.hint,
      position: error.position, severity: error.severity, table: error.table, column: error.column, schema: error.schema,
      constraint: error.constraint, file: error.file !== undefined, line: error.line !== undefined,
      routine: error.routine, dataType: error.dataType };
  }
};

async function main() {
  const out = {};
  const sql = neon(url);
  const name = "O'Reilly";
  out.template = await sql`select ${name}::text as name, ${7}::int as n, ${null}::text as nothing`;
  out.arrays = await neon(url, { arrayMode: true })`select 1 as a, 2 as a`;
  out.full = await neon(url, { fullResults: true })`select relname, 1::numeric(5,2) as n from pg_class where relname = 'pg_class'`;
  out.query = await sql.query("select $1::int[] as list, $2::jsonb as doc", [[1, 2, 3], { a: [1, null] }]);
  await sql`drop table if exists neon_items`;
  await sql`create table neon_items (id int primary key, name text not null)`;
  out.insert = await neon(url, { fullResults: true })`insert into neon_items values (1, 'one'), (2, 'two')`;
  out.update = await neon(url, { fullResults: true })`update neon_items set name = 'zwei' where id = 2 returning id`;
  const rows = sql`select * from neon_items order by id`;
  out.batch = await sql.transaction(
    [sql`insert into neon_items values (3, 'three')`, rows,
      sql`select current_setting('transaction_isolation') as level, current_setting('transaction_read_only') as ro`],
    { isolationLevel: "Serializable" });
  out.readOnly = await sql.transaction(
    [sql`select current_setting('transaction_read_only') as ro, current_setting('transaction_deferrable') as deferrable`],
    { isolationLevel: "Serializable", readOnly: true, deferrable: true });
  out.refusedWrite = await failure(sql.transaction([sql`delete from neon_items`], { readOnly: true }));
  out.rolledBack = await failure(sql.transaction([sql`insert into neon_items values (4, 'four')`, sql`insert into neon_items values (1, 'again')`]));
  out.after = await sql`select count(*)::int as n from neon_items`;
  out.syntax = await failure(sql`selec 1`);
  out.notNull = await failure(sql`insert into neon_items values (9, null)`);
  const wrong = new URL(url);
  wrong.password = "wrong";
  out.wrong = await failure(neon(wrong.href)`select 1`);
  wrong.username = "nobody";
  out.nobody = await failure(neon(wrong.href)`select 1`);
  const elsewhere = new URL(url);
  elsewhere.pathname = "/no_such_database";
  out.elsewhere = await failure(neon(elsewhere.href)`select 1`);

  const items = pgTable("neon_items", { id: integer().primaryKey(), name: text().notNull() });
  const db = drizzle({ client: sql });
  await db.insert(items).values({ id: 5, name: "five" });
  out.drizzle = await db.select().from(items).where(eq(items.id, 5));
  out.drizzleBatch = await db.batch([
    db.update(items).set({ name: "fünf" }).where(eq(items.id, 5)).returning(), db.select().from(items).where(eq(items.id, 5)),
  ]);

  const client = new Client({ connectionString: direct });
  await client.connect();
  await client.query("set datestyle = 'ISO'");
  out.types = [];
  for (const statement of JSON.parse(statements)) {
    const through = await sql.query(statement, [], { arrayMode: true, fullResults: true, types: asText });
    const straight = await client.query({ text: statement, rowMode: "array", types: asText });
    const fields = (result) => result.fields.map((f) => [f.name, f.dataTypeID, f.tableID, f.columnID, f.dataTypeSize, f.dataTypeModifier, f.format]);
    out.types.push({ through: [through.rows, fields(through), through.command, through.rowCount],
      straight: [straight.rows, fields(straight), straight.command, straight.rowCount] });
  }
  await client.end();
  console.log(JSON.stringify(out));
}
main().catch((error) => { console.error(error); process.exit(1); });
