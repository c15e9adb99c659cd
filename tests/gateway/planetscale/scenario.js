// node scenario.js ENDPOINT USER PASSWORD DIRECT STATEMENTS: what the package does, as one JSON object.
const { connect, Client } = require("@planetscale/database");
const { drizzle } = require("drizzle-orm/planetscale-serverless");
const { eq } = require("drizzle-orm");
const { int, mysqlTable, varchar } = require("drizzle-orm/mysql-core");
const mysql = require("mysql2/promise");

const [endpoint, username, password, direct, statements] = process.argv.slice(2);
const url = (user, secret) => {
  const found = new URL(endpoint);
  found.username = user;
  found.password = secret;
  return found.href;
};
const config = (user = username, secret = password) => ({ url: url(user, secret) });
const failure = async (promise) => {
  try {
    return { done: await promise };
  } catch (error) {
    return { name: error.name, message: error.message, status: error.status, body: error.body };
  }
};

async function main() {
  const out = {};
  const conn = connect(config());
  out.one = await conn.execute("select ? as text, ? as n, ? as nothing", ["O'Reilly \\ \" \n", 7, null]);
  out.session = await conn.createSession();
  await conn.execute("drop table if exists ps_items");
  out.ddl = await conn.execute("create table ps_items (id bigint unsigned primary key auto_increment, name varchar(50) not null unique)");
  out.insert = await conn.execute("insert into ps_items (name) values (?), (?)", ["one", "two"]);
  out.update = await conn.execute("update ps_items set name = :name where id = :id", { name: "zwei", id: 2 });
  out.arrays = (await conn.execute("select id, name from ps_items order by id", null, { as: "array" })).rows;
  out.syntax = await failure(conn.execute("selec 1"));
  out.duplicate = await failure(conn.execute("insert into ps_items (name) values ('one')"));

  const client = new Client(config());
  out.transaction = await client.transaction(async (tx) => {
    await tx.execute("insert into ps_items (name) values ('three')");
    const inside = await tx.execute("select count(*) as n from ps_items");
    const outside = await conn.execute("select count(*) as n from ps_items");
    return [inside.rows[0].n, outside.rows[0].n];
  });
  out.rolledBack = await failure(client.transaction(async (tx) => {
    await tx.execute("insert into ps_items (name) values ('four')");
    await tx.execute("insert into ps_items (name) values ('one')");
  }));
  out.after = (await conn.execute("select count(*) as n from ps_items")).rows[0].n;

  const own = connect(config());
  await own.execute("BEGIN");
  const old = own.session;
  await own.execute("insert into ps_items (name) values ('five')");
  await own.execute("COMMIT");
  out.closed = own.session.vitessSession.inTransaction;
  own.session = old;
  out.replayed = await failure(own.execute("insert into ps_items (name) values ('six')"));
  out.replayedAgain = await failure(own.execute("COMMIT"));
  out.replayedEnd = (await failure(own.execute("ROLLBACK"))).done !== undefined;
  out.usable = (await own.execute("select 1 as one")).rows;
  await own.execute("BEGIN");
  own.session = { ...own.session, signature: "forged" };
  out.forged = await failure(own.execute("select 1"));

  out.wrong = await failure(connect(config(username, "wrong")).execute("select 1"));
  out.nobody = await failure(connect(config("nobody", "wrong")).execute("select 1"));

  const items = mysqlTable("ps_items", { id: int().primaryKey().autoincrement(), name: varchar({ length: 50 }).notNull() });
  const db = drizzle({ client });
  out.drizzleInsert = (await db.insert(items).values({ name: "drizzle" })).rowsAffected;
  out.drizzle = (await db.select().from(items).where(eq(items.name, "drizzle"))).map((row) => row.name);
  out.drizzleTransaction = await failure(db.transaction(async (tx) => {
    await tx.insert(items).values({ name: "undone" });
    await tx.transaction(async (nested) => nested.insert(items).values({ name: "undone too" }));
    tx.rollback();
  }));
  out.drizzleAfter = (await db.select().from(items)).length;

  const { Kysely } = await import("kysely");
  const { PlanetScaleDialect } = await import("kysely-planetscale");
  const kysely = new Kysely({ dialect: new PlanetScaleDialect(config()) });
  await kysely.schema.dropTable("ps_kysely").ifExists().execute();
  await kysely.schema.createTable("ps_kysely").addColumn("id", "integer", (c) => c.primaryKey().autoIncrement())
    .addColumn("name", "varchar(20)", (c) => c.unique()).addColumn("at", "datetime").execute();
  const inserted = await kysely.insertInto("ps_kysely").values({ name: "it's", at: new Date("2024-02-29T01:02:03Z") }).executeTakeFirst();
  await kysely.transaction().execute((tx) => tx.insertInto("ps_kysely").values({ name: "two" }).execute());
  const refused = await failure(kysely.transaction().execute(async (tx) => {
    await tx.insertInto("ps_kysely").values({ name: "undone" }).execute();
    await tx.insertInto("ps_kysely").values({ name: "two" }).execute();
  }));
  const updated = await kysely.updateTable("ps_kysely").set({ name: "zwei" }).where("name", "=", "two").executeTakeFirst();
  out.kysely = { id: Number(inserted.insertId), updated: Number(updated.numUpdatedRows), refused: refused.message,
    rows: await kysely.selectFrom("ps_kysely").selectAll().orderBy("id").execute() };

  const straight = await mysql.createConnection({ uri: direct, charset: "utf8mb4" });
  out.types = [];
  const given = { cast: (field, value) => value, as: "array" };
  for (const statement of JSON.parse(statements)) {
    const through = await conn.execute(statement, null, given);
    const [rows, fields] = await straight.query({ sql: statement, rowsAsArray: true,
      typeCast: (field) => { const bytes = field.buffer(); return bytes === null ? null : bytes.toString("latin1"); } });
    out.types.push({ names: through.fields.map((f) => f.type), through: [through.rows, through.fields.map((f) => [f.name, f.charset, f.columnLength, f.flags, f.decimals])],
      straight: [rows, fields.map((f) => [f.name, f.characterSet, f.columnLength, f.flags, f.decimals])] });
  }
  await straight.end();
  console.log(JSON.stringify(out));
}
main().catch((error) => { console.error(error); process.exit(1); });
