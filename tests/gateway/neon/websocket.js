// node websocket.js ENDPOINT URL: what the package's Pool and Client do over a WebSocket, as one JSON object.
const { Client, Pool, neonConfig } = require("@neondatabase/serverless");
const { drizzle } = require("drizzle-orm/neon-serverless");
const { eq, sql } = require("drizzle-orm");
const { jsonb, pgTable, serial, text, timestamp } = require("drizzle-orm/pg-core");
const WebSocket = require("ws");

const [endpoint, url] = process.argv.slice(2);
neonConfig.webSocketConstructor = WebSocket;
neonConfig.wsProxy = () => endpoint.replace(/^http:\/\//, "") + "/v2";
neonConfig.useSecureWebSocket = false;

const failure = async (promise) => {
  try {
    return { done: await promise };
  } catch (error) {
    return { message: error.message, code: error.code ?? error.cause?.code, position: error.position };
  }
};

async function main() {
  const out = {};
  const pool = new Pool({ connectionString: url, max: 3 });
  out.query = (await pool.query("select $1::int as n, current_user::text as who", [7])).rows;
  const client = await pool.connect();
  await client.query("drop table if exists neon_socket");
  await client.query("create table neon_socket (id int primary key)");
  await client.query("begin");
  await client.query("insert into neon_socket values ($1)", [1]);
  out.outside = (await pool.query("select count(*)::int as n from neon_socket")).rows;
  await client.query("commit");
  out.after = (await pool.query("select count(*)::int as n from neon_socket")).rows;
  out.duplicate = await failure(client.query("insert into neon_socket values (1)"));
  out.syntax = await failure(client.query("selec 1"));
  await client.query("set application_name = 'kept'");
  out.setting = (await client.query("show application_name")).rows;
  const big = "x".repeat(3000000);
  out.big = (await client.query("select length($1::text) as n", [big])).rows;
  out.large = (await client.query("select repeat('y', 1000) as y from generate_series(1, 20000)")).rows.length;
  client.release();
  const many = await Promise.all([...Array(20).keys()].map((n) => pool.query("select $1::int as n", [n])));
  out.many = many.map((result) => result.rows[0].n);
  const db = drizzle({ client: pool });
  out.drizzle = await db.transaction(async (tx) => (await tx.execute(sql`select 5 as n`)).rows);
  const items = pgTable("neon_orm", { id: serial().primaryKey(), name: text().notNull().unique(), doc: jsonb(), at: timestamp() });
  await db.execute(sql`drop table if exists neon_orm`);
  await db.execute(sql`create table neon_orm (id serial primary key, name text not null unique, doc jsonb, at timestamp)`);
  const one = { name: "it's", doc: { a: [1, null] }, at: new Date("2024-02-29T01:02:03.500Z") };
  const returned = await db.insert(items).values(one).returning();
  await db.transaction(async (tx) => {
    await tx.insert(items).values({ name: "two" });
    await failure(tx.transaction(async (inner) => {
      await inner.insert(items).values({ name: "undone" });
      throw new Error("rolled back to the savepoint");
    }));
    await tx.update(items).set({ name: "zwei" }).where(eq(items.name, "two"));
  }, { isolationLevel: "serializable" });
  const refused = await failure(db.transaction(async (tx) => {
    await tx.insert(items).values({ name: "undone, too" });
    await tx.insert(items).values({ name: "zwei" });
  }));
  out.orm = { same: JSON.stringify(returned[0]) === JSON.stringify({ id: 1, ...one }), refused: refused.code,
    names: (await db.select({ name: items.name }).from(items).orderBy(items.id)).map((row) => row.name) };
  await pool.end();

  const wrong = new URL(url);
  wrong.password = "wrong";
  const guess = new Client(wrong.href);
  // With a pipelined password the package takes itself for connected at once: the refusal is the next thing's error.
  out.wrong = await new Promise((resolve) => {
    const refused = (error) => error.code && resolve({ code: error.code });
    guess.on("error", refused);
    guess.connect().then(() => guess.query("select 1")).catch(refused);
  });
  const asked = new Client(url);
  asked.neonConfig.pipelineConnect = false;
  await asked.connect();
  out.asked = (await asked.query("select 1 as one")).rows;
  await asked.end();
  console.log(JSON.stringify(out));
}
main().catch((error) => { console.error(error); process.exit(1); });
